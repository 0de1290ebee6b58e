//! The event source with a server that sends the answers of the test.

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_core::FusedStream as _;

use common::{Log, Server, Sources as _, client, event, next, quick, response, soon, status, stream};
use sse_client::{Ending, Error, EventId, EventSource, EventStream, Notice, ReadyState, Reconnect};
use tokio::sync::mpsc;

#[tokio::test]
async fn events_arrive_and_the_state_shows() {
    let server = Server::start([stream("event: tick\ndata: 1\nid: a\n\ndata: 2\n\n").held()]);
    let mut source = server.source();
    assert_eq!(source.ready_state(), ReadyState::Connecting);
    let first = soon(source.next()).await.unwrap().unwrap();
    assert_eq!((first.event_type(), first.data(), first.last_event_id()), ("tick", "1", "a"));
    assert_eq!(source.ready_state(), ReadyState::Open);
    assert_eq!(next(&mut source).await, event("2", "a"));
    assert_eq!(source.last_event_id(), "a");
    source.close();
    assert_eq!(source.ready_state(), ReadyState::Closed);
    assert!(soon(source.next()).await.is_none());
}

#[tokio::test]
async fn the_request_is_that_of_an_event_source() {
    let server = Server::start([stream("")]);
    let mut source = server.source_with(Reconnect::never());
    assert!(soon(source.next()).await.is_none(), "the end of a stream that is not resumed is no error");
    let request = server.request().await;
    assert!(request.head().starts_with("GET /events HTTP/1.1\r\n"), "{request}");
    assert!(request.head().contains("\r\naccept: text/event-stream\r\n"), "{request}");
    assert!(request.head().contains("\r\ncache-control: no-cache\r\n"), "{request}");
    assert!(!request.head().contains("last-event-id"), "{request}");
}

#[tokio::test]
async fn it_resumes_after_the_last_event() {
    let server = Server::start([
        stream("data: 1\nid: a\n\ndata: unfinished\nid: b\n"),
        stream("data: 2\nid: é\n\n"),
        stream("\u{feff}data: 3\n\nid\ndata: 4\n\n"),
        stream("data: 5\n\n").held(),
    ]);
    let mut source = server.source();
    for expected in [event("1", "a"), event("2", "é"), event("3", "é"), event("4", ""), event("5", "")] {
        assert_eq!(next(&mut source).await, expected);
    }
    assert!(!server.request().await.head().contains("last-event-id"));
    assert!(server.request().await.head().contains("\r\nlast-event-id: a\r\n"));
    assert!(server.request().await.head().contains("\r\nlast-event-id: é\r\n"), "the id is sent as UTF-8");
    assert!(!server.request().await.head().contains("last-event-id"), "an id that was reset is not sent");
}

#[tokio::test]
async fn it_starts_after_a_stored_id() {
    let server = Server::start([stream("data: 1\n\n")]);
    let client = client();
    let request = client.get(server.url("/events")).header("last-event-id", "old").build().unwrap();
    let mut source = EventSource::builder(client, request).last_event_id(EventId::from(41)).build().unwrap();
    assert_eq!(source.last_event_id(), "41");
    assert_eq!(next(&mut source).await, event("1", "41"));
    assert!(server.request().await.head().contains("\r\nlast-event-id: 41\r\n"));
}

#[tokio::test]
async fn the_callers_headers_are_sent() {
    let server = Server::start([stream("data: 1\n\n"), stream("data: 2\nid\n\n"), stream("data: 3\n\n")]);
    let client = client();
    let request = client
        .get(server.url("/events"))
        .header("accept", "text/*")
        .header("last-event-id", "é")
        .build()
        .unwrap();
    let mut source = EventSource::builder(client, request).reconnect(quick()).build().unwrap();
    for expected in [event("1", "é"), event("2", ""), event("3", "")] {
        assert_eq!(next(&mut source).await, expected);
    }
    for id in ["last-event-id: é\r\n", "last-event-id: é\r\n", ""] {
        let request = server.request().await;
        assert!(request.head().contains("\r\naccept: text/*\r\n"), "{request}");
        assert!(request.head().contains(id), "{request}");
        assert_eq!(request.head().matches("last-event-id").count(), usize::from(!id.is_empty()), "{request}");
    }
}

#[tokio::test]
async fn a_body_that_is_a_stream_is_an_error_at_once() {
    struct Once;
    impl http_body::Body for Once {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
            std::task::Poll::Ready(None)
        }
    }
    let client = client();
    let request = client.post("http://127.0.0.1/").body(reqwest::Body::wrap(Once)).build().unwrap();
    let builder = EventSource::builder(client, request);
    assert!(matches!(builder.clone().build(), Err(Error::BodyNotRepeatable)));
    assert!(matches!(builder.build(), Err(Error::BodyNotRepeatable)));
}

#[tokio::test]
async fn the_waits_of_the_policy_are_kept() {
    let server = Server::start((0..21).map(|_| status(503)));
    let (waits, mut seen) = mpsc::unbounded_channel();
    let observer = move |notice: Notice<'_>| {
        if let Notice::Waiting { delay, .. } = notice {
            waits.send(delay).unwrap();
        }
    };
    let millis = Duration::from_millis;
    let policy = Reconnect::new()
        .backoff(millis(3)..=millis(3))
        .reconnection_times(millis(5)..=millis(5))
        .max_retries(20);
    let client = client();
    let request = client.get(server.url("/events")).build().unwrap();
    let mut source =
        EventSource::builder(client, request).reconnect(policy).on_notice(observer).build().unwrap();
    let start = Instant::now();
    assert!(
        matches!(soon(source.next()).await, Some(Err(Error::Status(refusal))) if refusal.status() == 503)
    );
    let took = start.elapsed();
    drop(source);
    let mut waits = Vec::new();
    while let Some(wait) = seen.recv().await {
        waits.push(wait);
    }
    assert_eq!(waits.len(), 20);
    assert!(took >= waits.iter().sum());
    assert!(waits.iter().all(|wait| (millis(5)..=millis(8)).contains(wait)), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait != waits[0]), "there is jitter: {waits:?}");
}

#[tokio::test]
async fn the_reconnection_time_of_the_server_is_waited_for() {
    let server = Server::start([stream("retry: 7000\n")]);
    let (waits, mut seen) = mpsc::unbounded_channel();
    let observer = move |notice: Notice<'_>| {
        if let Notice::Waiting { delay, .. } = notice {
            waits.send(delay).unwrap();
        }
    };
    let client = client();
    let request = client.get(server.url("/events")).build().unwrap();
    let policy = Reconnect::standard();
    let mut source =
        EventSource::builder(client, request).reconnect(policy).on_notice(observer).build().unwrap();
    tokio::select! {
        item = source.next() => panic!("{item:?}"),
        wait = soon(seen.recv()) => assert_eq!(wait, Some(Duration::from_secs(7))),
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_an_event_is_a_failure() {
    let server = Server::start([stream(": nothing\n\n")]);
    let mut source = server.source_with(quick().max_retries(0));
    assert!(matches!(soon(source.next()).await, Some(Err(Error::GaveUp))));
    assert!(soon(source.next()).await.is_none());
}

#[tokio::test]
async fn a_stream_with_an_event_is_not_a_failure() {
    let server = Server::start((0..10).map(|_| stream("data: 1\n\n")));
    let mut source = server.source_with(quick().max_retries(0));
    for _ in 0..10 {
        assert_eq!(next(&mut source).await, event("1", ""));
    }
}

#[tokio::test]
async fn an_event_that_is_skipped_does_not_count() {
    let server = Server::start([stream("data: 123456789\n")]);
    let client = client();
    let request = client.get(server.url("/events")).build().unwrap();
    let policy = quick().max_retries(0);
    let mut source =
        EventSource::builder(client, request).reconnect(policy).max_event_bytes(8).build().unwrap();
    assert!(matches!(soon(source.next()).await, Some(Err(Error::TooLarge(_)))));
    assert!(matches!(soon(source.next()).await, Some(Err(Error::GaveUp))));
}

#[tokio::test]
async fn closing_ends_a_wait_and_drops_received_events() {
    let server = Server::start([stream("data: 1\n\ndata: 2\n\n").held()]);
    let mut source = server.source();
    assert_eq!(next(&mut source).await, event("1", ""));
    source.close();
    assert!(soon(source.next()).await.is_none(), "the second event was received and is dropped");

    let server = Server::start([status(503)]);
    let mut source = server.source_with(Reconnect::standard());
    source.close();
    assert!(soon(source.next()).await.is_none());
}

#[tokio::test]
async fn a_reconnect_requests_the_first_url() {
    let redirect = "302 -\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server =
        Server::start([response(redirect), stream("data: 1\n\n"), stream("event: error\ndata: 2\n\n")]);
    let mut source = server.source();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(next(&mut source).await, event("2", ""), "an event of the type `error` is an event");
    assert_eq!(source.ready_state(), ReadyState::Open);
    for path in ["/events", "/elsewhere", "/events"] {
        assert_eq!(server.request().await.path(), path);
    }
}

/// Users rely on it: a source can be moved to another task, and needs no pinning.
const _: fn() = || {
    fn is<T: Send + Unpin>() {}
    is::<EventSource>();
    is::<EventStream>();
    is::<Error>();
};

#[tokio::test]
async fn a_get_is_repeated_by_default_and_a_put_is_not() {
    let server =
        Server::start([stream("retry: 100\ndata: 1\n\n"), stream("data: 2\n\n"), stream("data: 3\n\n")]);
    let mut source = EventSource::get(server.url("/events")).unwrap();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(next(&mut source).await, event("2", ""));
    let client = client();
    let mut source = EventSource::builder(client.clone(), client.put(server.url("/events")).build().unwrap())
        .build()
        .unwrap();
    assert_eq!(next(&mut source).await, event("3", ""));
    assert!(!source.is_terminated());
    assert!(soon(source.next()).await.is_none());
    assert!(source.is_terminated());
}

#[tokio::test]
async fn temporary_statuses_are_tried_again() {
    let answers = [408, 425, 429, 500, 503].map(status);
    let server = Server::start(answers.into_iter().chain([stream("data: 1\n\n")]));
    assert_eq!(next(&mut server.source()).await, event("1", ""));
}

#[tokio::test]
async fn other_statuses_are_final_errors() {
    for code in [201, 204, 304, 400, 401, 404] {
        let server = Server::start([status(code)]);
        let mut source = server.source();
        let error = soon(source.next()).await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::Status(refusal) if refusal.status() == code), "{error:?}");
        assert!(error.to_string().contains(&code.to_string()), "{error}");
        assert_eq!(source.ready_state(), ReadyState::Closed);
        assert!(soon(source.next()).await.is_none());
    }
}

#[tokio::test]
async fn another_content_type_is_a_final_error() {
    let server = Server::start([response("200 OK\r\nContent-Type: text/html\r\n\r\n<p>Hello")]);
    let error = soon(server.source().next()).await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::ContentType(refusal) if refusal.text() == "<p>Hello"), "{error:?}");
}

#[tokio::test]
async fn a_204_on_a_reconnect_is_the_end() {
    let server = Server::start([stream("data: 1\n\n"), status(204)]);
    let mut source = server.source();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert!(soon(source.next()).await.is_none());
    assert_eq!(source.ready_state(), ReadyState::Closed);
}

#[tokio::test]
async fn a_connection_that_breaks_is_resumed() {
    let broken = response(
        "200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\ndata: 1\nid: a\n\ndata: 2",
    );
    let server = Server::start([broken, stream("data: 2\n\n")]);
    let mut source = server.source();
    assert_eq!(next(&mut source).await, event("1", "a"));
    assert_eq!(next(&mut source).await, event("2", "a"));
    server.request().await;
    assert!(server.request().await.head().contains("last-event-id: a"));
}

#[tokio::test]
async fn failures_end_with_the_last_error() {
    let server = Server::start([]);
    let mut source = server.source_with(quick().max_retries(3));
    let error = soon(source.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Connect(_)), "{error:?}");
    assert!(soon(source.next()).await.is_none());
}

#[tokio::test]
async fn a_large_event_is_one_error_and_the_next_event_follows() {
    let server = Server::start([stream("data: 123456789\n\ndata: 2\n\n").held()]);
    let client = client();
    let request = client.get(server.url("/events")).build().unwrap();
    let mut source = EventSource::builder(client, request).max_event_bytes(8).build().unwrap();
    assert!(matches!(soon(source.next()).await, Some(Err(Error::TooLarge(_)))));
    assert_eq!(next(&mut source).await, event("2", ""));
}

#[tokio::test]
async fn a_post_is_repeated_only_with_a_policy() {
    let server = Server::start([stream("data: 1\n\n"), stream("data: 2\n\n"), stream("data: 3\n\n")]);
    let client = client();
    let request = || client.post(server.url("/events")).body("{}").build().unwrap();
    let mut once = EventSource::builder(client.clone(), request()).build().unwrap();
    let mut again = EventSource::builder(client.clone(), request()).reconnect(quick()).build().unwrap();
    assert_eq!(next(&mut once).await, event("1", ""));
    assert!(soon(once.next()).await.is_none());
    assert_eq!(next(&mut again).await, event("2", ""));
    assert_eq!(next(&mut again).await, event("3", ""));
    assert!(server.request().await.head().starts_with("POST /events"));
}

#[tokio::test]
async fn an_observer_gets_notices() {
    let server = Server::start([
        status(500),
        stream(": hi\nretry: 1\n\ndata: 1\nid: \u{7}\n\n"),
        stream("data: 2\n\n"),
    ]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let client = client();
    let request = client.get(server.url("/events")).build().unwrap();
    let observer = {
        let seen = seen.clone();
        move |notice: Notice<'_>| {
            seen.lock().unwrap().push(match notice {
                Notice::Opened { .. } => "opened".to_owned(),
                Notice::Received(bytes) => format!("received {}", &String::from_utf8_lossy(bytes)[..4]),
                Notice::LastEventId(id) => format!("id {id:?}"),
                Notice::LastEventIdNotSent(id) => format!("not sent {id:?}"),
                Notice::Closed(None) => "closed".to_owned(),
                Notice::Waiting { cause: Some(error), .. } => error.to_string(),
                Notice::Waiting { cause: None, .. } => "ended".to_owned(),
                other => format!("{other:?}"),
            });
        }
    };
    let mut source =
        EventSource::builder(client, request).reconnect(quick()).on_notice(observer).build().unwrap();
    next(&mut source).await;
    next(&mut source).await;
    source.close();
    source.close();
    let seen = seen.lock().unwrap();
    assert_eq!(
        *seen,
        [
            "the server answered 500 Internal Server Error instead of 200 with an event stream",
            "opened",
            "received : hi",
            "id \"\\u{7}\"",
            "ended",
            "not sent \"\\u{7}\"",
            "opened",
            "received data",
            "closed",
        ]
    );
}

#[test]
fn an_invalid_url_is_an_error_at_once() {
    for url in ["", "no url", "/events", "http://", "ftp://127.0.0.1/", "localhost:8080/events"] {
        let error = EventSource::get(url).unwrap_err();
        assert!(matches!(error, Error::Request(_)), "{url:?}: {error:?}");
        assert!(error.to_string().starts_with(&format!("`{url}` is not a valid URL: ")), "{error}");
    }
}

#[tokio::test]
async fn a_request_with_another_scheme_is_final() {
    let client = client();
    let request = client.get("ftp://127.0.0.1/").build().unwrap();
    let mut source = EventSource::builder(client, request).build().unwrap();
    assert!(matches!(soon(source.next()).await, Some(Err(Error::Request(_)))));
    assert!(soon(source.next()).await.is_none());
}

#[cfg(not(feature = "default-tls"))]
#[tokio::test]
async fn https_without_tls_is_final() {
    let mut source = EventSource::get("https://127.0.0.1:1/").unwrap();
    let error = soon(source.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Request(_)) && error.to_string().contains("TLS"), "{error:?}");
}

#[tokio::test]
async fn endless_redirects_are_final() {
    let answers = (0..20)
        .map(|_| response("302 -\r\nLocation: /events\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
    let server = Server::start(answers);
    assert!(matches!(soon(server.source().next()).await, Some(Err(Error::Request(_)))));
}

/// P29 drops it, because the next connection receives it again. Without a next connection it would be lost.
#[tokio::test]
async fn an_unfinished_event_is_returned_only_if_no_connection_follows() {
    let server = Server::start([stream("data: 1\n\ndata: 2"), stream("data: 3\n\n"), status(204)]);
    let mut source = server.source();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(next(&mut source).await, event("3", ""));
    assert!(soon(source.next()).await.is_none());

    let server = Server::start([stream("data: 1\n\ndata: 2")]);
    let mut source = server.source_with(Reconnect::never());
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(next(&mut source).await, event("2", ""));
    assert!(soon(source.next()).await.is_none());
}

#[tokio::test]
async fn the_last_event_can_be_returned() {
    let body = "data: 1\n\nevent: message_stop\ndata: {}\n\ndata: 3\n\n";
    let server = Server::start([stream(body).held()]);
    let log = Log::default();
    let source = server.builder().end_at(Ending::anthropic()).on_notice(log.observer());
    let mut source = source.build().unwrap();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(next(&mut source).await, event("{}", ""));
    assert_eq!(
        (source.ready_state(), log.entries().last().unwrap().as_str()),
        (ReadyState::Closed, "closed")
    );
    assert!(soon(source.next()).await.is_none());
}

#[tokio::test]
async fn a_complete_answer_is_not_followed_by_another_request() {
    let finished = "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\n\n";
    let server = Server::start([stream("data: 1\n\n"), stream(finished), stream("data: 3\n\n")]);
    let mut source = server.builder().end_at(Ending::gemini()).build().unwrap();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert!(next(&mut source).await.0.contains("STOP"));
    assert!(soon(source.next()).await.is_none());
    assert_eq!(server.requests().len(), 2);
}

/// Editors and `echo` write a line ending.
#[tokio::test]
async fn a_line_ending_after_a_stored_id_is_ignored() {
    for (stored, expected) in [
        ("7", Some("7")),
        ("7\n", Some("7")),
        ("7\r\n", Some("7")),
        (" 7 \n", Some("7")),
        ("\n", None),
        ("", None),
    ] {
        let server = Server::start([stream("data: 1\n\n").held()]);
        let mut source = server.builder().stored_event_id(stored).unwrap().build().unwrap();
        assert_eq!(next(&mut source).await.0, "1");
        assert_eq!(server.request().await.header("last-event-id"), expected, "{stored:?}");
    }
    for stored in ["7\n\n", "7\n8", "\0"] {
        assert!(Server::start([]).builder().stored_event_id(stored).is_err(), "{stored:?}");
    }
}
