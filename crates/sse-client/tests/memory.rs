//! How much memory a stream takes that never comes to an end of an event.

use std::time::Duration;

use allocation_counter::measure;
use sse_client::{Error, EventSource, Reconnect, client_builder};
use sse_testing::{Answer, Server};

/// Many times what may be kept.
const SENT: usize = 16 << 20;

const LIMIT: usize = 1 << 16;

/// The limit, which a buffer that grows may overshoot while it moves, and what HTTP keeps of a connection.
const KEPT: u64 = 2 << 20;

/// The head of an event stream, and the beginning of a line.
macro_rules! stream {
    ($line:literal) => {
        concat!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", $line)
    };
}

/// Sends `head`, this again and again, and then an event.
fn serve(head: &str, filler: &str) -> Server {
    let filler = filler.repeat(SENT / filler.len());
    Server::start([Answer::raw(head).and(filler).and("\n\ndata: after\n\n").held()])
}

/// Reads up to the event after it all; returns the errors on the way.
fn check(head: &'static str, filler: &'static str) -> Vec<Error> {
    let server = serve(head, filler);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = client_builder().build().unwrap();
    let request = client.get(server.url("/")).build().unwrap();
    let mut source = EventSource::builder(client, request)
        .reconnect(Reconnect::never())
        .max_event_bytes(LIMIT)
        .build()
        .unwrap();
    let mut errors = Vec::new();
    let allocated = measure(|| {
        let reading = async {
            loop {
                match source.next().await {
                    Some(Ok(event)) => return assert_eq!(event.data(), "after"),
                    Some(Err(error)) => errors.push(error),
                    None => return assert!(errors.iter().any(Error::is_final), "the event after it all"),
                }
            }
        };
        let result = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), reading).await });
        result.expect("it comes soon");
    });
    assert!(allocated.bytes_max < KEPT, "{filler:?} took {} bytes", allocated.bytes_max);
    errors
}

#[test]
fn comments_without_end_take_no_memory() {
    for filler in [":\n", ": keep-alive\r\n\r\n", "\n", "\r"] {
        assert!(check(stream!(""), filler).is_empty(), "{filler:?}");
    }
}

/// A line that counts is too large once, and then the stream goes on.
#[test]
fn a_line_without_end_takes_no_more_than_an_event() {
    for head in [stream!("data: "), stream!("event: "), stream!("id: ")] {
        let errors = check(head, "xxxxxxxx");
        assert!(matches!(errors[..], [Error::TooLarge(_)]), "{head:?}: {errors:?}");
    }
}

/// What is ignored anyway is ignored at any length.
#[test]
fn a_line_without_meaning_takes_no_memory() {
    for head in [stream!(": "), stream!("unknown: "), stream!("unknown"), stream!("retry: 1")] {
        let errors = check(head, "xxxxxxxx");
        assert!(errors.is_empty(), "{head:?}: {errors:?}");
    }
}

#[test]
fn an_event_without_end_takes_no_more_than_an_event() {
    for filler in ["data: x\n", "data\n"] {
        let errors = check(stream!(""), filler);
        assert!(matches!(errors[..], [Error::TooLarge(_)]), "{filler:?}: {errors:?}");
    }
}

#[test]
fn what_is_no_event_stream_is_read_no_further_than_its_error_tells() {
    for head in ["HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n"] {
        let errors = check(head, "<p>Hello</p>");
        let [error] = &errors[..] else { panic!("{head:?}: {errors:?}") };
        assert_eq!(error.refusal().unwrap().body().len(), 8 * 1024, "{head:?}");
    }
}

#[test]
fn a_head_without_end_is_no_response() {
    for (head, filler) in
        [("HTTP/1.1 200 ", "x"), ("HTTP/1.1 200 OK\r\nX: ", "x"), ("HTTP/1.1 200 OK\r\n", "X: y\r\n")]
    {
        let errors = check(head, filler);
        assert!(matches!(errors[..], [Error::Connect(_)]), "{head:?}: {errors:?}");
    }
}
