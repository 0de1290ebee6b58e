//! A subscriber without a socket, and everything that it has seen.

use sse_server::Topics;
use sse_testing::request;

pub struct Subscriber {
    stream: sse_testing::Subscriber,
    /// The id with which it would resume.
    pub last_event_id: String,
    /// All events so far: the data, or `gap` for a gap event.
    pub seen: Vec<String>,
}

impl Subscriber {
    /// Subscribes to a topic, or to several with commas between them, and reads the opening.
    pub async fn new(topics: &Topics, names: &str) -> Self {
        let mut new = Self::resume(topics, names, "");
        new.block().await;
        assert_ne!(new.last_event_id, "", "a stream begins with an id");
        new
    }

    /// Subscribes with this last event ID.
    pub fn resume(topics: &Topics, names: &str, last_event_id: &str) -> Self {
        let response = topics.subscribe(&request(last_event_id), names.split(',')).respond();
        let stream = sse_testing::Subscriber::of(response);
        Self { stream, last_event_id: last_event_id.to_owned(), seen: Vec::new() }
    }

    /// Returns the next block of any kind.
    pub async fn block(&mut self) -> String {
        let block = self.stream.next_block().await.expect("the stream goes on");
        self.note_id();
        block
    }

    /// Returns the data of the next event, or `gap` for a gap event.
    pub async fn next(&mut self) -> String {
        let event = self.stream.next_event().await.expect("the stream goes on");
        self.note_id();
        self.seen.push(if event.event_type() == "gap" { "gap".to_owned() } else { event.into_data() });
        self.seen[self.seen.len() - 1].clone()
    }

    /// Reads up to an event with this data. Returns everything that it has ever seen.
    pub async fn read_to(&mut self, last: &str) -> &[String] {
        while self.next().await != last {}
        &self.seen
    }

    fn note_id(&mut self) {
        if !self.stream.last_event_id().is_empty() {
            self.stream.last_event_id().clone_into(&mut self.last_event_id);
        }
    }
}
