//! A message that a topic keeps.

use std::time::Duration;

use super::position::Position;
use crate::message::Block;

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    /// The position directly before this one, of any topic.
    pub(crate) previous: Position,
    /// In nanoseconds, which takes half of the memory of a `Duration`.
    at: u64,
    pub(crate) block: Block,
}

/// The bytes that the allocator and the reference counters of the text add.
const ALLOCATION: usize = 48;

impl Kept {
    /// How many bytes of memory a message takes beside its text: its slot in the history, one free slot, and
    /// [`ALLOCATION`].
    pub(crate) const BESIDE: usize = 2 * size_of::<Self>() + ALLOCATION;

    /// Returns a message that was published at this time since a moment that all messages of a hub share.
    pub(crate) fn new(position: Position, previous: Position, at: Duration, block: Block) -> Self {
        let at = u64::try_from(at.as_nanos()).unwrap_or(u64::MAX);
        Self { position, previous, at, block }
    }

    /// Returns when the message was published.
    pub(crate) fn at(&self) -> Duration {
        Duration::from_nanos(self.at)
    }

    /// Returns how many bytes of memory the message takes.
    pub(crate) fn held(&self) -> usize {
        self.block.held() + Self::BESIDE
    }
}
