//! A subscriber without a socket: what its body holds right now.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use http_body::Body as _;
use sse_server::{Body, Route};

pub struct Reader(pub Body, VecDeque<String>);

/// Subscribes with this last event ID; an empty one is not sent.
pub fn subscribe(route: &Route, last_event_id: &str) -> Reader {
    let mut reader = Reader::new(request(route, last_event_id).into_body());
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
    pub fn new(body: Body) -> Self {
        Self(body, VecDeque::new())
    }

    /// The next block: `-` if there is none yet, `.` at the end.
    pub fn read(&mut self) -> String {
        if let Some(block) = self.1.pop_front() {
            return block;
        }
        let frame = self.frame();
        self.1.extend(frame.split_inclusive("\n\n").map(str::to_owned));
        self.1.pop_front().expect("a frame is never empty")
    }

    /// The next frame, which is one block or more: `-` if there is none yet, `.` at the end.
    pub fn frame(&mut self) -> String {
        assert!(self.1.is_empty(), "there are blocks left of the last one");
        match Pin::new(&mut self.0).poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => "-".to_owned(),
            Poll::Ready(None) => ".".to_owned(),
            Poll::Ready(Some(Ok(frame))) => {
                String::from_utf8(frame.into_data().expect("only data is sent").to_vec()).expect("text")
            }
        }
    }

    /// All that there is right now: the data lines of each block, then `-` or `.`.
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
