//! An entry of a log.

use super::position::Position;
use crate::message::{Record, RecordKind};

/// An entry of a [log](crate::log::Log).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The position of the entry.
    pub position: Position,
    /// The position of the entry before it, even if that entry was trimmed; [`Position::START`] for the first entry.
    pub previous: Position,
    /// The content; `None` for an entry that readers of the log skip.
    pub record: Option<Record>,
}

impl Entry {
    /// Returns an entry at a position, which was appended directly after `previous`.
    pub fn new(position: Position, previous: Position, record: Option<Record>) -> Self {
        Self { position, previous, record }
    }

    /// Returns whether the entry tells of [evicted](Record::evicted) messages of its topic.
    pub fn is_evicted(&self) -> bool {
        self.record.as_ref().is_some_and(|record| record.kind() == RecordKind::Evicted)
    }
}
