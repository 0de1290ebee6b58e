//! The newest entries in memory, so that followers read nothing from the disk.

use std::collections::VecDeque;

use sse_server::log::{Entry, Position};

/// How much is kept for followers.
const ENTRIES: usize = 8192;
const BYTES: usize = 4 * 1024 * 1024;

/// The newest stored entries, and the end of the log.
#[derive(Debug)]
pub(crate) struct Tail {
    entries: VecDeque<Entry>,
    bytes: usize,
    end: Position,
}

/// The entries after a position, if they are in memory.
#[derive(Debug, PartialEq)]
pub(crate) enum After {
    /// The entries directly after it; none at the end of the log.
    Known(Vec<Entry>),
    /// The entries must be read from the disk.
    Older,
}

impl Tail {
    pub(crate) fn new(end: Position) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, end }
    }

    pub(crate) fn push(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.end = entry.position;
            self.bytes += size(&entry);
            self.entries.push_back(entry);
        }
        while self.entries.len() > ENTRIES || self.bytes > BYTES && self.entries.len() > 1 {
            self.pop();
        }
    }

    /// Removes the trimmed entries, up to a position.
    pub(crate) fn trim(&mut self, until: Position) {
        while self.entries.front().is_some_and(|oldest| oldest.position <= until) {
            self.pop();
        }
    }

    /// Returns the position before the oldest entry.
    pub(crate) fn begin(&self) -> Position {
        self.entries.front().map_or(self.end, |oldest| oldest.previous)
    }

    /// Returns the position of the newest entry.
    #[cfg(test)]
    pub(crate) fn end(&self) -> Position {
        self.end
    }

    fn pop(&mut self) {
        self.bytes -= self.entries.pop_front().as_ref().map_or(0, size);
    }

    pub(crate) fn after(&self, position: Position, limit: usize) -> After {
        if position == self.end {
            return After::Known(Vec::new());
        }
        let start = self.entries.partition_point(|entry| entry.position <= position);
        match self.entries.get(start) {
            Some(next) if next.previous == position => {
                After::Known(self.entries.range(start..).take(limit).cloned().collect())
            }
            _ => After::Older,
        }
    }
}

fn size(entry: &Entry) -> usize {
    entry.record.as_ref().map_or(0, |record| record.topic().len() + record.fields().len())
}

#[cfg(test)]
mod tests {
    use sse_server::Message;
    use sse_server::log::Record;

    use super::*;

    fn entry(position: u64, previous: u64, bytes: usize) -> Entry {
        let record = Record::new("t", &Message::new("x".repeat(bytes)));
        Entry::new(Position::new(position), Position::new(previous), record)
    }

    fn after(tail: &Tail, position: u64, limit: usize) -> Option<Vec<u64>> {
        match tail.after(Position::new(position), limit) {
            After::Known(entries) => Some(entries.iter().map(|entry| entry.position.get()).collect()),
            After::Older => None,
        }
    }

    #[test]
    fn later_entries_are_in_memory_or_must_be_read() {
        let mut tail = Tail::new(Position::new(7));
        assert_eq!(after(&tail, 7, 9), Some(vec![]), "the end");
        assert_eq!((after(&tail, 6, 9), after(&tail, 8, 9)), (None, None));
        tail.push(vec![entry(10, 7, 1), entry(11, 10, 1)]);
        tail.push(vec![entry(20, 11, 1)]);
        assert_eq!(after(&tail, 7, 9), Some(vec![10, 11, 20]));
        assert_eq!(after(&tail, 7, 2), Some(vec![10, 11]));
        assert_eq!(after(&tail, 11, 9), Some(vec![20]));
        assert_eq!(after(&tail, 20, 9), Some(vec![]));
        for unknown in [0, 8, 12, 21] {
            assert_eq!(after(&tail, unknown, 9), None, "{unknown}");
        }
        tail.trim(Position::new(10));
        assert_eq!((after(&tail, 7, 9), after(&tail, 10, 9)), (None, Some(vec![11, 20])));
        tail.trim(Position::new(20));
        assert_eq!((after(&tail, 11, 9), after(&tail, 20, 9)), (None, Some(vec![])));
    }

    #[test]
    fn it_keeps_some_bytes_and_at_least_one_entry() {
        let mut tail = Tail::new(Position::START);
        tail.push((0..10).map(|number| entry(number + 1, number, BYTES / 4)).collect());
        assert_eq!(after(&tail, 6, 9), None);
        assert_eq!(after(&tail, 8, 9), Some(vec![9, 10]));
        tail.push(vec![entry(11, 10, 2 * BYTES)]);
        assert_eq!((after(&tail, 9, 9), after(&tail, 10, 9)), (None, Some(vec![11])));
        tail.push((11..20_000).map(|number| entry(number + 1, number, 0)).collect());
        assert_eq!((tail.entries.len(), tail.bytes < BYTES), (ENTRIES, true));
    }
}
