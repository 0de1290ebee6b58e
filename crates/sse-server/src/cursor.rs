//! A reader's place in one topic or in several that share their sequence numbers.
//!
//! Pure, as the rings are. What a cursor can't get any more is told as a [`Gap`], never passed over.

use std::iter;

use crate::ids::Ids;
use crate::ring::{Entry, Ring};

/// Where a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Everything below is behind it.
    next: u64,
    /// It has been told that messages up to this one are lost.
    told: u64,
    /// It came with an id that nobody knows: what it missed can't be counted.
    is_unknown: bool,
}

/// A stretch of the stream that a reader can't get any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// How many messages it was; `None` if that is not known.
    pub(crate) missed: Option<u64>,
    /// The place just before the oldest message that is kept: a reader that resumes there misses nothing more.
    pub(crate) behind: u64,
}

impl Cursor {
    /// Behind this message, ahead of those that follow it.
    pub(crate) fn behind(sequence: u64) -> Self {
        Self { next: sequence.saturating_add(1), told: 0, is_unknown: false }
    }

    /// Behind this message as far as what is kept is concerned; but what followed it is not known.
    pub(crate) fn lost(sequence: u64) -> Self {
        Self { is_unknown: true, ..Self::behind(sequence) }
    }

    /// Ahead of everything that is kept, of which it is not told what is not.
    pub(crate) fn oldest<'r>(rings: impl Iterator<Item = &'r Ring>) -> Self {
        Self { next: 0, told: rings.map(Ring::lost).max().unwrap_or(0), is_unknown: false }
    }

    /// The cursor of a reader that comes with this last event ID; one that comes with none reads from now on, behind
    /// `last`, the newest message of any topic.
    pub(crate) fn resume<'r>(
        last_event_id: &str,
        ids: &Ids,
        last: u64,
        mut rings: impl Iterator<Item = &'r Ring>,
    ) -> Self {
        if last_event_id.is_empty() {
            return Self::behind(last);
        }
        let known = ids.parse(last_event_id).filter(|&sequence| sequence <= last);
        let position = known.or_else(|| rings.find_map(|ring| ring.position(last_event_id)));
        position.map_or(Self { next: 0, told: 0, is_unknown: true }, Self::behind)
    }

    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The message that it is behind.
    pub(crate) fn place(&self) -> u64 {
        self.next.max(self.told + 1) - 1
    }

    /// Whether it is not known what it missed.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_unknown
    }

    /// Moves behind this message.
    pub(crate) fn advance(&mut self, sequence: u64) {
        self.next = sequence + 1;
    }

    /// Whether there is a gap ahead that the reader has not been told of.
    pub(crate) fn has_gap<'r>(&self, mut rings: impl Iterator<Item = &'r Ring>) -> bool {
        self.is_unknown || rings.any(|ring| ring.lost() >= self.next.max(self.told + 1))
    }

    /// Whether there is nothing left to read.
    pub(crate) fn is_read<'r>(&self, mut rings: impl Iterator<Item = &'r Ring> + Clone) -> bool {
        !self.has_gap(rings.clone()) && rings.all(|ring| ring.newest() < self.next)
    }

    /// Takes the gap ahead, and moves to its end. `is_counted` says that no sequence number is another topic's.
    pub(crate) fn take_gap<'r>(
        &mut self,
        rings: impl Iterator<Item = &'r Ring> + Clone,
        last: u64,
        is_counted: bool,
    ) -> Option<Gap> {
        if !self.has_gap(rings.clone()) {
            return None;
        }
        let told = rings.clone().map(Ring::lost).max().unwrap_or(0);
        let readable = rings.filter_map(|ring| Some(ring.from(self.next).next()?.sequence)).min();
        let end = if self.is_unknown { last + 1 } else { told + 1 };
        let end = readable.map_or(end, |readable| readable.min(end)).max(self.next);
        let missed = (is_counted && !self.is_unknown).then(|| end - self.next.max(self.told + 1));
        *self = Self { next: end, told, is_unknown: false };
        Some(Gap { missed, behind: end - 1 })
    }
}

/// The entries of several rings from a sequence number on, in order, each with the number of its ring.
pub(crate) fn merge<'r>(
    rings: impl Iterator<Item = &'r Ring>,
    from: u64,
) -> impl Iterator<Item = (usize, &'r Entry)> {
    let mut rings: Vec<_> = rings.map(|ring| ring.from(from).peekable()).collect();
    iter::from_fn(move || {
        let heads = rings.iter_mut().enumerate().filter_map(|(n, ring)| Some((ring.peek()?.sequence, n)));
        let (_, number) = heads.min()?;
        Some((number, rings[number].next()?))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use sse_codec::EventId;

    use super::*;
    use crate::ring::{Bounds, Id};

    const BOUNDS: Bounds = Bounds { messages: 3, bytes: 1000, age: None };

    /// Topics that share their sequence numbers.
    struct Log {
        rings: Vec<Ring>,
        last: u64,
        now: Duration,
        is_counted: bool,
    }

    impl Log {
        fn new(topics: usize, bounds: Bounds, latest_per_key: bool) -> Self {
            let rings = (0..topics).map(|_| Ring::new(bounds, latest_per_key, 0)).collect();
            Self { rings, last: 0, now: Duration::ZERO, is_counted: topics == 1 && !latest_per_key }
        }

        /// One topic with as many entries.
        fn of(entries: u64) -> Self {
            let mut log = Self::new(1, BOUNDS, false);
            for _ in 0..entries {
                log.push(0, Id::Sequence, None);
            }
            log
        }

        /// Publishes the next number to a topic.
        fn push(&mut self, topic: usize, id: Id, key: Option<&str>) {
            self.push_block(topic, id, key, &format!("{} ", self.last + 1));
        }

        fn push_block(&mut self, topic: usize, id: Id, key: Option<&str>, block: &str) {
            self.last += 1;
            let (block, key) = (block.to_owned().into(), key.map(Into::into));
            self.rings[topic].push(Entry { sequence: self.last, at: self.now, block, id, key });
        }

        fn ids() -> Ids {
            Ids::Epoch(0xE)
        }

        fn resume(&self, last_event_id: &str) -> Cursor {
            Cursor::resume(last_event_id, &Self::ids(), self.last, self.rings.iter())
        }

        /// What a reader sees: what there is, joined, and `gap` with what it missed.
        fn read(&mut self, cursor: &mut Cursor) -> String {
            let mut seen = String::new();
            loop {
                if let Some(gap) = cursor.take_gap(self.rings.iter(), self.last, self.is_counted) {
                    let missed = gap.missed.map_or("?".to_owned(), |missed| missed.to_string());
                    seen.push_str(&format!("(gap {missed}) "));
                    continue;
                }
                let before = seen.len();
                let is_read = cursor.is_read(self.rings.iter());
                if let [ring] = &mut *self.rings {
                    if let Some(frame) = ring.frame(cursor.next()) {
                        seen.push_str(std::str::from_utf8(&frame.bytes).unwrap());
                        cursor.advance(frame.to);
                    }
                } else {
                    for (_, entry) in merge(self.rings.iter(), cursor.next()) {
                        seen.push_str(std::str::from_utf8(&entry.block).unwrap());
                        cursor.advance(entry.sequence);
                    }
                }
                assert_eq!(before == seen.len(), is_read, "{cursor:?}");
                if before == seen.len() {
                    return seen;
                }
            }
        }
    }

    /// What a reader sees that comes with this id.
    #[track_caller]
    fn check(log: &mut Log, last_event_id: &str, expected: &str) {
        let mut cursor = log.resume(last_event_id);
        assert_eq!(log.read(&mut cursor), expected, "after {last_event_id:?}");
        assert_eq!(log.read(&mut cursor), "");
    }

    #[test]
    fn a_reader_without_an_id_reads_from_now_on() {
        let mut log = Log::of(3);
        check(&mut log, "", "");
        let mut cursor = log.resume("");
        log.push(0, Id::Sequence, None);
        assert_eq!(log.read(&mut cursor), "4 ");
    }

    #[test]
    fn a_reader_may_begin_with_the_oldest() {
        let mut log = Log::of(5);
        let mut cursor = Cursor::oldest(log.rings.iter());
        assert_eq!(log.read(&mut cursor), "3 4 5 ");
        log.push(0, Id::Sequence, None);
        assert_eq!(log.read(&mut cursor), "6 ");
        let mut cursor = Cursor::oldest(log.rings.iter());
        log.push(0, Id::Sequence, None);
        assert_eq!(log.read(&mut cursor), "(gap 1) 5 6 7 ");
    }

    #[test]
    fn a_reader_resumes_after_its_id() {
        check(&mut Log::of(3), "00000000000e-0", "1 2 3 ");
        check(&mut Log::of(3), "00000000000e-2", "3 ");
        check(&mut Log::of(3), "00000000000e-3", "");
    }

    #[test]
    fn what_is_gone_is_a_gap() {
        check(&mut Log::of(5), "00000000000e-0", "(gap 2) 3 4 5 ");
        check(&mut Log::of(5), "00000000000e-1", "(gap 1) 3 4 5 ");
        check(&mut Log::of(5), "00000000000e-2", "3 4 5 ");
    }

    #[test]
    fn an_unknown_id_is_a_gap_without_a_count() {
        for id in ["x", "00000000000f-2", "00000000000e-6", "\u{fffd}"] {
            check(&mut Log::of(5), id, "(gap ?) 3 4 5 ");
        }
        check(&mut Log::of(0), "00000000000f-2", "(gap ?) ");
    }

    #[test]
    fn a_gap_leads_behind_itself() {
        let mut log = Log::of(5);
        let gap = log.resume("x").take_gap(log.rings.iter(), log.last, true).expect("there is a gap");
        check(&mut log, Log::ids().of(gap.behind).as_str(), "3 4 5 ");
    }

    #[test]
    fn a_lagging_reader_goes_on_at_the_oldest_that_is_kept() {
        let mut log = Log::of(1);
        let mut cursor = log.resume("");
        (2..=7).for_each(|_| log.push(0, Id::Sequence, None));
        assert_eq!(log.read(&mut cursor), "(gap 3) 5 6 7 ");
    }

    #[test]
    fn authors_ids_resume_too() {
        let mut log = Log::new(1, BOUNDS, false);
        for id in ["a", "b", "c", "d"] {
            log.push(0, Id::Own(EventId::from_static(id)), None);
        }
        check(&mut log, "b", "3 4 ");
        check(&mut log, "d", "");
        check(&mut log, "a", "(gap ?) 2 3 4 ");
        check(&mut log, "00000000000e-3", "4 ");
        log.push(0, Id::None, None);
        assert_eq!(log.rings[0].own_id().map(EventId::as_str), Some("d"), "a comment leaves the last one");
        check(&mut log, "d", "5 ");
    }

    #[test]
    fn bytes_are_bounded_but_the_newest_is_kept() {
        let mut log = Log::new(1, Bounds { messages: 100, bytes: 10, age: None }, false);
        for (block, expected) in [
            ("12345", "12345"),
            ("6789", "123456789"),
            ("abc", "(gap 1) 6789abc"),
            ("more than ten bytes", "(gap 3) more than ten bytes"),
            ("x", "(gap 4) x"),
        ] {
            log.push_block(0, Id::Sequence, None, block);
            check(&mut log, "00000000000e-0", expected);
        }
    }

    #[test]
    fn age_is_bounded() {
        let mut log = Log::new(1, Bounds { age: Some(Duration::from_secs(10)), ..BOUNDS }, false);
        log.push(0, Id::Sequence, None);
        log.now = Duration::from_secs(10);
        log.push(0, Id::Sequence, None);
        check(&mut log, "00000000000e-0", "1 2 ");
        log.rings[0].expire(Duration::from_secs(11));
        check(&mut log, "00000000000e-0", "(gap 1) 2 ");
        log.rings[0].expire(Duration::from_secs(21));
        check(&mut log, "00000000000e-1", "(gap 1) ");
        check(&mut log, "00000000000e-2", "");
        log.push(0, Id::Sequence, None);
        check(&mut log, "00000000000e-1", "(gap 1) 3 ");
    }

    #[test]
    fn a_frame_is_bounded_and_shared() {
        let mut log = Log::new(1, Bounds { messages: 100, bytes: 1 << 20, age: None }, false);
        for _ in 0..10 {
            log.push_block(0, Id::Sequence, None, &"x".repeat(10_000));
        }
        let sizes: Vec<_> =
            [1, 4, 7, 10].map(|from| log.rings[0].frame(from).map_or(0, |frame| frame.bytes.len())).into();
        assert_eq!(sizes, [30_000, 30_000, 30_000, 10_000]);
        let [first, second] = [1, 1].map(|from| log.rings[0].frame(from).unwrap().bytes.as_ptr());
        assert_eq!(first, second, "joined once");
        log.push_block(0, Id::Sequence, None, &"x".repeat(100_000));
        assert_eq!(log.rings[0].frame(10).unwrap().bytes.len(), 10_000);
        assert_eq!(log.rings[0].frame(11).unwrap().bytes.len(), 100_000, "one message goes whole");
        assert_eq!(log.rings[0].frame(12), None);
    }

    #[test]
    fn topics_are_read_as_one() {
        let mut log = Log::new(2, BOUNDS, false);
        for topic in [0, 1, 1, 0, 1] {
            log.push(topic, Id::Sequence, None);
        }
        check(&mut log, "00000000000e-0", "1 2 3 4 5 ");
        check(&mut log, "00000000000e-3", "4 5 ");
        // Of the second topic, 2 and 3 are let go of.
        log.push(1, Id::Sequence, None);
        log.push(1, Id::Sequence, None);
        check(&mut log, "00000000000e-0", "(gap ?) 1 4 5 6 7 ");
        check(&mut log, "00000000000e-2", "(gap ?) 4 5 6 7 ");
        check(&mut log, "00000000000e-3", "4 5 6 7 ");
    }

    #[test]
    fn a_later_topic_tells_what_an_earlier_one_lost() {
        let mut log = Log::of(2);
        log.rings = vec![Ring::new(BOUNDS, false, 2)];
        check(&mut log, "00000000000e-1", "(gap 1) ");
        check(&mut log, "00000000000e-2", "");
    }

    #[test]
    fn the_latest_of_each_key_outlives_the_others() {
        let mut log = Log::new(1, Bounds { messages: 2, ..BOUNDS }, true);
        for key in ["a", "b", "a", "c", "a", "a"] {
            log.push(0, Id::Sequence, Some(key));
        }
        // The ring holds 5 and 6.
        check(&mut log, "00000000000e-0", "2 4 5 6 ");
        check(&mut log, "00000000000e-2", "4 5 6 ");
        log.push(0, Id::Sequence, Some("b"));
        check(&mut log, "00000000000e-0", "4 6 7 ");
        log.push(0, Id::Sequence, None);
        check(&mut log, "00000000000e-0", "4 6 7 8 ");
        // One without a key has no other to make up for it.
        log.push(0, Id::Sequence, Some("b"));
        log.push(0, Id::Sequence, Some("b"));
        check(&mut log, "00000000000e-7", "(gap ?) 9 10 ");
        check(&mut log, "00000000000e-0", "(gap ?) 4 6 9 10 ");
    }

    #[test]
    fn keys_are_bounded() {
        let mut log = Log::new(1, Bounds { messages: 2, ..BOUNDS }, true);
        for key in ["a", "b", "c", "d", "e"] {
            log.push(0, Id::Sequence, Some(key));
        }
        check(&mut log, "00000000000e-1", "2 3 4 5 ");
        check(&mut log, "00000000000e-0", "(gap ?) 2 3 4 5 ");
        let mut log = Log::new(1, Bounds { messages: 10, bytes: 10, age: None }, true);
        for key in ["a", "b", "c"] {
            log.push_block(0, Id::Sequence, Some(key), "12345");
        }
        check(&mut log, "00000000000e-1", "1234512345");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Publish { topic: usize, id: u8 },
        Read(usize),
        Resume(usize),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0usize..3, 0u8..3).prop_map(|(topic, id)| Step::Publish { topic, id }),
            4 => (0usize..4).prop_map(Step::Read),
            2 => (0usize..4).prop_map(Step::Resume),
            1 => (0u64..4).prop_map(Step::Wait),
        ]
    }

    /// A reader, beside what it ought to have seen.
    struct Reader {
        cursor: Cursor,
        /// The newest number that it has accounted for.
        seen: u64,
    }

    proptest! {
        /// Readers come, go, lag and resume at random. Each sees every number once and in order, or is told of a gap:
        /// and then what it was not sent is indeed no longer kept. With one topic, the gap says how long it is.
        #[test]
        fn nothing_is_lost_or_doubled_in_silence(
            topics in 1usize..4,
            messages in 1usize..6,
            bytes in 1usize..40,
            age in prop::option::of(1u64..5),
            steps in prop::collection::vec(step(), 0..200),
        ) {
            let bounds = Bounds { messages, bytes, age: age.map(Duration::from_secs) };
            let mut log = Log::new(topics, bounds, false);
            let mut readers: Vec<_> = (0..4).map(|_| Reader { cursor: log.resume(""), seen: 0 }).collect();
            for step in steps {
                match step {
                    Step::Publish { topic, id } => {
                        let number = log.last + 1;
                        let id = [Id::Sequence, Id::Own(EventId::from(number)), Id::None][usize::from(id)].clone();
                        log.push(topic % topics, id, None);
                    }
                    Step::Read(reader) => {
                        let Reader { cursor, seen } = &mut readers[reader];
                        let kept: Vec<u64> =
                            merge(log.rings.iter(), *seen + 1).map(|(_, entry)| entry.sequence).collect();
                        let lost = log.last - *seen - kept.len() as u64;
                        let read = log.read(cursor);
                        let (gaps, numbers): (Vec<_>, Vec<_>) =
                            read.split_inclusive(' ').partition(|word| word.starts_with("(gap") || word.ends_with(") "));
                        let numbers: Vec<u64> = numbers.iter().map(|number| number.trim().parse().unwrap()).collect();
                        prop_assert_eq!(numbers, kept, "what is kept is sent, once and in order");
                        prop_assert_eq!(gaps.is_empty(), lost == 0, "what is lost is told: {}", read);
                        if topics == 1 && lost > 0 {
                            prop_assert_eq!(gaps.concat(), format!("(gap {lost}) "));
                        }
                        *seen = log.last;
                    }
                    Step::Resume(reader) => {
                        let Reader { cursor, seen } = &mut readers[reader];
                        *cursor = log.resume(Log::ids().of(*seen).as_str());
                    }
                    Step::Wait(seconds) => {
                        log.now += Duration::from_secs(seconds);
                        let now = log.now;
                        log.rings.iter_mut().for_each(|ring| ring.expire(now));
                    }
                }
            }
        }

        /// Whoever reads at random ends up with the latest of each key, if there is room for the keys.
        #[test]
        fn the_latest_of_each_key_arrives(
            messages in 4usize..8, steps in prop::collection::vec((0usize..4, any::<bool>()), 1..100),
        ) {
            let mut log = Log::new(1, Bounds { messages, ..BOUNDS }, true);
            let mut cursor = log.resume("");
            let (mut sent, mut seen) = ([0; 4], [0; 4]);
            let mut keys = vec![0];
            for (key, reads) in steps {
                log.push(0, Id::Sequence, Some(["a", "b", "c", "d"][key]));
                sent[key] = log.last;
                keys.push(key);
                if reads {
                    for number in log.read(&mut cursor).split_whitespace() {
                        let number: u64 = number.parse().expect("no gap");
                        let key = keys[usize::try_from(number).unwrap()];
                        prop_assert!(seen[key] < number, "in order and once");
                        seen[key] = number;
                    }
                    prop_assert_eq!(seen, sent);
                }
            }
        }
    }
}
