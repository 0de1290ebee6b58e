//! Messages that were joined once, and share one piece of memory since then.
//!
//! A subscriber that reads old messages gets them as frames of many messages. Without segments, each subscriber would
//! join its frames anew, though others have read the same messages. A segment is such a frame. Its messages lie in its
//! memory, one directly after the other, so the messages from any one of them on are a part of it. It takes no memory
//! beside them, but for those that are evicted before the others.

use std::collections::VecDeque;

use bytes::Bytes;

use super::kept::Kept;
use super::memory::Share;
use super::position::Position;

/// How many bytes are sent as one frame. It is large enough that a frame costs less than its bytes, and small enough
/// that a stalled subscriber holds little.
pub(crate) const FRAME: usize = 32 * 1024;

/// The segments of a ring, oldest first.
#[derive(Debug, Default)]
pub(super) struct Segments(VecDeque<Segment>);

#[derive(Debug)]
struct Segment {
    /// The positions of its first and its last message.
    from: Position,
    to: Position,
    bytes: Bytes,
}

impl Segments {
    /// Returns the memory of a message and of those after it in its segment, and the position of the last one; `None` if
    /// the message is in no segment.
    pub(super) fn rest(&self, first: &Kept) -> Option<(Bytes, Position)> {
        let segment = self.0.get(self.0.partition_point(|segment| segment.to < first.position))?;
        if first.position < segment.from {
            return None;
        }
        let [start, begin] = [first.block.bytes(), &segment.bytes].map(|bytes| bytes.as_ptr().addr());
        Some((segment.bytes.slice(start.checked_sub(begin)?..), segment.to))
    }

    /// Returns the position at which the next segment begins after a message.
    pub(super) fn begin_after(&self, position: Position) -> Option<Position> {
        let next = self.0.partition_point(|segment| segment.from <= position);
        self.0.get(next).map(|segment| segment.from)
    }

    /// Adds a segment. No message of it may be in another one.
    pub(super) fn add(&mut self, from: Position, to: Position, bytes: Bytes, share: &mut Share) {
        if self.0.is_empty() {
            // So much at most is held of the oldest segment for messages that are evicted.
            share.add(FRAME);
        }
        let place = self.0.partition_point(|segment| segment.from < from);
        self.0.insert(place, Segment { from, to, bytes });
    }

    /// Drops the segments whose messages are all evicted, up to this position.
    pub(super) fn evict(&mut self, position: Position, share: &mut Share) {
        let had_any = !self.0.is_empty();
        while self.0.front().is_some_and(|oldest| oldest.to <= position) {
            self.0.pop_front();
        }
        if had_any && self.0.is_empty() {
            share.give_back(FRAME);
        }
    }
}
