//! A message that a topic keeps.

use std::time::Duration;

use super::position::Position;
use crate::message::Block;

#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) position: Position,
    /// When it was published, since a moment that all messages of a hub share.
    pub(crate) at: Duration,
    pub(crate) block: Block,
}

/// What the allocator and the sharing of the text add to it.
const ALLOCATION: usize = 48;

impl Kept {
    /// How many bytes of memory a message takes beside its text: its slot in the history, of which as many may be free as
    /// are taken, and [`ALLOCATION`].
    pub(crate) const BESIDE: usize = 2 * size_of::<Self>() + ALLOCATION;

    /// How many bytes of memory it takes.
    pub(crate) fn held(&self) -> usize {
        self.block.held() + Self::BESIDE
    }
}
