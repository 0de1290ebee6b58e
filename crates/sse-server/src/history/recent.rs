//! The newest entries of a log, of all topics. A new topic begins with them, and they tell an id of the log from an id
//! that the log never gave.
//!
//! This file also remembers which topics have ended, for longer than it keeps their entries.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::entry::Entry;
use super::lifetime::Lifetime;
use super::position::Position;
#[cfg(doc)]
use crate::message::Record;
use crate::message::{Body, Control};

#[derive(Debug)]
pub(crate) struct Recent {
    messages: usize,
    bytes: usize,
    entries: VecDeque<Entry>,
    /// The size of the entries in bytes.
    held: usize,
    /// The position that the first entry was appended after. All entries from there to `last` were seen.
    since: Position,
    /// The first of the entries that were seen as they came, one after the other; `None` if no entry has come since the
    /// log could be reached.
    live: Option<Position>,
    last: Position,
    /// The newest position whose message was [evicted](Record::evicted) from the log before the entries around it.
    evicted: Position,
    ends: Ends,
}

/// The topics that have ended or were opened again, up to [`REMEMBERED`] changes.
#[derive(Debug, Default)]
struct Ends {
    by_topic: HashMap<Arc<str>, Lifetime>,
    /// The changes, oldest first.
    order: VecDeque<(Arc<str>, Position)>,
}

/// How many changes of topics are remembered.
const REMEMBERED: usize = 16 * 1024;

/// What a hub reads of its log before it follows it.
#[derive(Debug, Default)]
pub(crate) struct Begun {
    /// The ends of topics, from [`Log::ends`](crate::log::Log::ends).
    pub(crate) ends: Vec<Entry>,
    /// The newest entries, oldest first, which follow one another.
    pub(crate) newest: Vec<Entry>,
}

/// An error: the log does not go on where it was left, because entries were lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Whether a position that a client comes with is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The log has this position, and all entries after it were seen.
    Yes,
    /// The log does not have this position.
    No,
    /// The log must be asked: the position is older or newer than the seen entries, or of an evicted message.
    Ask,
}

impl Begun {
    /// Returns the position of the newest entry.
    pub(crate) fn last(&self) -> Position {
        self.newest.last().map_or(Position::START, |entry| entry.position)
    }
}

impl Recent {
    /// How many ends of topics are remembered at most.
    pub(crate) const ENDS: usize = REMEMBERED;

    /// Returns an empty store for this number of messages and bytes. The newest message is kept whatever its size.
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        let start = Position::START;
        let entries = VecDeque::new();
        Self {
            messages,
            bytes,
            entries,
            held: 0,
            since: start,
            live: None,
            last: start,
            evicted: start,
            ends: Ends::default(),
        }
    }

    /// Begins anew with what was read of the log. The ends that were known before are forgotten, because the log may have
    /// lost them. If a topic is open by mistake, its subscribers miss nothing.
    pub(crate) fn begin(&mut self, begun: Begun) {
        let Begun { ends, newest } = begun;
        let first = newest.first().map_or(Position::START, |entry| entry.previous);
        *self = Self { since: first, last: first, ..Self::new(self.messages, self.bytes) };
        // The later ends are among the newest entries, or the follower reads them.
        ends.iter().filter(|end| end.position <= first).for_each(|end| self.ends.take(end));
        for entry in newest {
            self.keep(entry);
        }
    }

    /// Adds the next entry.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Broken> {
        if entry.previous != self.last || entry.position <= self.last {
            return Err(Broken);
        }
        self.live.get_or_insert(entry.position);
        self.keep(entry);
        Ok(())
    }

    /// Notes that the log could not be reached for a time. Entries that were seen before may have been lost since, and
    /// other entries may have got their positions.
    pub(crate) fn lose_sight(&mut self) {
        self.live = None;
    }

    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// Returns the position after which all entries are here.
    pub(crate) fn since(&self) -> Position {
        self.since
    }

    /// Returns whether a client with this position can go on here.
    pub(crate) fn knows(&self, position: Position) -> Known {
        let is_here = || self.entries.binary_search_by_key(&position, |entry| entry.position).is_ok();
        if position == self.last || position == self.since {
            Known::Yes
        } else if position > self.last {
            // Another replica may have read further.
            Known::Ask
        } else if position > self.since {
            match is_here() {
                true => Known::Yes,
                // The log may have evicted the message at this position.
                false if position < self.evicted => Known::Ask,
                false => Known::No,
            }
        } else if self.live.is_some_and(|live| position >= live) {
            Known::Yes
        } else {
            Known::Ask
        }
    }

    /// Returns the entries directly after a position, at least one; `None` if some of them are not here.
    pub(crate) fn after(&self, position: Position) -> Option<impl Iterator<Item = &Entry>> {
        let index = self.entries.binary_search_by_key(&position, |entry| entry.position);
        let next = index.map_or((position == self.since).then_some(0), |index| Some(index + 1))?;
        (next < self.entries.len()).then(|| self.entries.range(next..))
    }

    pub(crate) fn of_topic<'s>(&'s self, topic: &'s str) -> impl Iterator<Item = &'s Entry> {
        let is_of_topic =
            move |entry: &&Entry| entry.record.as_ref().is_some_and(|record| record.topic() == topic);
        self.entries.iter().filter(is_of_topic)
    }

    /// Returns when a topic ended or was opened again, as far as that is known.
    pub(crate) fn lifetime(&self, topic: &str) -> Lifetime {
        self.ends.by_topic.get(topic).copied().unwrap_or_default()
    }

    /// Returns the topic of the message at a position.
    pub(crate) fn topic_of(&self, position: Position) -> Option<Arc<str>> {
        let index = self.entries.binary_search_by_key(&position, |entry| entry.position).ok()?;
        Some(self.entries[index].record.as_ref()?.shared_topic())
    }

    fn keep(&mut self, entry: Entry) {
        self.last = entry.position;
        if entry.is_evicted() {
            self.evicted = entry.position;
        }
        self.ends.take(&entry);
        self.held += size(&entry);
        self.entries.push_back(entry);
        while self.entries.len() > 1 && (self.entries.len() > self.messages || self.held > self.bytes) {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.held -= size(&oldest);
            self.since = oldest.position;
        }
    }
}

impl Ends {
    fn take(&mut self, entry: &Entry) {
        let Some(record) = &entry.record else { return };
        let Body::Control(control) = record.body() else { return };
        let at = entry.position;
        let lifetime = match control {
            Control::End { .. } | Control::Open => self.by_topic.entry(record.shared_topic()).or_default(),
            Control::EndClient { .. } | Control::Evicted => return,
        };
        match control {
            Control::End { spread } => lifetime.end(at, *spread),
            _ => lifetime.open(at),
        }
        self.order.push_back((record.shared_topic(), at));
        while self.order.len() > REMEMBERED
            && let Some((topic, at)) = self.order.pop_front()
        {
            if self.by_topic.get(&topic).is_some_and(|lifetime| lifetime.changed() <= at) {
                self.by_topic.remove(&topic);
            }
        }
    }
}

/// Returns how many entries follow a position without a break.
pub(crate) fn linked(position: Position, entries: &[Entry]) -> usize {
    let ahead = [position].into_iter().chain(entries.iter().map(|entry| entry.position));
    entries.iter().zip(ahead).take_while(|(entry, ahead)| entry.previous == *ahead).count()
}

/// Returns how many bytes of messages an entry has.
pub(crate) fn size(entry: &Entry) -> usize {
    entry.record.as_ref().map_or(0, |record| record.fields().len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::message::Record;

    /// Returns an entry of four bytes. The name of its topic is its position.
    fn entry(position: u64, previous: u64) -> Entry {
        let record = Record::from_parts(position.to_string().into(), None, "x:y\n".into()).ok();
        Entry::new(Position::new(position), Position::new(previous), record)
    }

    /// Returns entries at 10, 20, …; the first one was appended after 0.
    fn entries(positions: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
        positions.map(|number| entry(number * 10, (number - 1) * 10)).collect()
    }

    /// Returns a store that began with the entries up to 50, and has then seen those up to 90. It keeps four of them.
    fn recent() -> Recent {
        let mut recent = Recent::new(4, 1000);
        recent.begin(Begun::of(entries(1..=5)));
        for entry in entries(6..=9) {
            recent.push(entry).unwrap();
        }
        recent
    }

    impl Begun {
        /// What a hub reads of a log without ends.
        fn of(newest: Vec<Entry>) -> Self {
            Self { ends: Vec::new(), newest }
        }
    }

    #[track_caller]
    fn check(recent: &Recent, positions: impl IntoIterator<Item = u64>, known: Known) {
        for position in positions {
            assert_eq!(recent.knows(Position::new(position)), known, "{position}");
        }
    }

    #[test]
    fn positions_of_kept_entries_are_known() {
        let recent = recent();
        check(&recent, [50, 60, 70, 80, 90], Known::Yes);
        check(&recent, [55, 61, 89], Known::No);
        assert_eq!((recent.since(), recent.last()), (Position::new(50), Position::new(90)));
    }

    #[test]
    fn the_log_is_asked_about_older_and_newer_positions() {
        check(&recent(), [0, 10, 45, 91, 100, u64::MAX], Known::Ask);
    }

    #[test]
    fn an_evicted_position_is_known_if_it_was_seen_as_it_came() {
        let mut recent = recent();
        for entry in entries(10..=20) {
            recent.push(entry).unwrap();
        }
        check(&recent, [60, 160, 200], Known::Yes);
        // Entries after 50 may have been lost before 60 came.
        check(&recent, [40, 50, 55], Known::Ask);
        // While the log can't be reached, another entry may get the same position.
        recent.lose_sight();
        check(&recent, [50, 60, 150], Known::Ask);
        check(&recent, [160, 200], Known::Yes);
    }

    #[test]
    fn the_log_is_asked_about_positions_whose_messages_it_may_have_evicted() {
        let mut recent = recent();
        let evicted = Some(Record::evicted("t"));
        recent.push(Entry::new(Position::new(100), Position::new(90), evicted)).unwrap();
        recent.push(entry(110, 100)).unwrap();
        check(&recent, [75, 85, 99], Known::Ask);
        check(&recent, [80, 90, 100, 110], Known::Yes);
        check(&recent, [101, 105], Known::No);
    }

    #[test]
    fn an_empty_log_has_a_beginning() {
        let mut recent = Recent::new(4, 1000);
        recent.begin(Begun::default());
        check(&recent, [0], Known::Yes);
        recent.push(entry(10, 0)).unwrap();
        check(&recent, [0, 10], Known::Yes);
        check(&recent, [5], Known::No);
    }

    #[test]
    fn a_broken_chain_is_noticed() {
        for (position, previous) in [(110, 100), (100, 80), (100, 0), (90, 90), (80, 90)] {
            let mut recent = recent();
            assert_eq!(recent.push(entry(position, previous)), Err(Broken), "{position} after {previous}");
            assert_eq!(recent.last(), Position::new(90), "it stays as it was");
        }
    }

    #[test]
    fn kept_entries_can_be_read() {
        let recent = recent();
        let after = |position| {
            let entries = recent.after(Position::new(position))?;
            Some(entries.map(|entry| entry.position.get()).collect::<Vec<_>>())
        };
        assert_eq!(after(50), Some(vec![60, 70, 80, 90]));
        assert_eq!(after(80), Some(vec![90]));
        for elsewhere in [0, 40, 65, 90, 95] {
            assert_eq!(after(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn linked_entries_end_at_a_break() {
        let mut page = entries(4..=9);
        assert_eq!(linked(Position::new(30), &page), 6);
        assert_eq!(linked(Position::new(20), &page), 0);
        page.remove(2);
        assert_eq!(linked(Position::new(30), &page), 2);
        assert_eq!(linked(Position::new(30), &[]), 0);
    }

    #[test]
    fn bytes_are_limited_but_the_newest_entry_is_kept() {
        for (bytes, since) in [(1000, 50), (16, 50), (15, 60), (8, 70), (3, 80), (0, 80)] {
            let mut recent = Recent::new(4, bytes);
            recent.begin(Begun::of(entries(1..=9)));
            assert_eq!(recent.since(), Position::new(since), "{bytes} bytes");
        }
    }

    /// The newest entries begin after 30.
    #[test]
    fn ends_from_before_the_newest_entries_are_known() {
        #[track_caller]
        fn check(ends: &[(u64, &str)], topic: &str, is_ended: bool) {
            let control = |&(position, topic): &(u64, &str)| {
                let record = Record::control(topic.into(), Control::End { spread: Duration::ZERO });
                Entry::new(Position::new(position), Position::START, Some(record))
            };
            let mut recent = Recent::new(4, 1000);
            recent.begin(Begun { ends: ends.iter().map(control).collect(), newest: entries(4..=5) });
            assert_eq!(recent.lifetime(topic).is_ended(), is_ended, "{topic} of {ends:?}");
            recent.begin(Begun::of(entries(4..=5)));
            assert!(!recent.lifetime(topic).is_ended(), "the log has lost the end");
        }

        check(&[(20, "a")], "a", true);
        check(&[(20, "a")], "b", false);
        check(&[(10, "a"), (30, "b")], "b", true);
        // These positions are of other entries, or not read yet.
        check(&[(31, "a"), (40, "b"), (60, "c")], "a", false);
        check(&[(31, "a"), (40, "b"), (60, "c")], "b", false);
        check(&[(31, "a"), (40, "b"), (60, "c")], "c", false);
    }

    #[test]
    fn a_topic_begins_with_its_kept_entries() {
        let recent = recent();
        let positions = |topic| recent.of_topic(topic).map(|entry| entry.position.get()).collect::<Vec<_>>();
        assert_eq!(positions("70"), [70]);
        assert_eq!(positions("50"), [0; 0], "its entry is evicted");
    }
}
