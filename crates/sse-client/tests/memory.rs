//! The memory of a stream in which a line or an event does not end.

use std::time::Duration;

use allocation_counter::measure;
use sse_client::{Error, EventSource, Reconnect, client_builder};
use sse_testing::{Answer, Server};

/// Many times the memory that the client may take.
const SENT: usize = 16 << 20;

const LIMIT: usize = 1 << 16;

/// The memory that the client may take: the limit of an event, more while a growing buffer moves, and the buffers of
/// HTTP.
const KEPT: u64 = 2 << 20;

/// The head of an event stream.
macro_rules! stream {
    ($line:literal) => {
        concat!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", $line)
    };
}

/// Starts a server that sends `head`, then `filler` many times, and then an event.
fn serve(head: &str, filler: &str) -> Server {
    let filler = filler.repeat(SENT / filler.len());
    Server::start([Answer::raw(head).and(filler).and("\n\ndata: after\n\n").held()])
}

/// Reads up to the event after the filler, and returns the errors before it.
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
                    None => {
                        return assert!(
                            errors.iter().any(Error::is_final),
                            "the event after the filler is missing"
                        );
                    }
                }
            }
        };
        let result = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), reading).await });
        result.expect("the stream ends soon");
    });
    assert!(allocated.bytes_max < KEPT, "{filler:?} took {} bytes", allocated.bytes_max);
    errors
}

#[test]
fn an_endless_comment_takes_no_memory() {
    for filler in [":\n", ": keep-alive\r\n\r\n", "\n", "\r"] {
        assert!(check(stream!(""), filler).is_empty(), "{filler:?}");
    }
}

/// A line of a known field is one error, and then the stream goes on.
#[test]
fn an_endless_line_takes_no_more_memory_than_an_event() {
    for head in [stream!("data: "), stream!("event: "), stream!("id: ")] {
        let errors = check(head, "xxxxxxxx");
        assert!(matches!(errors[..], [Error::TooLarge(_)]), "{head:?}: {errors:?}");
    }
}

/// An unknown field is ignored at any length.
#[test]
fn an_unknown_field_takes_no_memory() {
    for head in [stream!(": "), stream!("unknown: "), stream!("unknown"), stream!("retry: 1")] {
        let errors = check(head, "xxxxxxxx");
        assert!(errors.is_empty(), "{head:?}: {errors:?}");
    }
}

#[test]
fn an_endless_event_takes_no_more_memory_than_an_event() {
    for filler in ["data: x\n", "data\n"] {
        let errors = check(stream!(""), filler);
        assert!(matches!(errors[..], [Error::TooLarge(_)]), "{filler:?}: {errors:?}");
    }
}

#[test]
fn an_endless_refusal_is_read_only_as_far_as_its_error_shows() {
    for head in ["HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", "HTTP/1.1 404 Not Found\r\n\r\n"] {
        let errors = check(head, "<p>Hello</p>");
        let [error] = &errors[..] else { panic!("{head:?}: {errors:?}") };
        assert_eq!(error.refusal().unwrap().body().len(), 8 * 1024, "{head:?}");
    }
}

#[test]
fn an_endless_head_is_an_error() {
    for (head, filler) in
        [("HTTP/1.1 200 ", "x"), ("HTTP/1.1 200 OK\r\nX: ", "x"), ("HTTP/1.1 200 OK\r\n", "X: y\r\n")]
    {
        let errors = check(head, filler);
        assert!(matches!(errors[..], [Error::Connect(_)]), "{head:?}: {errors:?}");
    }
}
