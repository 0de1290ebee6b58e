//! The newest message of each key, kept when the ring has no room for it any more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::kept::Kept;
use super::position::Position;

#[derive(Debug, Default)]
pub(crate) struct Latest {
    /// Those that the ring evicted, by position.
    kept: BTreeMap<Position, Kept>,
    /// The newest position of each key, in the ring or here.
    newest: HashMap<Arc<str>, Position>,
}

impl Latest {
    /// A new entry replaces the one before it with the same key. Returns the one before, if it is kept here.
    pub(crate) fn supersede(&mut self, key: &Arc<str>, position: Position) -> Option<Kept> {
        let before = self.newest.insert(key.clone(), position)?;
        self.kept.remove(&before)
    }

    /// Takes an entry over from the ring, if it is the newest of its key.
    pub(crate) fn keep(&mut self, entry: Kept) -> bool {
        let is_newest = entry.block.key().and_then(|key| self.newest.get(key)) == Some(&entry.position);
        if is_newest {
            self.kept.insert(entry.position, entry);
        }
        is_newest
    }

    /// Evicts the oldest entry, and forgets its key.
    pub(crate) fn pop_oldest(&mut self) -> Option<Kept> {
        let (_, entry) = self.kept.pop_first()?;
        entry.block.key().map(|key| self.newest.remove(key));
        Some(entry)
    }

    pub(crate) fn holds(&self, position: Position) -> bool {
        self.kept.contains_key(&position)
    }

    /// The position of the oldest entry.
    pub(crate) fn oldest(&self) -> Option<Position> {
        Some(*self.kept.first_key_value()?.0)
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The positions of the entries kept here, the oldest first.
    pub(crate) fn positions(&self) -> impl DoubleEndedIterator<Item = Position> {
        self.kept.keys().copied()
    }

    /// The entries kept here, from a position on. All are older than those of the ring.
    pub(crate) fn from(&self, position: Position) -> impl Iterator<Item = &Kept> {
        self.kept.range(position..).map(|(_, entry)| entry)
    }
}
