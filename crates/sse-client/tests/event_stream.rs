//! The events of one response.

mod common;

use std::time::Duration;

use common::{Answer, Server, Sources as _, last_error, name, next, response, soon, stream};
use futures_core::FusedStream as _;
use sse_client::{
    Decoder, Ending, Error, Event, EventId, EventStream, ReadSettings, Reconnect, ResponseExt as _, Verdict,
};

/// A short time-out, for a server that never sends anything.
const SHORT: Duration = Duration::from_millis(50);

async fn get(server: &Server) -> reqwest::Response {
    common::get(server.url("/events")).await.unwrap()
}

#[tokio::test]
async fn events_are_returned_up_to_the_end() {
    let server = Server::start([stream("data: 1\nid: a\n\ndata: 2\n\nevent: x\nid: b")]);
    let mut events = get(&server).await.events();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert_eq!(events.next().await.unwrap().unwrap().data(), "2");
    assert_eq!(events.last_event_id(), "a");
    assert!(events.next().await.is_none());
    assert!(events.next().await.is_none(), "the stream stays ended");
}

#[tokio::test]
async fn the_stream_ends_after_the_error_of_a_broken_connection() {
    let broken =
        response("200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: 1\n\n");
    let server = Server::start([broken]);
    let mut events = get(&server).await.events();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert!(matches!(events.next().await, Some(Err(Error::Read(_)))));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn a_response_that_is_not_an_event_stream_is_an_error_with_its_body() {
    let not_found = response("404 -\r\nContent-Length: 7\r\n\r\nno such");
    let server = Server::start([not_found, response("200 OK\r\nX: y\r\n\r\n{}")]);
    let mut events = get(&server).await.events();
    assert!(
        matches!(events.next().await, Some(Err(Error::Status(refusal))) if refusal.status() == 404 && refusal.body() == b"no such")
    );
    assert!(events.next().await.is_none());
    let Some(Err(Error::ContentType(refusal))) = get(&server).await.events().next().await else { panic!() };
    assert_eq!((refusal.text().as_ref(), &refusal.headers()["x"]), ("{}", &"y".parse().unwrap()));
}

#[tokio::test]
async fn the_limit_can_be_set() {
    let server = Server::start([stream("data: 123456789\n\ndata: 2\n\n")]);
    let mut events = EventStream::with_decoder(get(&server).await, Decoder::with_limit(8));
    assert!(matches!(events.next().await, Some(Err(Error::TooLarge(_)))));
    assert_eq!(events.next().await.unwrap().unwrap().data(), "2");
}

#[tokio::test]
async fn a_decoder_of_the_caller_is_reset() {
    let server = Server::start([stream("data: 1\n\n")]);
    let mut decoder = Decoder::new();
    assert_eq!(decoder.next_event(&mut &b"id: 7\n\ndata: half"[..]), Ok(None));
    let mut events = EventStream::with_decoder(get(&server).await, decoder);
    let event = events.next().await.unwrap().unwrap();
    assert_eq!((event.data(), event.last_event_id()), ("1", "7"));
}

#[tokio::test]
async fn trailers_are_ignored() {
    let chunked =
        "200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n";
    let server = Server::start([response(&format!("{chunked}9\r\ndata: 1\n\n\r\n0\r\nX: y\r\n\r\n"))]);
    let mut events = get(&server).await.events();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert!(!events.is_terminated());
    assert!(events.next().await.is_none());
    assert!(events.is_terminated());
}

#[tokio::test]
async fn dropping_next_loses_no_event() {
    let server = Server::start([stream("data: 1\n\ndata: 2\n\n").held()]);
    let mut events = get(&server).await.events();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        tokio::select! {
            biased;
            () = tokio::task::yield_now() => {}
            event = events.next() => seen.push(event.unwrap().unwrap().into_data()),
        }
    }
    assert_eq!(seen, ["1", "2"]);
}

// The end of an answer

/// Reads an answer, and checks its events as type and data, the error at its end, and the last event ID.
async fn check(
    answer: Answer,
    set: impl FnOnce(EventStream) -> EventStream,
    expected: &[(&str, &str)],
    end: &str,
) {
    let server = Server::start([answer]);
    let mut events = set(get(&server).await.events());
    let mut found = Vec::new();
    let mut error = String::new();
    while let Some(item) = soon(events.next()).await {
        match item {
            Ok(event) => found.push((event.event_type().to_owned(), event.into_data())),
            Err(last) => error = name(&last),
        }
    }
    let found: Vec<_> = found.iter().map(|(name, data)| (&name[..], &data[..])).collect();
    assert_eq!((found.as_slice(), error.as_str()), (expected, end));
}

/// Several LLM servers end their answers in this way.
#[tokio::test]
async fn an_event_that_a_clean_end_leaves_unfinished_is_returned() {
    for body in
        ["data: 1\n\ndata: 2", "data: 1\n\ndata: 2\n", "data: 1\n\ndata: 2\r\n", "data: 1\r\rdata: 2\r"]
    {
        let given = [("message", "1"), ("message", "2")];
        check(stream(body), |events| events, &given, "").await;
        check(stream(body), EventStream::drop_unfinished, &given[..1], "").await;
        check(stream(body).held(), |events| events.idle_timeout(SHORT), &given[..1], "IdleTimeout").await;
        let headers = "200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\n";
        let broken = || response(&format!("{headers}{body}"));
        check(broken(), |events| events, &given[..1], "Read").await;
    }
    for body in ["data: 1\n\n: comment", "data: 1\n\nevent: x\nid: 3", "data: 1\n\ndat", "data: 1\n\n\n\n"] {
        check(stream(body), |events| events, &[("message", "1")], "").await;
    }
    check(stream("data: 123456789"), |events| events.max_event_bytes(8), &[], "TooLarge").await;
}

#[tokio::test]
async fn an_id_without_an_event_does_not_count() {
    for (body, expected) in [("id: 1\n\nid: 2\n", "1"), ("id: 1\n\nid: 2\ndata: x", "2"), ("id: 1", "")] {
        let server = Server::start([stream(body)]);
        let mut events = get(&server).await.events();
        while let Some(event) = soon(events.next()).await {
            event.unwrap();
        }
        assert_eq!(events.last_event_id(), expected, "{body:?}");
    }
}

#[tokio::test]
async fn white_space_around_the_last_data_is_ignored() {
    for end in
        ["data: [DONE]\n\n", "data: [DONE] \n\n", "data:  [DONE]\t\n\n", "data: [DONE]", "data: [DONE] \n"]
    {
        let body = format!("data: 1\n\n{end}");
        check(stream(&body), |events| events.end_at("[DONE]"), &[("message", "1")], "").await;
        // Nothing after this event is read.
        if end.ends_with("\n\n") {
            let body = format!("{body}data: 2\n\n");
            check(stream(&body).held(), |events| events.end_at("[DONE]"), &[("message", "1")], "").await;
        }
    }
}

#[tokio::test]
async fn a_predicate_recognizes_the_last_event() {
    let body = "data: 1\n\nevent: done\ndata: usage\n\ndata: 3\n\n";
    let (one, done, three) = (("message", "1"), ("done", "usage"), ("message", "3"));
    let is_done = |event: &Event| event.event_type() == "done";
    check(stream(body).held(), |events| events.end_at(Ending::after(is_done)), &[one, done], "").await;
    check(stream(body).held(), |events| events.end_at(Ending::before(is_done)), &[one], "").await;
    check(stream(body), |events| events.end_at(Ending::after(|_| false)), &[one, done, three], "Incomplete")
        .await;
    let failing =
        |verdict| move |event: &Event| if event.event_type() == "done" { verdict } else { Verdict::More };
    check(
        stream(body).held(),
        |events| events.end_at(Ending::new(failing(Verdict::Failed))),
        &[one],
        "Event",
    )
    .await;
    // After the event, the response may end or go on.
    let may_end = || Ending::new(failing(Verdict::MayEnd));
    check(stream(body), |events| events.end_at(may_end()), &[one, done, three], "Incomplete").await;
    let body = "data: 1\n\nevent: done\ndata: usage\n\n";
    check(stream(body), |events| events.end_at(may_end()), &[one, done], "").await;
    check(stream(body).reset(), |events| events.end_at(may_end()), &[one, done], "Read").await;
}

#[tokio::test]
async fn sources_and_streams_use_the_same_settings() {
    let body = "data: skip\n\ndata: 123456789\n\ndata: 2\n\nevent: done\ndata: 3\n\ndata: 4\n\n";
    let answer = format!("200 OK\r\nContent-Type: text/plain\r\n\r\n{body}");
    let server = Server::answering(move |_| response(&answer).held());
    let settings = ReadSettings::new()
        .any_content_type()
        .max_event_bytes(8)
        .skip_if(|event| event.data() == "skip")
        .end_at(Ending::after(|event| event.event_type() == "done"));
    for _ in 0..2 {
        let mut events = get(&server).await.events().read_settings(&settings);
        let source = server.builder().last_event_id(EventId::from_static("a")).read_settings(&settings);
        let mut source = source.build().unwrap();
        assert_eq!(source.last_event_id(), "a");
        for item in [soon(events.next()).await, soon(source.next()).await] {
            assert!(matches!(item, Some(Err(Error::TooLarge(_)))), "{item:?}");
        }
        for data in ["2", "3"] {
            assert_eq!(soon(events.next()).await.unwrap().unwrap().data(), data);
            assert_eq!(soon(source.next()).await.unwrap().unwrap().data(), data);
        }
        assert!(soon(events.next()).await.is_none() && soon(source.next()).await.is_none());
    }
}

/// Without these settings, the source and the stream would wait for more.
#[tokio::test]
async fn sources_and_streams_end_by_the_same_settings() {
    for (settings, body, given, expected) in [
        (ReadSettings::new().fail_at(|event| event.data() == "1"), "data: 1\n\n", &[][..], "Event"),
        (ReadSettings::new().initial_idle_timeout(SHORT), ": nothing\n", &[], "IdleTimeout"),
        (ReadSettings::new().idle_timeout(SHORT), "data: 1\n\n", &[("message", "1")], "IdleTimeout"),
    ] {
        check(stream(body).held(), |events| events.read_settings(&settings), given, expected).await;
        let server = Server::start([stream(body).held()]);
        let source = server.builder().reconnect(Reconnect::never()).read_settings(&settings);
        let mut source = source.build().unwrap();
        for (_, data) in given {
            assert_eq!(next(&mut source).await.0, *data);
        }
        assert_eq!(name(&last_error(&mut source).await), expected);
    }
}

/// The error has the words of the server, even if the caller's type does not expect them.
#[cfg(feature = "json")]
#[tokio::test]
async fn an_error_within_a_stream_has_the_words_of_the_server() {
    for event in [
        "data: {\"error\": {\"message\": \"the model is overloaded\"}}\n\n",
        "event: error\ndata: the model is overloaded\n\n",
    ] {
        let server = Server::start([stream(&format!("data: {{\"choices\": []}}\n\n{event}")).held()]);
        let mut chunks = get(&server).await.events().end_at(Ending::openai_chat()).json::<Chunk>();
        assert!(soon(chunks.next()).await.unwrap().is_ok());
        let error = soon(chunks.next()).await.unwrap().map(drop).unwrap_err();
        assert!(matches!(error, Error::Event(_)), "{error:?}");
        assert!(error.to_string().contains("the model is overloaded"), "{error}");
        assert!(chunks.next().await.is_none());
    }
}

#[cfg(feature = "json")]
#[derive(serde::Deserialize)]
struct Chunk {
    #[allow(dead_code, reason = "read, and not looked at")]
    choices: Vec<serde_json::Value>,
}
