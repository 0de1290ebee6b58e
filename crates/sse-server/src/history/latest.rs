//! The newest message of each key, which is kept after the ring has evicted it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::kept::Kept;
use super::position::Position;

#[derive(Debug, Default)]
pub(crate) struct Latest {
    /// The messages that the ring has evicted, by position.
    kept: BTreeMap<Position, Kept>,
    /// The newest position of each key, in the ring or here.
    newest: HashMap<Arc<str>, Position>,
}

impl Latest {
    /// Notes that a new message replaces the previous one of the same key. Returns the previous one, if it is kept
    /// here.
    pub(crate) fn supersede(&mut self, key: &Arc<str>, position: Position) -> Option<Kept> {
        let before = self.newest.insert(key.clone(), position)?;
        self.kept.remove(&before)
    }

    /// Takes over a message that the ring evicts, if it is the newest of its key. Returns whether it was.
    pub(crate) fn keep(&mut self, entry: Kept) -> bool {
        let is_newest = entry.block.key().and_then(|key| self.newest.get(key)) == Some(&entry.position);
        if is_newest {
            self.kept.insert(entry.position, entry);
        }
        is_newest
    }

    /// Evicts the oldest message, and forgets its key.
    pub(crate) fn pop_oldest(&mut self) -> Option<Kept> {
        let (_, entry) = self.kept.pop_first()?;
        entry.block.key().map(|key| self.newest.remove(key));
        Some(entry)
    }

    pub(crate) fn holds(&self, position: Position) -> bool {
        self.kept.contains_key(&position)
    }

    /// Returns the position of the oldest message.
    pub(crate) fn oldest(&self) -> Option<Position> {
        Some(*self.kept.first_key_value()?.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns the positions of the messages that are kept here, the oldest first.
    pub(crate) fn positions(&self) -> impl DoubleEndedIterator<Item = Position> {
        self.kept.keys().copied()
    }

    /// Returns the messages that are kept here, from a position on. All are older than those of the ring.
    pub(crate) fn from(&self, position: Position) -> impl Iterator<Item = &Kept> {
        self.kept.range(position..).map(|(_, entry)| entry)
    }
}
