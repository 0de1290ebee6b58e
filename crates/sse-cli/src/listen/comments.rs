//! Comments, each in its place between the events.

use std::collections::VecDeque;

use sse_client::LineDecoder;

/// The comments of a stream that have not been printed.
///
/// The client decodes events and passes comments over. So its bytes are read a second time, and of each comment it is
/// kept how many events of the same chunk go before it.
#[derive(Debug, Default)]
pub(crate) struct Comments {
    lines: LineDecoder,
    /// Whether the block that is being read has data: then it is an event.
    has_data: bool,
    /// How many events end in the chunk that was read last.
    events: u64,
    /// How many of them have been passed on.
    passed: u64,
    waiting: VecDeque<(u64, String)>,
}

impl Comments {
    /// A new connection: a block that the last one did not end is gone.
    pub(crate) fn reset(&mut self) {
        self.lines.reset();
        self.has_data = false;
    }

    /// Reads the next chunk. The client asks for it when it has given all events of the one before: so what the two
    /// readers count differently, as a line that is too large for both, is forgotten here.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        (self.events, self.passed) = (0, 0);
        self.waiting.iter_mut().for_each(|(before, _)| *before = 0);
        loop {
            match self.lines.next_line(&mut bytes) {
                Ok(None) => return,
                Ok(Some(line)) if line.is_blank() => {
                    self.events += u64::from(std::mem::take(&mut self.has_data));
                }
                Ok(Some(line)) => {
                    if let Some(comment) = line.comment() {
                        self.waiting.push_back((self.events, comment.to_owned()));
                    }
                    self.has_data |= line.field().is_some_and(|(name, _)| name == "data");
                }
                // The client tells of an event that is too large, so it counts.
                Err(_) => self.has_data = true,
            }
        }
    }

    /// An event is passed on.
    pub(crate) fn event_passed(&mut self) {
        self.passed += 1;
    }

    /// The next comment that no other event goes before.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.waiting.front().filter(|(before, _)| *before <= self.passed)?;
        self.waiting.pop_front().map(|(_, comment)| comment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a stream in chunks of each size, passes on the events of each chunk when it has been read, and checks what
    /// comes out of both: events as `!`.
    #[track_caller]
    fn check(stream: &str, expected: &[&str]) {
        for size in 1..=stream.len() {
            let (mut comments, mut found) = (Comments::default(), Vec::new());
            for chunk in stream.as_bytes().chunks(size) {
                comments.read(chunk);
                for _ in 0..comments.events {
                    found.extend(std::iter::from_fn(|| comments.next()));
                    found.push("!".to_owned());
                    comments.event_passed();
                }
                found.extend(std::iter::from_fn(|| comments.next()));
            }
            assert_eq!(found, expected, "{stream:?} by {size}");
        }
    }

    #[test]
    fn a_comment_is_behind_the_events_that_are_whole() {
        check(": a\n\ndata: 1\n: b\n\n: c\n", &["a", "b", "!", "c"]);
        check("data\r\rid: 7\r\r:d\r", &["!", "d"]);
        check("data: 1\n\ndata: 2\n\n:\n", &["!", "!", ""]);
        check("datum: 1\n\n:e\n", &["e"]);
    }

    #[test]
    fn a_comment_waits_for_the_events_before_it() {
        let mut comments = Comments::default();
        comments.read(b":a\ndata: 1\n\n:b\ndata: cut off");
        assert_eq!([comments.next().as_deref(), comments.next().as_deref()], [Some("a"), None]);
        comments.event_passed();
        comments.reset();
        comments.read(b"\n\n:c\n");
        assert_eq!([comments.next().as_deref(), comments.next().as_deref()], [Some("b"), Some("c")]);
    }

    #[test]
    fn what_was_counted_wrongly_holds_up_nothing_for_long() {
        let mut comments = Comments { lines: LineDecoder::with_limit(10), ..Comments::default() };
        // It is no event for the client, which passes it over.
        comments.read(b": a comment that is too long\n\n:a\n");
        assert_eq!(comments.next(), None);
        comments.read(b":b\n");
        assert_eq!([comments.next().as_deref(), comments.next().as_deref()], [Some("a"), Some("b")]);
    }
}
