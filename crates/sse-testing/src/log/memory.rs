//! A log in memory.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sse_server::log::{Batch, Entry, Log, LogError, Position};
use tokio::sync::Notify;

/// A log in the memory of one process, for tests of a program with several replicas. It is a handle, and its clones are
/// the same log. It keeps all entries until [`trim`](Self::trim) or [`lose`](Self::lose) is called.
#[derive(Clone, Debug, Default)]
pub struct MemoryLog(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    /// The highest position that was ever given.
    last: Position,
    /// The position of the newest entry, which the next entry names as the one before.
    end: Position,
    /// The newest batch of each publisher.
    batches: HashMap<u64, (u64, Vec<Position>)>,
}

impl MemoryLog {
    /// Returns an empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns how many entries the log has.
    pub fn len(&self) -> usize {
        self.0.lock().entries.len()
    }

    /// Returns whether the log has no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Trims the log to this number of its newest entries.
    pub fn trim(&self, entries: usize) {
        let mut state = self.0.lock();
        let surplus = state.entries.len().saturating_sub(entries);
        state.entries.drain(..surplus);
    }

    /// Loses this number of the newest entries, like a server that fails before it has saved them. Entries that are
    /// appended later get higher positions than the lost entries had.
    pub fn lose(&self, entries: usize) {
        let mut state = self.0.lock();
        let left = state.entries.len().saturating_sub(entries);
        state.entries.truncate(left);
        state.end = state.entries.back().map_or(Position::START, |entry| entry.position);
        state.batches.clear();
        drop(state);
        self.0.grown.notify_waiters();
    }
}

impl Log for MemoryLog {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        let mut state = self.0.lock();
        let State { entries, last, end, batches } = &mut *state;
        let (number, positions) = batches.entry(batch.publisher()).or_default();
        if batch.number() > *number {
            *number = batch.number();
            positions.clear();
            for record in batch.records() {
                *last = Position::new(last.get() + 1);
                let previous = mem::replace(end, *last);
                entries.push_back(Entry::new(*last, previous, Some(record.clone())));
                positions.push(*last);
            }
        }
        let positions = positions.clone();
        drop(state);
        self.0.grown.notify_waiters();
        Ok(positions)
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        let state = self.0.lock();
        let entries = state.entries.iter();
        let ahead =
            entries.take_while(|entry| position.is_none_or(|position| entry.position < position)).count();
        Ok(state.entries.range(ahead.saturating_sub(limit)..ahead).cloned().collect())
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        Ok(self.0.lock().after(position, limit))
    }

    async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        loop {
            let grown = self.0.grown.notified();
            let entries = self.0.lock().after(position, limit);
            if entries.as_ref().is_none_or(|entries| !entries.is_empty()) {
                return Ok(entries);
            }
            grown.await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it has the lock; and if it did, the state would be consistent between any two
        // statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn after(&self, position: Position, limit: usize) -> Option<Vec<Entry>> {
        let start = self.entries.partition_point(|entry| entry.position <= position);
        let follows = match start.checked_sub(1) {
            Some(place) => self.entries[place].position == position,
            None => self.entries.front().map_or(self.end, |first| first.previous) == position,
        };
        follows.then(|| self.entries.range(start..).take(limit).cloned().collect())
    }
}
