//! Comments, each in its place between the events.

use std::collections::VecDeque;

use sse_client::LineDecoder;

/// The comments of a stream that have not been printed.
///
/// The client decodes events and passes comments over. So its bytes are read a second time, and of each comment it is
/// kept how many events go before it.
#[derive(Debug, Default)]
pub(crate) struct Comments {
    lines: LineDecoder,
    /// Whether the block that is being read has data: then it is an event.
    has_data: bool,
    /// How many events there were in what has been read.
    events: u64,
    waiting: VecDeque<(u64, String)>,
}

impl Comments {
    /// A new connection: a block that the last one did not end is gone.
    pub(crate) fn reset(&mut self) {
        self.lines.reset();
        self.has_data = false;
    }

    /// Reads what has come.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
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

    /// The next comment before which there are no more events than these.
    pub(crate) fn next(&mut self, events: u64) -> Option<String> {
        self.waiting.front().filter(|(before, _)| *before <= events)?;
        self.waiting.pop_front().map(|(_, comment)| comment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(stream: &str, expected: &[(u64, &str)]) {
        for size in 1..=stream.len() {
            let mut comments = Comments::default();
            stream.as_bytes().chunks(size).for_each(|chunk| comments.read(chunk));
            let found: Vec<_> = comments.waiting.iter().map(|(events, text)| (*events, &**text)).collect();
            assert_eq!(found, expected, "{stream:?} by {size}");
        }
    }

    #[test]
    fn a_comment_is_behind_the_events_that_are_whole() {
        check(": a\n\ndata: 1\n: b\n\n: c\n", &[(0, "a"), (0, "b"), (1, "c")]);
        check("data\r\rid: 7\r\r:d\r", &[(1, "d")]);
        check("data: 1\n\ndata: 2\n\n:\n", &[(2, "")]);
        check("datum: 1\n\n:e\n", &[(0, "e")]);
    }

    #[test]
    fn a_comment_waits_for_the_events_before_it() {
        let mut comments = Comments::default();
        comments.read(b":a\ndata: 1\n\n:b\ndata: cut off");
        comments.reset();
        comments.read(b"\n\n:c\n");
        assert_eq!([comments.next(0).as_deref(), comments.next(0).as_deref()], [Some("a"), None]);
        assert_eq!([comments.next(1).as_deref(), comments.next(1).as_deref()], [Some("b"), Some("c")]);
    }
}
