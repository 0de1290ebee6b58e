//! An entry of a log.

use super::position::Position;
use crate::message::Record;

/// An entry of a [log](crate::log::Log).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Where it is.
    pub position: Position,
    /// The entry before it, whether or not that is still there; [`Position::START`] for the first.
    pub previous: Position,
    /// What it says; `None` for an entry that readers pass over.
    pub record: Option<Record>,
}

impl Entry {
    /// An entry at a position, appended right after `previous`.
    pub fn new(position: Position, previous: Position, record: Option<Record>) -> Self {
        Self { position, previous, record }
    }
}
