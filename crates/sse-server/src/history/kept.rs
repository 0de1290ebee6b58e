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
