//! The encoders. All do the same work: a message is built from borrowed text and written to memory.

use std::convert::Infallible;
use std::fmt::Write;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use axum::body::HttpBody;
use axum::response::{IntoResponse, sse};
use bytes::Bytes;
use futures_core::Stream;
use memchr::{memchr2, memchr3};

/// An event to be encoded. Its text is static, because axum takes no stream that borrows.
#[derive(Clone, Copy)]
pub(crate) struct Outgoing {
    pub(crate) name: &'static str,
    /// Known at run time only, as the id is, so it must be checked.
    pub(crate) event_type: Option<&'static str>,
    pub(crate) id: Option<&'static str>,
    pub(crate) data: &'static str,
}

/// Encodes the event as many times as the first argument says, and returns the bytes of the last time.
pub(crate) type Encoder = fn(Outgoing, usize) -> Bytes;

/// `sse-codec`, the lower bound, then the peers.
pub(crate) const ALL: [(&str, Encoder); 5] = [
    ("sse-codec", sse_codec),
    ("by hand", by_hand),
    ("sse-stream 0.3", sse_stream),
    ("axum 0.8", axum),
    ("the older sse-codec 0.3", older_sse_codec),
];

pub(crate) fn events() -> [Outgoing; 4] {
    let lines =
        "one line of a longer text, which becomes a line of `data` of its own when sent.\n".repeat(51);
    [
        Outgoing {
            name: "openai",
            event_type: None,
            id: None,
            data: r#"{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4.1-2025-04-14","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}"#,
        },
        Outgoing {
            name: "typed",
            event_type: Some("content_block_delta"),
            id: Some("000042"),
            data: r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" word"}}"#,
        },
        Outgoing { name: "tick", event_type: None, id: Some("000042"), data: "000294" },
        // There is no line ending at the end, because one of the peers loses it.
        Outgoing { name: "lines", event_type: None, id: None, data: lines.leak().trim_end() },
    ]
}

fn sse_codec(event: Outgoing, times: usize) -> Bytes {
    let mut buffer = Vec::new();
    for _ in 0..times {
        let event = black_box(event);
        let mut message = sse_codec::Message::new(event.data);
        if let Some(event_type) = event.event_type {
            message = message.event_type(sse_codec::EventType::new(event_type).expect("valid"));
        }
        if let Some(id) = event.id {
            message = message.id(sse_codec::EventId::new(id).expect("valid"));
        }
        buffer.clear();
        message.encode(&mut buffer);
        black_box(&buffer[..]);
    }
    buffer.into()
}

/// The lower bound: the least work that writes these bytes and checks that the id can't break out of its line.
fn by_hand(event: Outgoing, times: usize) -> Bytes {
    let mut buffer = Vec::with_capacity(2 * event.data.len() + 64);
    for _ in 0..times {
        let event = black_box(event);
        buffer.clear();
        if let Some(event_type) = event.event_type {
            assert!(memchr2(b'\r', b'\n', event_type.as_bytes()).is_none());
            put_line(&mut buffer, b"event: ", b"event:\n", event_type.as_bytes());
        }
        let mut rest = event.data.as_bytes();
        while let Some(end) = memchr2(b'\r', b'\n', rest) {
            put_line(&mut buffer, b"data: ", b"data:\n", &rest[..end]);
            let ending = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
            rest = &rest[end + ending..];
        }
        put_line(&mut buffer, b"data: ", b"data:\n", rest);
        if let Some(id) = event.id {
            assert!(memchr3(b'\r', b'\n', 0, id.as_bytes()).is_none());
            put_line(&mut buffer, b"id: ", b"id:\n", id.as_bytes());
        }
        buffer.push(b'\n');
        black_box(&buffer[..]);
    }
    buffer.into()
}

#[inline]
fn put_line(buffer: &mut Vec<u8>, name: &[u8], empty: &[u8], value: &[u8]) {
    if value.is_empty() {
        buffer.extend_from_slice(empty);
        return;
    }
    buffer.extend_from_slice(name);
    buffer.extend_from_slice(value);
    buffer.push(b'\n');
}

fn sse_stream(event: Outgoing, times: usize) -> Bytes {
    let mut last = Bytes::new();
    for _ in 0..times {
        let event = black_box(event);
        let mut message = sse_stream::Sse::default().data(event.data);
        if let Some(event_type) = event.event_type {
            message = message.event(event_type);
        }
        if let Some(id) = event.id {
            message = message.id(id);
        }
        last = black_box(message.encode().expect("valid"));
    }
    last
}

/// Its events give their bytes to the body of a response only, so the body is read.
fn axum(event: Outgoing, times: usize) -> Bytes {
    let response = sse::Sse::new(AxumEvents { event, left: times }).into_response();
    let mut body = pin!(response.into_body());
    let mut context = Context::from_waker(Waker::noop());
    let mut last = Bytes::new();
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut context) {
        last = black_box(frame.expect("infallible").into_data().expect("no trailers"));
    }
    last
}

/// A stream of the remaining events, which is always ready.
struct AxumEvents {
    event: Outgoing,
    left: usize,
}

impl Stream for AxumEvents {
    type Item = Result<sse::Event, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        let event = black_box(self.event);
        let mut message = sse::Event::default().data(event.data);
        if let Some(event_type) = event.event_type {
            message = message.event(event_type);
        }
        if let Some(id) = event.id {
            message = message.id(id);
        }
        Poll::Ready(Some(Ok(message)))
    }
}

/// Writes as its `Encoder` does, which writes the same line to the `BytesMut` of an older `bytes`. It loses a line ending at
/// the end of the data, and does not escape a lone CR.
fn older_sse_codec(event: Outgoing, times: usize) -> Bytes {
    let mut buffer = String::new();
    for _ in 0..times {
        let event = black_box(event);
        let message =
            older_sse_codec::Event::message(event.event_type.unwrap_or("message"), event.data, event.id);
        buffer.clear();
        writeln!(buffer, "{message}").expect("a string takes all");
        black_box(&buffer[..]);
    }
    buffer.into()
}
