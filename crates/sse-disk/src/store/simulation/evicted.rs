//! What a log says of the messages that it has evicted from a topic, and whether that is true.

use std::collections::BTreeSet;

use sse_server::log::{Entry, Position, Record, RecordKind};

use super::{Story, contents};

/// How many messages of a topic a log with bounds for topics keeps at least.
pub(super) const KEPT: u64 = 3;

impl Story {
    /// Returns the content of entries that follow a position, with the stored messages of which a mark tells: the mark is
    /// in the place of its message, or directly after it, or only other marks are between them.
    pub(super) fn restored(&self, after: Position, entries: &[Entry]) -> Vec<(Position, Record)> {
        let (mut restored, mut before) = (Vec::new(), after);
        for (index, entry) in entries.iter().enumerate() {
            let marks = entries[index..].iter().take_while(|entry| entry.is_evicted());
            let topics: BTreeSet<_> = marks.filter_map(|mark| Some(mark.record.as_ref()?.topic())).collect();
            let is_told = |(position, record): &&(Position, Record)| {
                *position > before
                    && *position < entry.position
                    && is_message(record)
                    && topics.contains(record.topic())
            };
            restored.extend(self.stored.iter().filter(is_told).cloned());
            if entry.is_evicted() {
                let message = self.stored.iter().find(|(position, _)| *position == entry.position);
                let topic = entry.record.as_ref().unwrap().topic();
                assert!(message.is_none_or(|(_, record)| is_message(record) && record.topic() == topic));
                restored.extend(message.cloned());
            } else {
                restored.extend(contents(std::slice::from_ref(entry)));
            }
            before = entry.position;
        }
        restored
    }

    /// Evicts messages of topics that have too many, or removes marks.
    pub(super) fn evict(&mut self) {
        for _ in 0..self.rng.u32(1..6) {
            let outcome = self.store().evict(Position::new(u64::MAX));
            self.seen.count(match outcome {
                Ok(Some(_)) => "evicted",
                Ok(None) => "nothing to evict",
                Err(_) => "evicting failed",
            });
        }
        // On a faulty disk, the change may have been made, and may be unreadable.
        match self.store().before(None, 10_000) {
            Ok(entries) => self.learn(&entries),
            Err(_) => self.evicted = None,
        }
    }

    /// Learns which messages are evicted. The newest of each topic must be there.
    pub(super) fn learn(&mut self, entries: &[Entry]) {
        let (start, end) = (self.store().trimmed.position, self.store().end());
        let there: BTreeSet<_> =
            entries.iter().filter(|entry| !entry.is_evicted()).map(|entry| entry.position).collect();
        // Later ones were lost.
        let is_evicted =
            |position: &Position| *position > start && *position <= end && !there.contains(position);
        let positions = self.stored.iter().map(|(position, _)| *position);
        let evicted: BTreeSet<_> = positions.filter(is_evicted).collect();
        let mut newest = std::collections::BTreeMap::<_, u64>::new();
        let messages =
            self.stored.iter().rev().filter(|(position, record)| *position <= end && is_message(record));
        for (position, record) in messages {
            let later = newest.entry(record.topic()).or_default();
            *later += 1;
            assert!(
                *later > KEPT || !evicted.contains(position),
                "{position} is one of the newest of its topic"
            );
        }
        let marks = entries.iter().filter(|entry| entry.is_evicted()).count();
        self.seen.count(if evicted.len() > marks { "removed marks" } else { "no removed marks" });
        self.evicted = Some(evicted);
    }

    /// Returns whether the message at a position is evicted, or may be.
    pub(super) fn may_be_evicted(&self, position: Position) -> bool {
        self.evicted.as_ref().is_none_or(|evicted| evicted.contains(&position))
    }
}

fn is_message(record: &Record) -> bool {
    record.kind() == RecordKind::Message
}
