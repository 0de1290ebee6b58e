//! A log in memory.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sse_server::log::{Batch, Entry, Log, LogError, Outcome, Position, Record, RecordKind};
use tokio::sync::Notify;

/// A log in the memory of one process, for tests of a program with several replicas. It is a handle, and its clones are
/// the same log. It keeps all entries until [`trim`](Self::trim), [`evict`](Self::evict) or [`lose`](Self::lose) is
/// called. It keeps the publishers' ids and the ends of topics of all entries that it has not lost.
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
    batches: HashMap<u64, (u64, Vec<Outcome>)>,
    /// The messages that have ids of their publishers, by topic and id.
    named: HashMap<(String, String), (Position, Record)>,
    /// The entries that end a topic or open it, oldest first.
    changes: Vec<Entry>,
    /// The positions of entries that are gone, though older entries of other topics were kept.
    evicted: BTreeSet<Position>,
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

    /// Leaves out this number of positions before the next entry. The positions of a log on a disk or of a Redis have such
    /// distances, because they are made of the time.
    pub fn skip(&self, positions: u64) {
        let mut state = self.0.lock();
        state.last = Position::new(state.last.get().saturating_add(positions));
    }

    /// Trims the log to this number of its newest entries.
    pub fn trim(&self, entries: usize) {
        let mut state = self.0.lock();
        let surplus = state.entries.len().saturating_sub(entries);
        state.entries.drain(..surplus);
    }

    /// Evicts the messages of a topic but for this number of the newest ones, and keeps the entries of other topics. In
    /// place of evicted messages, the log then has [`Record::evicted`].
    pub fn evict(&self, topic: &str, messages: usize) {
        self.0.lock().evict(topic, messages);
    }

    /// Loses this number of the newest entries, like a server that fails before it has saved them. Entries that are
    /// appended later get higher positions than the lost entries had.
    pub fn lose(&self, entries: usize) {
        let mut state = self.0.lock();
        let left = state.entries.len().saturating_sub(entries);
        state.entries.truncate(left);
        state.end = state.entries.back().map_or(Position::START, |entry| entry.position);
        state.batches.clear();
        let end = state.end;
        state.named.retain(|_, (position, _)| *position <= end);
        state.changes.retain(|entry| entry.position <= end);
        drop(state);
        self.0.grown.notify_waiters();
    }
}

impl Log for MemoryLog {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        self.append_with_ids(batch).await?.into_iter().map(Outcome::position).collect()
    }

    fn batch_messages(&self) -> usize {
        Batch::MAX_MESSAGES
    }

    fn has_ids(&self) -> bool {
        true
    }

    async fn append_with_ids(&self, batch: &Batch) -> Result<Vec<Outcome>, LogError> {
        let mut state = self.0.lock();
        let known = state.batches.get(&batch.publisher()).filter(|(number, _)| batch.number() <= *number);
        if let Some((_, outcomes)) = known {
            return Ok(outcomes.clone());
        }
        let outcomes: Vec<_> = batch.groups().flat_map(|group| state.append(group)).collect();
        state.batches.insert(batch.publisher(), (batch.number(), outcomes.clone()));
        drop(state);
        self.0.grown.notify_waiters();
        Ok(outcomes)
    }

    async fn find(&self, topic: &str, id: &str) -> Result<Option<Position>, LogError> {
        let state = self.0.lock();
        let named = state.named.get(&(topic.to_owned(), id.to_owned()));
        Ok(named.map(|(position, _)| *position))
    }

    async fn ends(&self, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        Ok(Some(self.0.lock().ends(limit)))
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

/// The topic and the publisher's id of a message.
fn name(record: &Record) -> Option<(String, String)> {
    Some((record.topic().to_owned(), record.id()?.to_string()))
}

impl State {
    /// Appends what was published together.
    fn append(&mut self, group: &[Record]) -> Vec<Outcome> {
        // Of an id that is new, the first message in the group has it.
        let mut here = HashMap::new();
        for record in group {
            let Some(name) = name(record) else { continue };
            let known = self.named.get(&name).map(|(_, record)| record);
            if known.is_some_and(|known| known != record) || *here.entry(name).or_insert(record) != record {
                return vec![Outcome::Taken; group.len()];
            }
        }
        group.iter().map(|record| self.append_one(record)).collect()
    }

    fn append_one(&mut self, record: &Record) -> Outcome {
        let name = name(record);
        if let Some((position, _)) = name.as_ref().and_then(|name| self.named.get(name)) {
            return Outcome::Repeat(*position);
        }
        self.last = Position::new(self.last.get() + 1);
        let previous = mem::replace(&mut self.end, self.last);
        let entry = Entry::new(self.last, previous, Some(record.clone()));
        if matches!(record.kind(), RecordKind::End | RecordKind::Open) {
            self.changes.push(entry.clone());
        }
        self.entries.push_back(entry);
        self.named.extend(name.map(|name| (name, (self.last, record.clone()))));
        Outcome::New(self.last)
    }

    /// Returns the first end of each topic since it was last opened.
    fn ends(&self, limit: usize) -> Vec<Entry> {
        let mut ends = HashMap::new();
        for entry in &self.changes {
            let Some(record) = &entry.record else { continue };
            match record.kind() {
                RecordKind::End => _ = ends.entry(record.topic()).or_insert(entry),
                _ => _ = ends.remove(record.topic()),
            }
        }
        let mut ends: Vec<_> = ends.into_values().cloned().collect();
        ends.sort_by_key(|entry| entry.position);
        ends.drain(..ends.len().saturating_sub(limit));
        ends
    }

    fn evict(&mut self, topic: &str, messages: usize) {
        let is_message = |entry: &&mut Entry| {
            let record = entry.record.as_ref();
            record.is_some_and(|record| record.topic() == topic && record.kind() == RecordKind::Message)
        };
        for entry in self.entries.iter_mut().rev().filter(is_message).skip(messages) {
            entry.record = Some(Record::evicted(topic));
        }
        self.join_evicted();
    }

    /// Of the entries without others between them that tell of evicted messages, keeps the newest of each topic.
    fn join_evicted(&mut self) {
        let mut kept = VecDeque::new();
        // The topics of these entries since the last other entry.
        let mut told = HashSet::new();
        for entry in mem::take(&mut self.entries).into_iter().rev() {
            match entry.record.as_ref().filter(|record| record.kind() == RecordKind::Evicted) {
                None => told.clear(),
                Some(record) if told.insert(record.topic().to_owned()) => {}
                Some(_) => {
                    self.evicted.insert(entry.position);
                    let next: &mut Entry = kept.front_mut().expect("a later entry has told of the topic");
                    next.previous = entry.previous;
                    continue;
                }
            }
            kept.push_front(entry);
        }
        self.entries = kept;
    }

    fn after(&self, position: Position, limit: usize) -> Option<Vec<Entry>> {
        let start = self.entries.partition_point(|entry| entry.position <= position);
        let trimmed = self.entries.front().map_or(self.end, |first| first.previous);
        let is_entry = start > 0 && self.entries[start - 1].position == position;
        let is_evicted = position > trimmed && self.evicted.contains(&position);
        if !(is_entry || is_evicted || position == trimmed) {
            return None;
        }
        let mut entries: Vec<_> = self.entries.range(start..).take(limit).cloned().collect();
        if let Some(first) = entries.first_mut() {
            first.previous = position;
        }
        Some(entries)
    }
}
