//! The recent events of a route: the live queue and the history in one.
//!
//! - Pure: no clock, no lock, no runtime.
//! - A reader is a [`Cursor`]: the ring holds nothing for it, however far it lags.
//! - What a cursor can't get any more is told as a [`Gap`], never passed over.

use std::collections::VecDeque;

use bytes::Bytes;

/// How much a ring keeps. The newest event is kept in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
pub(crate) struct Ring {
    /// Tells the ids of this ring from those of one that was lost.
    epoch: u64,
    bounds: Bounds,
    entries: VecDeque<Entry>,
    /// The sequence number of the first entry.
    oldest: u64,
    bytes: usize,
    /// What a reader that has read all would hold as its last event ID.
    last_id: String,
}

#[derive(Debug)]
struct Entry {
    block: Bytes,
    /// The author's id. Without one, the entry's id is made of its sequence number.
    id: Option<String>,
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The sequence number of the next entry to read.
    next: u64,
    /// The reader came with an id that the ring does not know: what it missed can't be counted.
    lost: bool,
}

/// A stretch of the stream that a reader can't get any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// How many messages it was; `None` if that is not known.
    pub(crate) missed: Option<u64>,
    /// The id just before the oldest message that is kept: a reader that resumes with it misses nothing more.
    pub(crate) id: String,
}

/// What a cursor finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Block(Bytes),
    Gap(Gap),
    /// Everything has been read.
    End,
}

impl Ring {
    pub(crate) fn new(epoch: u64, bounds: Bounds) -> Self {
        let mut ring =
            Self { epoch, bounds, entries: VecDeque::new(), oldest: 1, bytes: 0, last_id: String::new() };
        ring.last_id = ring.id_of(0);
        ring
    }

    /// The id of the next entry, if its author gives it none.
    pub(crate) fn next_id(&self) -> String {
        self.id_of(self.next())
    }

    /// What a reader that has read all would hold as its last event ID.
    pub(crate) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Appends an entry and lets go of what is over the bounds.
    pub(crate) fn push(&mut self, block: Bytes, id: Id) {
        let id = match id {
            Id::Own(id) => {
                self.last_id.clone_from(&id);
                Some(id)
            }
            Id::Sequence => {
                self.last_id = self.next_id();
                None
            }
            Id::None => None,
        };
        self.bytes += block.len();
        self.entries.push_back(Entry { block, id });
        while self.is_over() && self.entries.len() > 1 {
            let evicted = self.entries.pop_front();
            self.bytes -= evicted.map_or(0, |entry| entry.block.len());
            self.oldest += 1;
        }
    }

    /// The cursor of a reader that comes with this last event ID; one that comes with none reads from now on.
    pub(crate) fn resume(&self, last_event_id: &str) -> Cursor {
        let last_event_id = last_event_id.trim_matches([' ', '\t']);
        if last_event_id.is_empty() {
            return Cursor { next: self.next(), lost: false };
        }
        match self.position(last_event_id) {
            Some(sequence) => Cursor { next: sequence + 1, lost: false },
            None => Cursor { next: self.oldest, lost: true },
        }
    }

    /// Reads what the cursor points at and advances it.
    pub(crate) fn read(&self, cursor: &mut Cursor) -> Read {
        let missed = self.oldest.saturating_sub(cursor.next);
        if cursor.lost || missed > 0 {
            let missed = (!cursor.lost).then_some(missed);
            *cursor = Cursor { next: self.oldest, lost: false };
            return Read::Gap(Gap { missed, id: self.id_of(self.oldest - 1) });
        }
        let Some(entry) = self.entry(cursor.next) else { return Read::End };
        cursor.next += 1;
        Read::Block(entry.block.clone())
    }

    /// Whether there is nothing left for this cursor to read.
    pub(crate) fn is_read(&self, cursor: &Cursor) -> bool {
        !cursor.lost && cursor.next == self.next()
    }

    fn next(&self) -> u64 {
        self.oldest + self.entries.len() as u64
    }

    fn is_over(&self) -> bool {
        self.entries.len() > self.bounds.events || self.bytes > self.bounds.bytes
    }

    fn entry(&self, sequence: u64) -> Option<&Entry> {
        let index = usize::try_from(sequence.checked_sub(self.oldest)?).ok()?;
        self.entries.get(index)
    }

    /// The sequence number behind an id: one of this ring's own making, or an author's that is still kept.
    fn position(&self, id: &str) -> Option<u64> {
        self.parse(id).filter(|&sequence| sequence < self.next()).or_else(|| {
            let from_end = self.entries.iter().rev().position(|entry| entry.id.as_deref() == Some(id))?;
            Some(self.next() - 1 - from_end as u64)
        })
    }

    fn id_of(&self, sequence: u64) -> String {
        format!("{:012x}-{sequence}", self.epoch)
    }

    /// The sequence number of an id that [`id_of`](Self::id_of) made.
    fn parse(&self, id: &str) -> Option<u64> {
        let sequence = id.split_once('-')?.1.parse().ok()?;
        // One sequence number has one form: no sign, no zeros ahead.
        (self.id_of(sequence) == id).then_some(sequence)
    }
}

/// The id of an entry.
#[derive(Clone, Debug)]
pub(crate) enum Id {
    /// The author gave this one.
    Own(String),
    /// The ring's: [`Ring::next_id`] stands in the block.
    Sequence,
    /// None: the block is no event.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { events: 3, bytes: 1000 };

    fn ring(entries: u64) -> Ring {
        let mut ring = Ring::new(0xE, BOUNDS);
        for number in 1..=entries {
            ring.push(number.to_string().into(), Id::Sequence);
        }
        ring
    }

    /// What a reader sees that comes with this id: blocks, and `gap` with what it missed.
    #[track_caller]
    fn check(ring: &Ring, last_event_id: &str, expected: &[&str]) {
        let mut cursor = ring.resume(last_event_id);
        assert_eq!(read(ring, &mut cursor), expected, "after {last_event_id:?}");
        assert!(ring.is_read(&cursor));
    }

    fn read(ring: &Ring, cursor: &mut Cursor) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            seen.push(match ring.read(cursor) {
                Read::Block(block) => String::from_utf8_lossy(&block).into_owned(),
                Read::Gap(Gap { missed: Some(missed), .. }) => format!("gap {missed}"),
                Read::Gap(Gap { missed: None, .. }) => "gap ?".to_owned(),
                Read::End => return seen,
            });
        }
    }

    #[test]
    fn a_reader_without_an_id_reads_from_now_on() {
        check(&ring(3), "", &[]);
        let mut ring = ring(3);
        let mut cursor = ring.resume("");
        ring.push("4".into(), Id::Sequence);
        assert_eq!(read(&ring, &mut cursor), ["4"]);
    }

    #[test]
    fn a_reader_resumes_after_its_id() {
        check(&ring(3), "00000000000e-0", &["1", "2", "3"]);
        check(&ring(3), "00000000000e-2", &["3"]);
        check(&ring(3), "00000000000e-3", &[]);
    }

    #[test]
    fn what_is_gone_is_a_gap() {
        check(&ring(5), "00000000000e-0", &["gap 2", "3", "4", "5"]);
        check(&ring(5), "00000000000e-1", &["gap 1", "3", "4", "5"]);
        check(&ring(5), "00000000000e-2", &["3", "4", "5"]);
    }

    #[test]
    fn an_unknown_id_is_a_gap_without_a_count() {
        for id in [
            "x",
            "00000000000f-2",
            "00000000000e-6",
            "00000000000e-02",
            "00000000000e-+2",
            "e-2",
            "-",
            "00000000000e-",
            "\u{fffd}",
        ] {
            check(&ring(5), id, &["gap ?", "3", "4", "5"]);
        }
        check(&ring(0), "00000000000f-2", &["gap ?"]);
    }

    #[test]
    fn a_gap_carries_the_id_that_leads_behind_it() {
        let ring = ring(5);
        let Read::Gap(gap) = ring.read(&mut ring.resume("x")) else { panic!("there is a gap") };
        check(&ring, &gap.id, &["3", "4", "5"]);
    }

    #[test]
    fn a_lagging_reader_goes_on_at_the_oldest_that_is_kept() {
        let mut ring = ring(1);
        let mut cursor = ring.resume("");
        for number in 2..=7 {
            ring.push(number.to_string().into(), Id::Sequence);
        }
        assert_eq!(read(&ring, &mut cursor), ["gap 3", "5", "6", "7"]);
    }

    #[test]
    fn authors_ids_resume_too() {
        let mut ring = Ring::new(0xE, BOUNDS);
        for id in ["a", "b", "c", "d"] {
            ring.push(id.into(), Id::Own(id.into()));
        }
        check(&ring, "b", &["c", "d"]);
        check(&ring, "d", &[]);
        check(&ring, "a", &["gap ?", "b", "c", "d"]);
        check(&ring, "00000000000e-3", &["d"]);
        assert_eq!(ring.last_id(), "d");
    }

    #[test]
    fn an_entry_without_an_id_leaves_the_last_one() {
        let mut ring = ring(1);
        ring.push("comment".into(), Id::None);
        assert_eq!(ring.last_id(), "00000000000e-1");
        check(&ring, "00000000000e-1", &["comment"]);
    }

    #[test]
    fn as_many_bytes_are_kept_as_the_bound_says() {
        let mut ring = Ring::new(0xE, Bounds { events: 100, bytes: 10 });
        for block in ["12345"; 20] {
            ring.push(block.into(), Id::Sequence);
        }
        check(&ring, "00000000000e-18", &["12345", "12345"]);
        check(&ring, "00000000000e-17", &["gap 1", "12345", "12345"]);
    }

    #[test]
    fn a_lost_reader_has_not_read_an_empty_ring() {
        let ring = ring(0);
        assert!(!ring.is_read(&ring.resume("x")));
        assert!(ring.is_read(&ring.resume("")));
    }

    #[test]
    fn bytes_are_bounded_but_the_newest_is_kept() {
        let mut ring = Ring::new(0xE, Bounds { events: 100, bytes: 10 });
        for block in ["12345", "6789", "abc", "more than ten bytes", "x"] {
            ring.push(block.into(), Id::Sequence);
            assert!(ring.bytes <= 10 || ring.entries.len() == 1);
        }
        check(&ring, "00000000000e-4", &["x"]);
        check(&ring, "00000000000e-3", &["gap 1", "x"]);
    }

    proptest! {
        /// Readers come, go, lag and resume at random; each sees every entry once and in order, or a gap as long
        /// as what it missed.
        #[test]
        fn nothing_is_lost_or_doubled_in_silence(
            bounds in (1usize..6, 1usize..40), steps in prop::collection::vec((0u8..4, 0usize..4), 0..200),
        ) {
            let mut ring = Ring::new(7, Bounds { events: bounds.0, bytes: bounds.1 });
            let mut published = 0u64;
            // Each reader: its cursor, and the last entry that it has accounted for.
            let mut readers = [(ring.resume(""), 0u64); 4];
            for (step, who) in steps {
                let (cursor, seen) = &mut readers[who];
                match step {
                    0 | 1 => {
                        published += 1;
                        ring.push(published.to_string().into(), Id::Sequence);
                    }
                    2 => match ring.read(cursor) {
                        Read::Block(block) => {
                            *seen += 1;
                            prop_assert_eq!(block, seen.to_string());
                        }
                        Read::Gap(gap) => {
                            prop_assert!(gap.missed > Some(0));
                            *seen += gap.missed.unwrap_or(0);
                            prop_assert_eq!(gap.id, ring.id_of(*seen));
                        }
                        Read::End => {
                            prop_assert_eq!(*seen, published);
                            prop_assert!(ring.is_read(cursor));
                        }
                    },
                    _ => *cursor = ring.resume(&ring.id_of(*seen)),
                }
            }
        }
    }
}
