//! A subscriber without a socket: what its body brings.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;

use axum::body::HttpBody as _;
use http::Request;
use sse_server::{Body, Topics};
use tokio::time::timeout;

use super::SOON;

pub struct Subscriber {
    body: Body,
    blocks: VecDeque<String>,
    /// With what it would resume.
    pub last_event_id: String,
    /// All events so far: the data, or `gap` for one that tells of a gap.
    pub seen: Vec<String>,
}

impl Subscriber {
    /// Subscribes to a topic, or to several with commas between them, and reads what says where it begins.
    pub async fn new(topics: &Topics, names: &str) -> Self {
        let mut new = Self::resume(topics, names, "");
        new.block().await;
        assert_ne!(new.last_event_id, "", "a stream begins with an id");
        new
    }

    /// Comes with this last event ID.
    pub fn resume(topics: &Topics, names: &str, last_event_id: &str) -> Self {
        let mut request = Request::get("/");
        if !last_event_id.is_empty() {
            request = request.header("Last-Event-ID", last_event_id);
        }
        let request = request.body(()).expect("a request");
        let response = topics.subscribe(&request, names.split(',')).respond();
        assert_eq!(response.status(), 200);
        let last_event_id = last_event_id.to_owned();
        Self { body: response.into_body(), blocks: VecDeque::new(), last_event_id, seen: Vec::new() }
    }

    /// The next block, whatever it is.
    pub async fn block(&mut self) -> String {
        while self.blocks.is_empty() {
            let frame = timeout(SOON, poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx))).await;
            let frame = frame.expect("something comes soon").expect("the stream goes on").expect("no error");
            let text = String::from_utf8(frame.into_data().expect("data").to_vec()).expect("text");
            self.blocks.extend(text.split_inclusive("\n\n").map(str::to_owned));
        }
        let block = self.blocks.pop_front().expect("there is one");
        if let Some(id) = field(&block, "id") {
            id.clone_into(&mut self.last_event_id);
        }
        block
    }

    /// The next event: its data, or `gap` if it tells of one.
    pub async fn next(&mut self) -> String {
        loop {
            let block = self.block().await;
            let event = match (field(&block, "event"), field(&block, "data")) {
                (Some("gap"), _) => "gap",
                (_, Some(data)) => data,
                _ => continue,
            };
            self.seen.push(event.to_owned());
            return event.to_owned();
        }
    }

    /// Reads up to an event with this data. Returns all that it has ever seen.
    pub async fn read_to(&mut self, last: &str) -> &[String] {
        while self.next().await != last {}
        &self.seen
    }
}

/// The value of a field in a block.
pub fn field<'b>(block: &'b str, name: &str) -> Option<&'b str> {
    block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
