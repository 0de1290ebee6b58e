//! The newest message of each key, kept when the ring has no room for it any more.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::ring::Entry;

#[derive(Debug, Default)]
pub(crate) struct Latest {
    /// Those that the ring let go of, by sequence number.
    kept: BTreeMap<u64, Entry>,
    /// The newest sequence number of each key, in the ring or here.
    newest: HashMap<Arc<str>, u64>,
}

impl Latest {
    /// A new entry takes the place of the one before it with its key. Returns how many bytes that frees here.
    pub(crate) fn supersede(&mut self, key: &Arc<str>, sequence: u64) -> usize {
        let before = self.newest.insert(key.clone(), sequence);
        before.and_then(|before| self.kept.remove(&before)).map_or(0, |entry| entry.block.len())
    }

    /// Takes an entry over from the ring, if it is the newest of its key.
    pub(crate) fn keep(&mut self, entry: Entry) -> bool {
        let is_newest = entry.key.as_ref().and_then(|key| self.newest.get(key)) == Some(&entry.sequence);
        if is_newest {
            self.kept.insert(entry.sequence, entry);
        }
        is_newest
    }

    /// Lets go of the oldest entry, and of its key.
    pub(crate) fn pop_oldest(&mut self) -> Option<Entry> {
        let (_, entry) = self.kept.pop_first()?;
        entry.key.as_ref().map(|key| self.newest.remove(key));
        Some(entry)
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.len()
    }

    /// The entries kept here, from a sequence number on. All are older than those of the ring.
    pub(crate) fn from(&self, sequence: u64) -> impl Iterator<Item = &Entry> {
        self.kept.range(sequence..).map(|(_, entry)| entry)
    }

    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        self.kept.values().rev()
    }
}
