//! Finds the entries of the stream that count: those that existed when the next entry was appended.
//!
//! Redis writes the commands of a script to its append-only file as a transaction: `MULTI`, the commands, `EXEC`. If
//! Redis is killed while it writes, the file ends within the transaction. When Redis loads this file, it executes no
//! command of the transaction. But it removes only the last, incomplete command from the file. `MULTI` and the complete
//! commands stay there, without an `EXEC` (Redis 7.0, for one; Valkey has corrected it by its pull request 4342). The
//! next transaction is written after them. When Redis loads the file again, it reads both as one transaction:
//!
//! ```text
//! MULTI  SET …  XADD 7-0 (rain, previous 5-0)              what is left of the incomplete transaction
//! MULTI  SET …  XADD 9-0 (rain, previous 5-0) …  EXEC      the same batch, appended again after the first load
//! ```
//!
//! After the second load, both `7-0` and `9-0` are in the stream, and only `9-0` was ever acknowledged. The field
//! `previous` shows it. `5-0` was the newest entry when `9-0` was appended, so `7-0` did not exist then. If an entry
//! existed, the `previous` of the next entry is that entry or a later one.

use sse_server::log::{Batch, Entry, Position, timed};

use crate::wire;

/// A part of the stream: its entries that count, oldest first.
#[derive(Debug)]
pub(crate) struct Part {
    entries: Vec<Entry>,
    sure: usize,
}

impl Part {
    /// Returns the part with these entries of the stream, oldest first. `is_end` if nothing comes after them in the
    /// stream.
    pub(crate) fn new(entries: Vec<Entry>, is_end: bool) -> Self {
        let entries = linked(entries);
        let sure = if is_end { entries.len() } else { sure(&entries) };
        Self { entries, sure }
    }

    /// Returns the rest of a part that was read from this position on. `None` if the entry at the position does not
    /// count: then it is not known what comes after it.
    pub(crate) fn after(mut self, position: Position) -> Option<Self> {
        if self.entries.first()?.position != position {
            return None;
        }
        self.entries.remove(0);
        self.sure = self.sure.saturating_sub(1);
        Some(self)
    }

    /// Returns how many more entries to read if it is not known of any entry whether it counts; otherwise `None`.
    pub(crate) fn missing(&self) -> Option<usize> {
        if self.sure > 0 || self.entries.is_empty() {
            return None;
        }
        // As many as fit into a batch, if they are as large as these.
        let bytes: usize = self.entries.iter().map(size).sum();
        Some((Batch::MAX_BYTES * self.entries.len() / bytes.max(1)).clamp(1, Batch::MAX_MESSAGES))
    }

    /// Returns the first entries that are known to count, at most `most`; at least one, if there is one.
    pub(crate) fn page(mut self, most: usize) -> Vec<Entry> {
        self.entries.truncate(self.sure.clamp(1, most.max(1)));
        self.entries
    }
}

/// Returns the entries that count. It is not known whether the last one counts; it is returned, too.
pub(crate) fn linked(entries: Vec<Entry>) -> Vec<Entry> {
    let mut chain: Vec<Entry> = Vec::with_capacity(entries.len());
    for entry in entries {
        while let Some(unknown) = chain.pop_if(|last| last.position > entry.previous) {
            wire::skipped(
                &timed::text(unknown.position),
                "Redis executed an incomplete transaction of its file",
            );
        }
        chain.push(entry);
    }
    chain
}

/// Returns how many of the first entries are known to count, whatever comes after the last one.
///
/// The rest of a transaction may be several messages of one batch, and each of them names the one before it. So only an
/// entry of another batch shows that an entry counts: an entry with another time, or one so much later that no batch is
/// that large. If an entry counts, the entries before it count, too.
fn sure(linked: &[Entry]) -> usize {
    let mut bytes = linked.last().map_or(0, size);
    let is_known = |&count: &usize| {
        let (entry, next) = (&linked[count - 1], &linked[count]);
        bytes += size(entry);
        timed::time(entry.position) != timed::time(next.position)
            || linked.len() - count >= Batch::MAX_MESSAGES
            || bytes > Batch::MAX_BYTES
    };
    (1..linked.len()).rev().find(is_known).unwrap_or(0)
}

fn size(entry: &Entry) -> usize {
    entry.record.as_ref().map_or(0, |record| record.fields().len())
}

#[cfg(test)]
mod tests {
    use sse_server::Message;
    use sse_server::log::Record;

    use super::*;

    /// Entries from their ids, each with its `previous`, as in `7-0<5-0`.
    fn entries(text: &str) -> Vec<Entry> {
        let entry = |text: &str| {
            let (id, previous) = text.split_once('<').unwrap();
            let [position, previous] = [id, previous].map(|id| timed::parse(id).unwrap());
            Entry::new(position, previous, None)
        };
        text.split_whitespace().map(entry).collect()
    }

    fn ids(entries: &[Entry]) -> String {
        let ids: Vec<_> = entries.iter().map(|entry| timed::text(entry.position)).collect();
        ids.join(" ")
    }

    #[track_caller]
    fn check_linked(stream: &str, counting: &str) {
        assert_eq!(ids(&linked(entries(stream))), counting, "{stream}");
    }

    #[test]
    fn an_entry_newer_than_the_previous_of_the_next_does_not_count() {
        check_linked("", "");
        check_linked("5-0<0-0 5-1<5-0 9-0<5-1", "5-0 5-1 9-0");
        check_linked("5-0<0-0 7-0<5-0 9-0<5-0", "5-0 9-0");
        check_linked("5-0<0-0 7-0<5-0 7-1<7-0 9-0<5-0 9-1<9-0", "5-0 9-0 9-1");
        // Twice, one after the other.
        check_linked("5-0<0-0 7-0<5-0 8-0<5-0 8-1<8-0 9-0<5-0", "5-0 9-0");
        // The entry that the last one names is in an earlier part.
        check_linked("7-0<5-0 7-1<7-0 9-0<5-0", "9-0");
        check_linked("7-1<7-0 9-0<5-0 10-0<9-0", "9-0 10-0");
    }

    #[test]
    fn a_missing_entry_hides_no_other() {
        check_linked("5-0<0-0 9-0<7-0", "5-0 9-0");
        check_linked("5-0<3-0 9-0<8-1048575", "5-0 9-0");
    }

    #[track_caller]
    fn check_page(stream: &str, is_end: bool, most: usize, page: &str) {
        let part = Part::new(entries(stream), is_end);
        assert_eq!(ids(&part.page(most)), page, "{most} of {stream}");
    }

    #[test]
    fn a_page_has_entries_that_are_known_to_count() {
        let stream = "5-0<0-0 7-0<5-0 7-1<7-0 9-0<7-1 9-1<9-0";
        check_page("", true, 3, "");
        check_page("", false, 3, "");
        check_page(stream, true, 9, "5-0 7-0 7-1 9-0 9-1");
        check_page(stream, true, 4, "5-0 7-0 7-1 9-0");
        // The next entry may show that the last two do not count.
        check_page(stream, false, 9, "5-0 7-0 7-1");
        check_page(stream, false, 2, "5-0 7-0");
        check_page("5-0<0-0 7-0<5-0 7-1<7-0 9-0<5-0 10-0<9-0", false, 9, "5-0 9-0");
    }

    #[track_caller]
    fn check_after(stream: &str, position: &str, after: Option<&str>) {
        let part = Part::new(entries(stream), true).after(timed::parse(position).unwrap());
        assert_eq!(part.map(|part| ids(&part.page(9))).as_deref(), after, "{position} of {stream}");
    }

    #[test]
    fn nothing_is_known_to_come_after_an_entry_that_does_not_count() {
        let stream = "5-0<0-0 7-0<5-0 7-1<7-0 9-0<5-0";
        check_after(stream, "5-0", Some("9-0"));
        check_after(&stream[8..], "7-0", None);
        check_after(&stream[16..], "7-1", None);
        check_after(&stream[24..], "9-0", Some(""));
    }

    /// Checks how many of the entries with one time are known to count, and how many more to read.
    #[track_caller]
    fn check_batch(length: usize, bytes: usize, sure: usize, missing: Option<usize>) {
        let message = Message::new("x".repeat(bytes));
        let text: Vec<_> = (1..=length).map(|number| format!("7-{number}<7-{}", number - 1)).collect();
        let mut entries = entries(&text.join(" "));
        for entry in &mut entries {
            entry.record = Record::new("t", &message);
        }
        let part = Part::new(entries, false);
        assert_eq!((part.sure, part.missing()), (sure, missing), "{length} of {bytes} bytes");
        assert_eq!(part.page(9).len(), sure.clamp(1, 9), "a page is not empty");
    }

    #[test]
    fn the_first_of_more_entries_than_a_batch_has_is_known_to_count() {
        check_batch(2, 10, 0, Some(4096));
        check_batch(4096, 10, 0, Some(4096));
        check_batch(4097, 10, 1, None);
        check_batch(4300, 10, 204, None);
        check_batch(2, 100_000, 0, Some(10));
        check_batch(11, 100_000, 1, None);
        check_batch(1, 1_000_000, 0, Some(1));
        check_batch(2, 1_000_000, 1, None);
    }
}
