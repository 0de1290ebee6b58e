//! The comments of a stream, each in its place between the events.
//!
//! The decoder passes comments over. So each chunk is read a second time, line by line, when it comes.

use std::collections::VecDeque;

use sse_codec::LineDecoder;

/// Reads each chunk before the decoder does, and then follows the decoder.
#[derive(Clone, Debug, Default)]
pub(super) struct Comments {
    lines: LineDecoder,
    /// The block that is being read has data, so that it is an event.
    has_data: bool,
    /// The decoder has told already that the block is too large, which it may do before the block ends.
    is_told: bool,
    /// How many events end in the chunk that was read last.
    events: usize,
    /// How many of them the decoder has given.
    given: usize,
    /// The comments that were not given, each with how many events of the same chunk go before it.
    waiting: VecDeque<(usize, String)>,
    /// The comment that comes before all that was not given.
    next: Option<String>,
}

impl Comments {
    /// A new connection: a block that the last one did not end is gone.
    pub(super) fn reset(&mut self) {
        self.lines.reset();
        (self.has_data, self.is_told) = (false, false);
    }

    /// Reads the next chunk. The decoder has given all events of the one before, so what the two count differently, such
    /// as a line that is too large for both, is forgotten here.
    pub(super) fn read(&mut self, mut chunk: &[u8]) {
        (self.events, self.given) = (0, 0);
        for (before, _) in &mut self.waiting {
            *before = 0;
        }
        loop {
            match self.lines.next_line(&mut chunk) {
                Ok(None) => return,
                Ok(Some(line)) if line.is_blank() => {
                    let (has_data, is_told) = (self.has_data, self.is_told);
                    (self.has_data, self.is_told) = (false, false);
                    self.events += usize::from(has_data && !is_told);
                }
                Ok(Some(line)) => {
                    if let Some(comment) = line.comment() {
                        self.waiting.push_back((self.events, comment.to_owned()));
                    } else if line.field().is_some_and(|(name, _)| name == "data") {
                        self.has_data = true;
                    }
                }
                // The decoder tells of an event that is too large, so it counts.
                Err(_) => self.has_data = true,
            }
        }
    }

    /// The decoder has given an event.
    pub(super) fn event_given(&mut self) {
        self.given += 1;
    }

    /// The decoder has told that an event is too large: one that ended in this chunk, or the one that is being read.
    pub(super) fn error_given(&mut self) {
        if self.given < self.events {
            self.given += 1;
        } else {
            self.is_told = true;
        }
    }

    /// Whether a comment comes next, which [`take`](Self::take) then gives. One that was not taken is passed over.
    pub(super) fn advance(&mut self) -> bool {
        let is_next = self.waiting.front().is_some_and(|(before, _)| *before <= self.given);
        self.next = if is_next { self.waiting.pop_front().map(|(_, comment)| comment) } else { None };
        is_next
    }

    pub(super) fn take(&mut self) -> Option<String> {
        self.next.take()
    }
}
