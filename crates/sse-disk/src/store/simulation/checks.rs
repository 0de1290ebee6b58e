//! What must be there after a restart.

use sse_server::log::{Record, RecordKind};

use super::{Story, all, contents};

impl Story {
    /// Checks that the stored messages are there, in order and once: at least the first `kept`, and the first of the
    /// others. All other messages had failed.
    pub(super) fn check(&mut self, kept: usize) {
        let start = self.store().trimmed.position;
        let entries = all(self.store());
        let linked = [start].into_iter().chain(entries.iter().map(|entry| entry.position));
        for (entry, before) in entries.iter().zip(linked) {
            assert_eq!(entry.previous, before, "nothing is missing between {before} and {}", entry.position);
        }
        self.learn(&entries);
        let there = self.restored(start, &entries);
        let end = there.last().map_or(start, |(position, _)| *position);
        let expected: Vec<_> = self.stored.iter().filter(|(position, _)| *position > start).collect();
        let mut missing = expected.iter().filter(|expected| !there.contains(expected));
        if let Some((position, _)) = missing.next() {
            assert!(*position > end, "{position} is lost, and {end} is not");
            assert!(kept == 0 || *position > self.stored[kept - 1].0, "{position} was flushed, and is lost");
            self.seen.count("lost, as it may be");
        }
        for written in there.iter().filter(|written| !expected.contains(written)) {
            assert!(self.had_failed(&written.1), "{} was never appended", written.0);
        }
        let records = entries.iter().filter_map(|entry| entry.record.as_ref());
        let is_unique = |record: &&Record| !matches!(record.kind(), RecordKind::Open | RecordKind::Evicted);
        let mut messages: Vec<_> = records.filter(is_unique).map(Record::fields).collect();
        messages.sort();
        assert!(messages.is_sorted_by(|a, b| a < b), "a message is there twice");
        // The id of each message that is there is known, of that message alone; of one that is gone, it may be.
        for (position, record) in self.stored.iter().filter(|(position, _)| *position <= end) {
            let Some(id) = record.id() else { continue };
            let found = self.store.as_ref().unwrap().find("topic", id.as_str()).unwrap();
            assert!(
                found == Some(*position)
                    || (*position <= start || self.may_be_evicted(*position))
                        && found.is_none_or(|found| found > *position)
            );
        }
        for (position, record) in &there {
            self.note(*position, record);
        }
        self.changes.retain(|position, _| *position <= end);
        self.check_ends();
        // A failed message that is there counts when its publisher is told so.
        self.stored.retain(|(position, _)| *position <= end);
        self.flushed = self.stored.len();
        self.highest = end.max(start);
    }

    /// Checks that the topics that have ended are known, also those whose end was trimmed, but for those that were forgotten.
    fn check_ends(&mut self) {
        let (start, listed) = (self.store().start(), contents(&self.store().ends(1000).unwrap()));
        assert!(listed.is_sorted_by_key(|(position, _)| *position), "{listed:?}");
        for topic in ["a", "b", "c", "d"] {
            let forgotten = self.forgotten.get(topic).copied().unwrap_or_default();
            // Those since it was last opened.
            let changes = self.changes.iter().rev().filter(|(_, record)| record.topic() == topic);
            let mut ends: Vec<_> =
                changes.take_while(|(_, record)| record.kind() == RecordKind::End).collect();
            ends.reverse();
            let due = ends.iter().find(|(position, _)| **position > forgotten);
            let mut of_topic = listed.iter().filter(|(_, record)| record.topic() == topic);
            let Some((position, record)) = of_topic.next() else {
                assert!(due.is_none(), "{topic}: {due:?} is not listed");
                continue;
            };
            assert!(of_topic.next().is_none(), "{topic} is listed twice");
            let is_known = due == Some(&(position, record))
                || *position <= forgotten && ends.contains(&(position, record));
            assert!(is_known, "{topic}: {record:?}, not {due:?}");
            self.seen.count(if *position <= start { "trimmed end" } else { "end" });
        }
    }
}
