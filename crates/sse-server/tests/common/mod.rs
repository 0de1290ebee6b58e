//! A subscriber without a socket: what its body holds right now.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body::Body as _;
use sse_server::{Body, Route};

pub struct Reader(pub Body);

/// Subscribes with this last event ID; an empty one is not sent.
pub fn subscribe(route: &Route, last_event_id: &str) -> Reader {
    let mut reader = Reader(request(route, last_event_id).into_body());
    let opening = reader.read();
    assert!(opening.starts_with(":\n"), "{opening:?}");
    reader
}

pub fn request(route: &Route, last_event_id: &str) -> Response<Body> {
    let mut request = Request::get("/events");
    if !last_event_id.is_empty() {
        request = request.header("Last-Event-ID", last_event_id);
    }
    let response = route.respond(&request.body(()).unwrap());
    assert_eq!(response.status(), 200);
    response
}

impl Reader {
    /// The next frame: `-` if there is none yet, `.` at the end.
    pub fn read(&mut self) -> String {
        match Pin::new(&mut self.0).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => "-".to_owned(),
            Poll::Ready(None) => ".".to_owned(),
            Poll::Ready(Some(Ok(frame))) => {
                String::from_utf8(frame.into_data().expect("only data is sent").to_vec()).expect("text")
            }
        }
    }

    /// All that there is right now: the data lines of each frame, then `-` or `.`.
    pub fn read_data(&mut self) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            let frame = self.read();
            if frame == "-" || frame == "." {
                seen.push(frame);
                return seen;
            }
            seen.extend(frame.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned));
        }
    }
}

/// The value of a field in a block.
pub fn field<'b>(block: &'b str, name: &str) -> Option<&'b str> {
    block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
