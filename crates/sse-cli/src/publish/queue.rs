//! What was read and is not published, and how much of it goes into a request.

use std::collections::VecDeque;
use std::fmt;

use super::form;

/// How many events a request has at most.
const MAX_EVENTS: usize = 1000;

/// How large a request is at most, if it is of more than one event: a quarter of what a hub takes.
pub(super) const MAX_BYTES: usize = 256 * 1024;

/// An event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) place: Place,
    /// The event, as the hub takes it, in one line.
    pub(super) json: String,
}

/// Where events come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The command line.
    Argument,
    /// Lines of standard input, counted from 1, the last one among them.
    Lines { first: u64, last: u64 },
}

impl Place {
    pub(super) fn line(number: u64) -> Self {
        Self::Lines { first: number, last: number }
    }

    fn up_to(self, end: Self) -> Self {
        match (self, end) {
            (Self::Lines { first, .. }, Self::Lines { last, .. }) => Self::Lines { first, last },
            _ => self,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument => f.write_str("the event"),
            Self::Lines { first, last } if first == last => write!(f, "line {first}"),
            Self::Lines { first, last } => write!(f, "lines {first} to {last}"),
        }
    }
}

/// What one request publishes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) events: usize,
    pub(super) place: Place,
    /// Their lines.
    pub(super) body: String,
}

#[derive(Debug)]
pub(super) struct Queue {
    events: VecDeque<Event>,
    /// How large all of them are.
    bytes: usize,
    /// How large a request of more than one event may be.
    max_bytes: usize,
    /// How many events it may have.
    max_events: usize,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { events: VecDeque::new(), bytes: 0, max_bytes: MAX_BYTES, max_events: MAX_EVENTS }
    }

    /// Returns whether there is enough for a request.
    pub(super) fn is_full(&self) -> bool {
        self.events.len() >= MAX_EVENTS || self.bytes >= self.max_bytes
    }

    pub(super) fn push(&mut self, event: Event) {
        self.bytes += size(&event);
        self.events.push_back(event);
    }

    /// The first events, as many as fit in a request, and at least one. They stay until they are removed.
    pub(super) fn batch(&self) -> Option<Batch> {
        let first = self.events.front()?;
        let mut batch = Batch { events: 0, place: first.place, body: String::new() };
        for event in &self.events {
            let fits = batch.events < self.max_events && batch.body.len() + size(event) <= self.max_bytes;
            if batch.events > 0 && !fits {
                break;
            }
            batch.events += 1;
            batch.place = batch.place.up_to(event.place);
            batch.body += &event.json;
            batch.body.push('\n');
        }
        Some(batch)
    }

    /// Forgets the first events: they are published.
    pub(super) fn remove(&mut self, events: usize) {
        for event in self.events.drain(..events.min(self.events.len())) {
            self.bytes -= size(&event);
        }
    }

    /// Makes requests smaller than one of this size, which was refused.
    pub(super) fn shrink(&mut self, size: usize) {
        self.max_bytes = size / 2;
    }

    /// Makes requests of half as many events as one that was refused because of one of its events: so the wrong event
    /// is soon alone in its request, and those before it are published.
    pub(super) fn narrow(&mut self, events: usize) {
        self.max_events = (events / 2).max(1);
    }

    /// Takes the ids out of all events.
    pub(super) fn leave_out_ids(&mut self) {
        for event in &mut self.events {
            if let Some(json) = form::without_id(&event.json) {
                event.json = json;
            }
        }
        self.bytes = self.events.iter().map(size).sum();
    }
}

/// How much of a request an event takes, with the end of its line.
fn size(event: &Event) -> usize {
    event.json.len() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(sizes: &[usize]) -> Queue {
        let mut queue = Queue::new();
        for (number, size) in (1..).zip(sizes) {
            queue.push(Event { place: Place::line(number), json: "x".repeat(size - 1) });
        }
        queue
    }

    /// Checks into which requests events of these sizes go, by their positions in the input.
    #[track_caller]
    fn check(mut queue: Queue, expected: &[&str]) {
        let mut found = Vec::new();
        while let Some(batch) = queue.batch() {
            assert_eq!(batch.body.lines().count(), batch.events);
            found.push(batch.place.to_string());
            queue.remove(batch.events);
        }
        assert_eq!(found, expected);
        assert_eq!(queue.bytes, 0);
    }

    #[test]
    fn a_request_has_as_many_events_as_fit_and_one_at_least() {
        check(queue(&[]), &[]);
        check(queue(&[10]), &["line 1"]);
        check(queue(&[10, 10, 10]), &["lines 1 to 3"]);
        check(queue(&[10; 1001]), &["lines 1 to 1000", "line 1001"]);
        check(queue(&[10, MAX_BYTES - 10, 1]), &["lines 1 to 2", "line 3"]);
        check(queue(&[10, MAX_BYTES - 9, 9]), &["line 1", "lines 2 to 3"]);
        check(queue(&[10, 2 * MAX_BYTES, 10]), &["line 1", "line 2", "line 3"]);
    }

    #[test]
    fn a_refused_size_halves_what_follows() {
        let mut queue = queue(&[10, 10, 10, 30, 10]);
        let refused = queue.batch().unwrap().body.len();
        queue.shrink(refused);
        check(queue, &["lines 1 to 3", "line 4", "line 5"]);
    }

    #[test]
    fn a_wrong_event_is_soon_alone() {
        let mut queue = queue(&[10; 7]);
        queue.narrow(7);
        assert_eq!(queue.batch().unwrap().place.to_string(), "lines 1 to 3");
        queue.narrow(1);
        check(queue, &["line 1", "line 2", "line 3", "line 4", "line 5", "line 6", "line 7"]);
    }

    #[test]
    fn ids_are_left_out_of_what_was_read() {
        let mut queue = Queue::new();
        for (number, json) in (1..).zip([r#"{"id":"7","data":"a"}"#, r#"{"data":"b"}"#]) {
            queue.push(Event { place: Place::line(number), json: json.to_owned() });
        }
        queue.leave_out_ids();
        assert_eq!(queue.batch().unwrap().body, "{\"data\":\"a\"}\n{\"data\":\"b\"}\n");
        check(queue, &["lines 1 to 2"]);
    }

    #[test]
    fn reading_stops_when_there_is_enough_for_a_request() {
        assert!(!queue(&[10; 999]).is_full());
        assert!(queue(&[10; 1000]).is_full());
        assert!(!queue(&[MAX_BYTES - 1]).is_full());
        assert!(queue(&[MAX_BYTES - 10, 10]).is_full());
    }

    #[test]
    fn the_event_of_the_command_line_has_no_line() {
        let mut queue = Queue::new();
        queue.push(Event { place: Place::Argument, json: "{}".to_owned() });
        let expected = Batch { events: 1, place: Place::Argument, body: "{}\n".to_owned() };
        assert_eq!(queue.batch(), Some(expected));
        check(queue, &["the event"]);
    }
}
