//! Connections that end, break or are reset at every byte, and callers that drop `next` at every point.
//!
//! In each case, every event is returned once, in order, with its ID (C8, C13, C15 of `docs/standard.md`).

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use common::{Answer, Server, Sources as _, client, quick, raw, soon, status, stream};
use reqwest::Client;
use sse_client::{BoxError, EventSource};
use sse_testing::Request;
use tokio::task::{JoinSet, yield_now};

/// A block: the last event ID after it, its wire form, and its data if it is an event.
type Entry = (&'static str, &'static str, Option<&'static str>);

/// Blocks with each kind of line ending, characters of each length, and an ID without an event.
const HISTORY: [Entry; 6] = [
    ("1", "data: plain\nid: 1\n\n", Some("plain")),
    ("é", "id: é\r\ndata: Grüße, 世界 🦀\r\n\r\n", Some("Grüße, 世界 🦀")),
    ("3", ": comment\rdata: one\rdata: two\r\nid:3\ndata\r\r", Some("one\ntwo\n")),
    ("4", "event: nothing\nid: 4\n\n", None),
    ("5", "\u{feff}data: not a field\ndata:five\r\nid: 5\n\r\n", Some("five")),
    ("6", "event: naïve\nid: 6\ndata: six\n\n", Some("six")),
];

/// Returns the data and IDs of the expected events.
fn events() -> Vec<(String, String)> {
    HISTORY.iter().filter_map(|(id, _, data)| Some(((*id).to_owned(), (*data)?.to_owned()))).collect()
}

/// Returns the body that follows after this ID.
fn history_after(id: Option<&str>) -> String {
    let seen = HISTORY.iter().position(|(entry, ..)| Some(*entry) == id).map_or(0, |index| index + 1);
    let rest = HISTORY[seen..].iter().map(|(_, wire, _)| *wire);
    std::iter::once("\u{feff}").chain(rest).collect()
}

/// Returns the last event ID after this many bytes of the whole body.
fn id_after(length: usize) -> Option<&'static str> {
    let mut end = '\u{feff}'.len_utf8();
    let mut id = None;
    for (entry, wire, _) in HISTORY {
        end += wire.len();
        // A CR ends its line, even if an LF follows.
        if length >= end - usize::from(wire.ends_with("\r\n")) {
            id = Some(entry);
        }
    }
    id
}

/// Returns the answer of a server that keeps its history.
fn resumed(request: &Request) -> Answer {
    match request.header("last-event-id") {
        Some("6") => status(204),
        id => stream(&history_after(id)),
    }
}

/// The bytes of a response. Each is marked if it belongs to the body.
#[derive(Default)]
struct Wire(Vec<(u8, bool)>);

impl Wire {
    fn of(headers: &str) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{headers}\r\n");
        Self::default().with(head.as_bytes(), false)
    }

    fn with(mut self, bytes: &[u8], is_body: bool) -> Self {
        self.0.extend(bytes.iter().map(|&byte| (byte, is_body)));
        self
    }

    /// Returns the whole history in a body that ends with the connection.
    fn until_the_end() -> Self {
        Self::of("").with(history_after(None).as_bytes(), true)
    }

    /// Returns the whole history in chunks, which are so short that they cut lines and characters.
    fn chunked() -> Self {
        let body = history_after(None);
        let chunks =
            body.as_bytes().chunks(7).fold(Self::of("Transfer-Encoding: chunked\r\n"), |wire, chunk| {
                wire.with(format!("{:x}\r\n", chunk.len()).as_bytes(), false)
                    .with(chunk, true)
                    .with(b"\r\n", false)
            });
        chunks.with(b"0\r\n\r\n", false)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Closed,
    Reset,
}

/// Checks a source whose first connection ends after `bytes`, with `body` bytes of the body.
async fn check_cut(client: Client, bytes: Vec<u8>, body: usize, end: End) {
    let length = bytes.len();
    let server = Server::answering(move |request| match (request.number(), end) {
        (0, End::Closed) => raw(&*bytes),
        (0, End::Reset) => raw(&*bytes).reset(),
        _ => resumed(request),
    });
    let request = client.get(server.url("/events")).build().unwrap();
    let mut source = EventSource::builder(client, request).reconnect(quick()).build().unwrap();
    let mut found = Vec::new();
    while let Some(item) = soon(source.next()).await {
        let event = item.unwrap_or_else(|error| panic!("{end:?} after {length} bytes: {error:?}"));
        found.push((event.last_event_id().to_owned(), event.into_data()));
        assert!(found.len() <= events().len(), "{end:?} after {length} bytes: {found:?}");
    }
    assert_eq!(found, events(), "{end:?} after {length} bytes");
    server.request().await;
    // When a connection is reset, bytes that the client has not read yet may be lost.
    if end == End::Closed {
        let second = server.request().await;
        assert_eq!(second.header("last-event-id"), id_after(body), "{end:?} after {length} bytes");
    }
}

/// Cuts a response after each of its bytes, and before the first byte.
async fn check_every_cut(wire: Wire, end: End) {
    const AT_ONCE: usize = 16;
    let client = client();
    let mut running = JoinSet::new();
    for length in 0..=wire.0.len() {
        let sent = &wire.0[..length];
        let bytes = sent.iter().map(|(byte, _)| *byte).collect();
        let body = sent.iter().filter(|(_, is_body)| *is_body).count();
        running.spawn(check_cut(client.clone(), bytes, body, end));
        if running.len() == AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

#[tokio::test]
async fn a_response_can_end_at_any_byte() {
    check_every_cut(Wire::until_the_end(), End::Closed).await;
}

#[tokio::test]
async fn a_chunked_response_can_end_at_any_byte() {
    check_every_cut(Wire::chunked(), End::Closed).await;
}

#[tokio::test]
async fn a_connection_can_be_reset_at_any_byte() {
    check_every_cut(Wire::until_the_end(), End::Reset).await;
}

#[tokio::test]
async fn a_connection_can_be_reset_in_any_chunk() {
    check_every_cut(Wire::chunked(), End::Reset).await;
}

/// Returns a source whose connections end in each way, with a hook that is pending for a while, and the number of its
/// attempts.
fn eventful() -> (Server, EventSource, Arc<AtomicUsize>) {
    let server = Server::answering(|request| match request.number() {
        0 => raw(""),
        1 => status(503),
        // The first event and the ID of the second.
        2 => stream(&history_after(None)).cut(90),
        3 => stream(&history_after(request.header("last-event-id"))).cut(130).reset(),
        _ => resumed(request),
    });
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = attempts.clone();
    let source = server.builder().on_attempt(move |attempt| {
        counter.fetch_add(1, Ordering::Relaxed);
        async {
            yield_now().await;
            yield_now().await;
            Ok::<_, BoxError>(attempt.request)
        }
    });
    (server, source.build().unwrap(), attempts)
}

#[tokio::test]
async fn dropping_next_at_any_point_loses_no_event() {
    let (server, mut source, attempts) = eventful();
    let mut found = Vec::new();
    let mut dropped = 0;
    soon(async {
        loop {
            tokio::select! {
                biased;
                // It is pending once, so that `next` is polled once and then dropped.
                () = yield_now() => dropped += 1,
                item = source.next() => match item {
                    Some(event) => found.push(event.unwrap()),
                    None => break,
                },
            }
        }
    })
    .await;
    check_eventful(&server, &found, &attempts);
    assert!(dropped > 0);
}

/// The waker does nothing, because the loop polls the source again anyway.
#[tokio::test]
async fn polls_with_other_wakers_lose_no_event() {
    let (server, mut source, attempts) = eventful();
    let mut found = Vec::new();
    soon(async {
        loop {
            match pin!(source.next()).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => yield_now().await,
                Poll::Ready(Some(event)) => found.push(event.unwrap()),
                Poll::Ready(None) => break,
            }
        }
    })
    .await;
    check_eventful(&server, &found, &attempts);
}

/// Checks the events, and that each attempt was prepared and made once.
fn check_eventful(server: &Server, found: &[sse_client::Event], attempts: &AtomicUsize) {
    let found: Vec<_> =
        found.iter().map(|event| (event.last_event_id().to_owned(), event.data().to_owned())).collect();
    assert_eq!(found, events());
    assert_eq!(server.requests().len(), attempts.load(Ordering::Relaxed));
}
