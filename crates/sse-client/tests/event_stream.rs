//! The events of one response.

mod common;

use common::{Server, response, stream};
use futures_core::FusedStream as _;
use sse_client::{Decoder, Error, EventStream, ResponseExt as _};

async fn get(server: &Server) -> reqwest::Response {
    reqwest::get(server.url("/events")).await.unwrap()
}

#[tokio::test]
async fn events_to_the_end() {
    let server = Server::start([stream("data: 1\nid: a\n\ndata: 2\n\ndata: unfinished")]);
    let mut events = get(&server).await.events();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert_eq!(events.next().await.unwrap().unwrap().data(), "2");
    assert_eq!(events.last_event_id(), "a");
    assert!(events.next().await.is_none());
    assert!(events.next().await.is_none(), "the end stays the end");
}

#[tokio::test]
async fn a_break_is_an_error_and_then_the_end() {
    let broken =
        response("200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: 1\n\n");
    let server = Server::start([broken]);
    let mut events = get(&server).await.events();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert!(matches!(events.next().await, Some(Err(Error::Read(_)))));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn what_is_no_event_stream_is_refused_with_what_it_says() {
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
async fn a_decoder_of_the_callers_starts_anew() {
    let server = Server::start([stream("data: 1\n\n")]);
    let mut decoder = Decoder::new();
    assert_eq!(decoder.next_event(&mut &b"id: 7\n\ndata: half"[..]), Ok(None));
    let mut events = EventStream::with_decoder(get(&server).await, decoder);
    let event = events.next().await.unwrap().unwrap();
    assert_eq!((event.data(), event.last_event_id()), ("1", "7"));
}

#[tokio::test]
async fn trailers_are_not_the_end() {
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
async fn dropping_next_loses_nothing() {
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
