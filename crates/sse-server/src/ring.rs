//! The recent messages of a route: the live queue and the history in one.
//!
//! - Pure: no clock, no lock, no runtime.
//! - A reader is a [`Cursor`]: the ring holds nothing for it, however far it lags.
//! - What a cursor can't get any more is told as a [`Gap`], never passed over.

use std::collections::VecDeque;

use bytes::Bytes;
use sse_codec::EventId;

/// How much a ring keeps. The newest message is kept in any case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
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
}

#[derive(Debug)]
struct Entry {
    block: Bytes,
    id: Id,
}

/// The id of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// The author gave this one.
    Own(EventId<'static>),
    /// The ring's: [`Ring::next_id`] stands in the block.
    Sequence,
    /// None: the block is no event.
    None,
}

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// Ahead of the entry with this sequence number.
    At(u64),
    /// The reader came with an id that the ring does not know: what it missed can't be counted.
    Lost,
}

/// A stretch of the stream that a reader can't get any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// How many messages it was; `None` if that is not known.
    pub(crate) missed: Option<u64>,
    /// The id just before the oldest message that is kept: a reader that resumes with it misses nothing more.
    pub(crate) id: EventId<'static>,
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
        Self { epoch, bounds, entries: VecDeque::new(), oldest: 1, bytes: 0 }
    }

    /// The id of the next entry, if its author gives it none.
    pub(crate) fn next_id(&self) -> EventId<'static> {
        self.id_of(self.next())
    }

    /// The id with which a reader that has read all resumes: that of the newest event, as long as it is kept.
    pub(crate) fn last_id(&self) -> EventId<'static> {
        match self.newest_first().find(|(_, entry)| entry.id != Id::None) {
            Some((_, Entry { id: Id::Own(id), .. })) => id.clone(),
            Some((sequence, _)) => self.id_of(sequence),
            None => self.id_of(self.next() - 1),
        }
    }

    /// Appends an entry and lets go of what is over the bounds.
    pub(crate) fn push(&mut self, block: Bytes, id: Id) {
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
        if last_event_id.is_empty() {
            return Cursor::At(self.next());
        }
        self.position(last_event_id).map_or(Cursor::Lost, |sequence| Cursor::At(sequence + 1))
    }

    /// Reads what the cursor points at and advances it.
    pub(crate) fn read(&self, cursor: &mut Cursor) -> Read {
        let missed = match *cursor {
            Cursor::Lost => None,
            Cursor::At(next) if next < self.oldest => Some(self.oldest - next),
            Cursor::At(next) => {
                let Some(entry) = self.entry(next) else { return Read::End };
                *cursor = Cursor::At(next + 1);
                return Read::Block(entry.block.clone());
            }
        };
        *cursor = Cursor::At(self.oldest);
        Read::Gap(Gap { missed, id: self.id_of(self.oldest - 1) })
    }

    /// Whether there is nothing left for this cursor to read.
    pub(crate) fn is_read(&self, cursor: Cursor) -> bool {
        cursor == Cursor::At(self.next())
    }

    /// The sequence number of the next entry.
    fn next(&self) -> u64 {
        self.oldest + self.entries.len() as u64
    }

    fn is_over(&self) -> bool {
        self.entries.len() > self.bounds.messages || self.bytes > self.bounds.bytes
    }

    fn entry(&self, sequence: u64) -> Option<&Entry> {
        let index = usize::try_from(sequence.checked_sub(self.oldest)?).ok()?;
        self.entries.get(index)
    }

    /// The sequence number behind an id: one of this ring's own making, or an author's that is still kept.
    fn position(&self, id: &str) -> Option<u64> {
        self.parse(id).filter(|&sequence| sequence < self.next()).or_else(|| {
            let is_own = |entry: &Entry| matches!(&entry.id, Id::Own(own) if own.as_str() == id);
            self.newest_first().find(|(_, entry)| is_own(entry)).map(|(sequence, _)| sequence)
        })
    }

    /// The entries with their sequence numbers.
    fn newest_first(&self) -> impl Iterator<Item = (u64, &Entry)> {
        (self.oldest..self.next()).rev().zip(self.entries.iter().rev())
    }

    fn id_of(&self, sequence: u64) -> EventId<'static> {
        // Digits and a hyphen are always an id.
        EventId::try_from(format!("{:012x}-{sequence}", self.epoch)).unwrap_or(EventId::from(sequence))
    }

    /// The sequence number of an id that [`id_of`](Self::id_of) made.
    fn parse(&self, id: &str) -> Option<u64> {
        let sequence = id.split_once('-')?.1.parse().ok()?;
        // One sequence number has one form: no sign, no zeros ahead.
        (self.id_of(sequence).as_str() == id).then_some(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUNDS: Bounds = Bounds { messages: 3, bytes: 1000 };

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
        assert!(ring.is_read(cursor));
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
        check(&ring, gap.id.as_str(), &["3", "4", "5"]);
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
            ring.push(id.into(), Id::Own(EventId::from_static(id)));
        }
        check(&ring, "b", &["c", "d"]);
        check(&ring, "d", &[]);
        check(&ring, "a", &["gap ?", "b", "c", "d"]);
        check(&ring, "00000000000e-3", &["d"]);
        assert_eq!(ring.last_id().as_str(), "d");
    }

    #[test]
    fn an_entry_without_an_id_leaves_the_last_one() {
        let mut ring = ring(1);
        ring.push("comment".into(), Id::None);
        assert_eq!(ring.last_id().as_str(), "00000000000e-1");
        check(&ring, "00000000000e-1", &["comment"]);
    }

    #[test]
    fn the_last_id_always_resumes() {
        let mut ring = Ring::new(0xE, BOUNDS);
        check(&ring, ring.last_id().as_str(), &[]);
        ring.push("1".into(), Id::Own(EventId::from_static("a")));
        for _ in 0..3 {
            check(&ring, ring.last_id().as_str(), &vec!["comment"; ring.entries.len() - 1]);
            ring.push("comment".into(), Id::None);
        }
        check(&ring, ring.last_id().as_str(), &[]);
    }

    #[test]
    fn as_many_bytes_are_kept_as_the_bound_says() {
        let mut ring = Ring::new(0xE, Bounds { messages: 100, bytes: 10 });
        for block in ["12345"; 20] {
            ring.push(block.into(), Id::Sequence);
        }
        check(&ring, "00000000000e-18", &["12345", "12345"]);
        check(&ring, "00000000000e-17", &["gap 1", "12345", "12345"]);
    }

    #[test]
    fn a_lost_reader_has_not_read_an_empty_ring() {
        let ring = ring(0);
        assert!(!ring.is_read(ring.resume("x")));
        assert!(ring.is_read(ring.resume("")));
    }

    #[test]
    fn bytes_are_bounded_but_the_newest_is_kept() {
        let mut ring = Ring::new(0xE, Bounds { messages: 100, bytes: 10 });
        for block in ["12345", "6789", "abc", "more than ten bytes", "x"] {
            ring.push(block.into(), Id::Sequence);
            assert!(ring.bytes <= 10 || ring.entries.len() == 1);
            assert!(!ring.entries.is_empty(), "the newest is kept");
        }
        check(&ring, "00000000000e-4", &["x"]);
        check(&ring, "00000000000e-3", &["gap 1", "x"]);
    }

    proptest! {
        /// Readers come, go, lag and resume at random; each sees every entry once and in order, or a gap as long
        /// as what it missed. Some entries have ids of their author's, and some have none.
        #[test]
        fn nothing_is_lost_or_doubled_in_silence(
            bounds in (1usize..6, 1usize..40), steps in prop::collection::vec((0u8..6, 0usize..4), 0..200),
        ) {
            let mut ring = Ring::new(7, Bounds { messages: bounds.0, bytes: bounds.1 });
            let mut published = 0u64;
            // Each reader: its cursor, and the last entry that it has accounted for.
            let mut readers = [(ring.resume(""), 0u64); 4];
            for (step, who) in steps {
                let (cursor, seen) = &mut readers[who];
                match step {
                    0..=2 => {
                        published += 1;
                        let id = [Id::Sequence, Id::Own(EventId::from(published)), Id::None][usize::from(step)].clone();
                        ring.push(published.to_string().into(), id);
                    }
                    3 | 4 => match ring.read(cursor) {
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
                            prop_assert!(ring.is_read(*cursor));
                        }
                    },
                    _ => match seen.checked_sub(ring.oldest).and_then(|_| ring.entry(*seen)) {
                        Some(Entry { id: Id::Own(id), .. }) => *cursor = ring.resume(id.as_str()),
                        _ => *cursor = ring.resume(ring.id_of(*seen).as_str()),
                    },
                }
                // Whoever comes now can resume from where it came in, and misses nothing.
                let newcomer = ring.resume(ring.last_id().as_str());
                prop_assert!(newcomer != Cursor::Lost);
            }
        }
    }
}
