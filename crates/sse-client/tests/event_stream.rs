//! The events of one response.

mod common;

use common::{Server, response, status, stream};
use futures_core::FusedStream as _;
use sse_client::{Decoder, Error, EventStream};

async fn get(server: &Server) -> reqwest::Response {
    reqwest::get(&server.url).await.unwrap()
}

#[tokio::test]
async fn events_to_the_end() {
    let server = Server::start([stream("data: 1\nid: a\n\ndata: 2\n\ndata: unfinished")]).await;
    let mut events = EventStream::new(get(&server).await).unwrap();
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
    let server = Server::start([broken]).await;
    let mut events = EventStream::new(get(&server).await).unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert!(matches!(events.next().await, Some(Err(Error::Read(_)))));
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn what_is_no_event_stream_is_refused() {
    let server = Server::start([status(404), response("200 OK\r\n\r\n{}")]).await;
    assert!(
        matches!(EventStream::new(get(&server).await), Err(Error::Status { status, .. }) if status == 404)
    );
    assert!(matches!(EventStream::new(get(&server).await), Err(Error::ContentType { found: None, .. })));
}

#[tokio::test]
async fn the_limit_can_be_set() {
    let server = Server::start([stream("data: 123456789\n\ndata: 2\n\n")]).await;
    let mut events = EventStream::with_decoder(get(&server).await, Decoder::with_limit(8)).unwrap();
    assert!(matches!(events.next().await, Some(Err(Error::TooLarge(_)))));
    assert_eq!(events.next().await.unwrap().unwrap().data(), "2");
}

#[tokio::test]
async fn a_decoder_of_the_callers_starts_anew() {
    let server = Server::start([stream("data: 1\n\n")]).await;
    let mut decoder = Decoder::new();
    assert_eq!(decoder.next_event(&mut &b"id: 7\n\ndata: half"[..]), Ok(None));
    let mut events = EventStream::with_decoder(get(&server).await, decoder).unwrap();
    let event = events.next().await.unwrap().unwrap();
    assert_eq!((event.data(), event.last_event_id()), ("1", "7"));
}

#[tokio::test]
async fn trailers_are_not_the_end() {
    let chunked =
        "200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n";
    let server = Server::start([response(&format!("{chunked}9\r\ndata: 1\n\n\r\n0\r\nX: y\r\n\r\n"))]).await;
    let mut events = EventStream::new(get(&server).await).unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().data(), "1");
    assert!(!events.is_terminated());
    assert!(events.next().await.is_none());
    assert!(events.is_terminated());
}

#[tokio::test]
async fn dropping_next_loses_nothing() {
    let server = Server::start([stream("data: 1\n\ndata: 2\n\n").held()]).await;
    let mut events = EventStream::new(get(&server).await).unwrap();
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
