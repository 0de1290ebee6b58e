//! A message that a topic keeps.

use std::time::Duration;

use super::position::Position;
use crate::message::Block;

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    /// When the message was published, as a time since a moment that all messages of a hub share.
    pub(crate) at: Duration,
    pub(crate) block: Block,
}

/// The bytes that the allocator and the reference counters of the text add.
const ALLOCATION: usize = 48;

impl Kept {
    /// How many bytes of memory a message takes beside its text: its slot in the history, one free slot, and
    /// [`ALLOCATION`].
    pub(crate) const BESIDE: usize = 2 * size_of::<Self>() + ALLOCATION;

    /// Returns how many bytes of memory the message takes.
    pub(crate) fn held(&self) -> usize {
        self.block.held() + Self::BESIDE
    }
}
