//! The requests of a source: when they are sent, how a hook changes them, and how closing cancels them.
//!
//! C1 and so on are the rules of `docs/standard.md`.

mod common;

use std::io::Read as _;
use std::time::Duration;

use common::{
    Answer, Log, Server, Sources as _, client, event, get, last_error, name, next, quick, raw, redirect,
    response, soon, status, stream,
};
use reqwest::Method;
use reqwest::header::{ACCEPT, HeaderValue};
use sse_client::{BoxError, Error, EventId, EventSource, EventSourceBuilder, Notice, ReadyState, Reconnect};
use tokio::sync::mpsc;

// States and waits

/// C1.
#[tokio::test]
async fn a_source_connects_opens_and_closes() {
    let server = Server::start([stream("data: 1\n\n"), status(404)]);
    let mut source = server.source();
    assert_eq!(source.ready_state(), ReadyState::Connecting);
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(source.ready_state(), ReadyState::Open);
    assert!(soon(source.next()).await.unwrap().is_err());
    assert_eq!(source.ready_state(), ReadyState::Closed);

    let server = Server::start([status(503)]);
    let mut waiting = server.source_with(Reconnect::new());
    tokio::select! {
        biased;
        item = waiting.next() => panic!("{item:?}"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(waiting.ready_state(), ReadyState::Connecting);
}

/// C12: the reconnection time applies to all later connections, until the server asks for another one.
#[tokio::test]
async fn the_reconnection_time_stays() {
    let bodies =
        ["data: 1\n\n", "retry: 7\ndata: 2\n\n", "data: 3\n\n", "retry: 9\n\ndata: 4\n\n", "data: 5\n\n"];
    let server = Server::start(bodies.map(stream).into_iter().chain([status(503), status(204)]));
    let (waits, mut told) = mpsc::unbounded_channel();
    let observer = move |notice: Notice<'_>| {
        if let Notice::Waiting { delay, .. } = notice {
            waits.send(delay.as_millis()).unwrap();
        }
    };
    let policy = Reconnect::new()
        .backoff(Duration::ZERO..=Duration::ZERO)
        .reconnection_times(Duration::from_millis(1)..=Duration::MAX);
    let mut source = server.builder().reconnect(policy).on_notice(observer).build().unwrap();
    for data in ["1", "2", "3", "4", "5"] {
        assert_eq!(next(&mut source).await, event(data, ""));
    }
    assert!(soon(source.next()).await.is_none());
    drop(source);
    for wait in [1, 7, 7, 9, 9, 9] {
        assert_eq!(told.recv().await, Some(wait));
    }
    assert_eq!(told.recv().await, None);
}

/// C19: an event of any type is an event.
#[tokio::test]
async fn the_type_of_an_event_does_not_change_the_state() {
    let names = ["open", "error", "close", "message", ""];
    let body: String = names.iter().map(|name| format!("event: {name}\ndata: {name}\n\n")).collect();
    let server = Server::start([stream(&body).held()]);
    let log = Log::default();
    let mut source = server.builder().on_notice(log.observer()).build().unwrap();
    for name in names {
        let event = soon(source.next()).await.unwrap().unwrap();
        assert_eq!((event.data(), source.ready_state()), (name, ReadyState::Open));
    }
    assert_eq!(log.entries(), ["opened"]);
}

/// C16: closing aborts a connection or an attempt, and cancels a wait.
#[tokio::test]
async fn closing_closes_the_connection() {
    for answer in [raw(""), stream(""), stream("data: 1\n\n"), response("404 -\r\n\r\n<p>")] {
        let (hung_up, mut told) = mpsc::unbounded_channel();
        let answer = answer.then(move |mut stream| {
            _ = stream.read(&mut [0]);
            hung_up.send(()).unwrap();
        });
        let server = Server::start([answer]);
        let log = Log::default();
        let mut source = server.builder().on_notice(log.observer()).build().unwrap();
        tokio::select! {
            item = source.next() => drop(item.unwrap().unwrap()),
            _ = server.request() => {}
        }
        source.close();
        soon(told.recv()).await.unwrap();
        assert_eq!(source.ready_state(), ReadyState::Closed);
        assert!(soon(source.next()).await.is_none());
        assert_eq!(log.entries().last().unwrap(), "closed");
    }
}

#[tokio::test]
async fn closing_cancels_a_reconnect() {
    let server = Server::start([status(503), stream("data: 1\n\n")]);
    let log = Log::default();
    let mut source = server.builder().on_notice(log.observer()).build().unwrap();
    while log.entries().is_empty() {
        tokio::select! {
            biased;
            item = source.next() => panic!("{item:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    source.close();
    assert!(soon(source.next()).await.is_none());
    assert_eq!(log.entries(), ["wait after Status", "closed"]);
    server.request().await;
    assert_eq!(server.requests().len(), 0);
}

// The hook for each attempt

/// Notes the attempt that a hook receives.
fn note(log: &Log, number: u32, id: &str, error: Option<&Error>) {
    log.add(format!("{number} {id:?} {}", error.map_or_else(|| "-".to_owned(), name)));
}

/// Returns a source whose hook notes its attempts, and changes nothing.
fn with_hook(source: EventSourceBuilder) -> (EventSource, Log) {
    let log = Log::default();
    let hook = log.clone();
    let source = source.on_attempt(move |attempt| {
        note(&hook, attempt.number, &attempt.last_event_id, attempt.error.as_ref());
        std::future::ready(Ok::<_, BoxError>(attempt.request))
    });
    (source.build().unwrap(), log)
}

#[tokio::test]
async fn a_hook_gets_the_number_the_id_and_the_error() {
    let server = Server::start([
        status(503),
        raw(""),
        stream("data: 1\nid: a\n\n"),
        stream("id: é\n\ndata: 2\n\n"),
        response("200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: 3\n\n"),
        status(204),
    ]);
    let (mut source, log) = with_hook(server.builder());
    for expected in [event("1", "a"), event("2", "é"), event("3", "é")] {
        assert_eq!(next(&mut source).await, expected);
    }
    assert!(soon(source.next()).await.is_none());
    let told =
        [r#"0 "" -"#, r#"1 "" Status"#, r#"2 "" Connect"#, r#"3 "a" -"#, r#"4 "é" -"#, r#"5 "é" Read"#];
    assert_eq!(log.entries(), told);
}

/// The answers, the error that ends the source, and the attempts of the hook.
type Story = (Vec<Answer>, Option<&'static str>, Vec<&'static str>);

#[tokio::test]
async fn a_hook_can_renew_a_request_once_after_a_401() {
    let first = r#"0 "" -"#;
    let [denied, second] = [r#"1 "" Status"#, r#"2 "" -"#];
    let stories: [Story; 4] = [
        (vec![status(401), stream("")], None, vec![first, denied]),
        (vec![status(401), status(401)], Some("Status"), vec![first, denied]),
        (vec![status(401), status(403)], Some("Status"), vec![first, denied]),
        // After a good response, the request can be renewed again.
        (
            vec![status(401), stream(""), status(401), status(401)],
            Some("Status"),
            vec![first, denied, second, r#"3 "" Status"#],
        ),
    ];
    for (answers, error, told) in stories {
        // The rest of the policy makes no difference.
        let policy = if answers.len() > 2 { quick() } else { Reconnect::never() };
        let server = Server::start(answers);
        let (mut source, log) = with_hook(server.builder().reconnect(policy));
        let end = soon(source.next()).await.map(|item| name(&item.unwrap_err()));
        assert_eq!(end.as_deref(), error, "{told:?}");
        assert!(soon(source.next()).await.is_none());
        assert_eq!(log.entries(), told);
    }
}

#[tokio::test]
async fn without_a_hook_a_401_is_final() {
    let server = Server::start([status(401)]);
    assert_eq!(name(&last_error(&mut server.source()).await), "Status");
}

#[tokio::test]
async fn the_request_of_a_hook_is_sent() {
    let server = Server::start([status(401), stream("data: 1\nid: a\n\n"), stream("data: 2\n\n")]);
    let source = server.builder().on_attempt(async |mut attempt| {
        let token = HeaderValue::from_str(&format!("token {}", attempt.number))?;
        attempt.request.headers_mut().insert("authorization", token);
        Ok::<_, BoxError>(attempt.request)
    });
    let mut source = source.build().unwrap();
    assert_eq!(next(&mut source).await, event("1", "a"));
    assert_eq!(next(&mut source).await, event("2", "a"));
    for (token, id) in [("token 0", None), ("token 1", None), ("token 2", Some("a"))] {
        let request = server.request().await;
        assert_eq!(request.header("authorization"), Some(token));
        assert_eq!(request.header("last-event-id"), id);
    }
}

/// As in MCP: the answer to a POST is resumed by a GET.
#[tokio::test]
async fn a_hook_can_resume_by_another_method() {
    let server = Server::start([stream("data: 1\nid: a\n\n"), stream("data: 2\n\n")]);
    let client = client();
    let request = client.post(server.url("/events")).body("question").build().unwrap();
    let source = EventSource::builder(client, request).reconnect(quick()).on_attempt(async |mut attempt| {
        if !attempt.last_event_id.is_empty() {
            *attempt.request.method_mut() = Method::GET;
            *attempt.request.body_mut() = None;
        }
        Ok::<_, BoxError>(attempt.request)
    });
    let mut source = source.build().unwrap();
    assert_eq!(next(&mut source).await, event("1", "a"));
    assert_eq!(next(&mut source).await, event("2", "a"));
    let (first, second) = (server.request().await, server.request().await);
    assert_eq!((first.method(), first.path(), first.body()), ("POST", "/events", "question"));
    assert_eq!((second.method(), second.path(), second.body()), ("GET", "/events", ""));
    assert_eq!(second.header("last-event-id"), Some("a"));
}

#[tokio::test]
async fn an_error_of_a_hook_is_final() {
    for fails_at in [0, 1] {
        let server = Server::start([stream("data: 1\n\n"), stream("data: 2\n\n")]);
        let source = server.builder().on_attempt(move |attempt| {
            let fails = attempt.number == fails_at;
            std::future::ready(if fails { Err("no token") } else { Ok(attempt.request) })
        });
        let mut source = source.build().unwrap();
        if fails_at == 1 {
            assert_eq!(next(&mut source).await, event("1", ""));
        }
        let error = last_error(&mut source).await;
        assert!(matches!(&error, Error::Attempt(error) if error.to_string() == "no token"), "{error:?}");
        assert_eq!(error.to_string(), "the request for the next attempt could not be made: no token");
        assert_eq!(server.requests().len(), fails_at as usize);
    }
}

// The first response

#[tokio::test]
async fn a_source_can_begin_with_a_response() {
    let server = Server::start([stream("id: a\ndata: 1\n\ndata: half"), stream("data: 2\n\n").held()]);
    let client = client();
    let call = client.post(server.url("/events")).body("question").send().await.unwrap();
    let log = Log::default();
    let source = server.builder().header(ACCEPT, HeaderValue::from_static("text/*")).first_response(call);
    let mut source = source.on_notice(log.observer()).build().unwrap();
    assert_eq!(source.ready_state(), ReadyState::Connecting);
    assert_eq!(next(&mut source).await, event("1", "a"));
    assert_eq!(next(&mut source).await, event("2", "a"));
    assert_eq!(log.entries(), ["opened", "wait", "opened"]);
    let [first, second] = [server.request().await, server.request().await];
    assert_eq!((first.method(), second.method()), ("POST", "GET"));
    assert_eq!(second.header("last-event-id"), Some("a"));
    assert_eq!(second.header("accept"), Some("text/*"));
}

#[tokio::test]
async fn a_first_response_is_checked() {
    let server = Server::start([status(404)]);
    let call = get(server.url("/events")).await.unwrap();
    let error = last_error(&mut server.builder().first_response(call).build().unwrap()).await;
    assert_eq!(error.status().unwrap(), 404);
    assert_eq!(server.requests().len(), 1);
}

/// Its source sends no secrets to other origins, like that of `get`.
#[tokio::test]
async fn a_builder_for_a_url_has_its_own_client() {
    let server = Server::start([redirect(307, "/b"), stream("data: 1\n\n").held()]);
    let id = EventId::from_static("a");
    let mut source =
        EventSource::builder_for(server.url("/events")).unwrap().last_event_id(id).build().unwrap();
    assert_eq!(next(&mut source).await, event("1", "a"));
    for path in ["/events", "/b"] {
        let request = server.request().await;
        assert_eq!((request.method(), request.path()), ("GET", path));
        assert_eq!(request.header("last-event-id"), Some("a"));
    }
}

#[tokio::test]
async fn an_error_shows_its_causes() {
    let server = Server::start([]);
    let error = last_error(&mut server.source_with(Reconnect::never())).await;
    assert_eq!(error.to_string(), "the server could not be reached");
    let causes = format!("{error:#}");
    assert!(
        causes.starts_with("the server could not be reached: ") && causes.contains("os error"),
        "{causes}"
    );
}

/// As the SDKs of vendors do.
#[tokio::test]
async fn a_request_can_be_repeated_until_there_is_a_response_and_never_after() {
    let answers = [status(503), raw(""), response("429 -\r\nretry-after-ms: 3\r\nContent-Length: 0\r\n\r\n")];
    let broken = "200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: 1\n\n";
    let server = Server::start(answers.into_iter().chain([response(broken), stream("data: again\n\n")]));
    let client = client();
    let request = client.post(server.url("/")).body("question").build().unwrap();
    let source = EventSource::builder(client, request).reconnect(quick().until_response().max_retries(3));
    let mut source = source.build().unwrap();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert!(matches!(last_error(&mut source).await, Error::Read(_)));
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|request| request.method() == "POST" && request.body() == "question"));
}

#[tokio::test]
async fn the_first_failure_can_be_an_error() {
    for (answer, expected) in [(raw(""), "Connect"), (status(503), "Status"), (raw("x\r\n\r\n"), "Connect")] {
        let server = Server::start([answer, stream("data: 1\n\n")]);
        let error = last_error(&mut server.source_with(quick().after_response())).await;
        assert_eq!(name(&error), expected);
    }
    let server = Server::start([stream("data: 1\n\n"), raw(""), status(503), stream("data: 2\n\n").held()]);
    let mut source = server.source_with(quick().after_response());
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(next(&mut source).await, event("2", ""));
}

#[tokio::test]
async fn the_observer_gets_the_response() {
    let answer = response("200 OK\r\nContent-Type: text/event-stream\r\nMcp-Session-Id: 7\r\n\r\n");
    let server = Server::start([redirect(307, "/there"), answer, status(404)]);
    let log = Log::default();
    let told = log.clone();
    let source = server.builder().max_redirects(5).on_notice(move |notice| match notice {
        Notice::Opened { version, status, headers, url, .. } => {
            told.add(format!("{notice} {version:?} {status} {:?} {}", headers["mcp-session-id"], url.path()));
        }
        Notice::Waiting { .. } | Notice::Closed(_) => told.add(notice.to_string()),
        _ => {}
    });
    last_error(&mut source.build().unwrap()).await;
    let [opened, waiting, closed] = &log.entries()[..] else { panic!("{:?}", log.entries()) };
    assert_eq!(opened, "connected HTTP/1.1 200 OK \"7\" /there");
    assert_eq!(waiting, "the stream ended; trying again in 0.0 s");
    assert_eq!(closed, "the server answered 404 Not Found instead of 200 with an event stream");
}
