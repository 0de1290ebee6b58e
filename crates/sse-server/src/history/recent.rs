//! The newest entries of a log, of all topics: what a new topic begins with, and how an id is told from one that the
//! log never gave.
//!
//! It also remembers which topics have ended, for longer than it keeps their entries.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::entry::Entry;
use super::lifetime::Lifetime;
use super::position::Position;
use crate::message::{Body, Control};

#[derive(Debug)]
pub(crate) struct Recent {
    messages: usize,
    bytes: usize,
    entries: VecDeque<Entry>,
    /// The bytes of the entries.
    held: usize,
    /// The position that the first entry was appended after: all entries from there to `last` have been seen.
    since: Position,
    /// Every entry after this position has been seen as it came, one after the other.
    live: Position,
    last: Position,
    ends: Ends,
}

/// The topics that have ended or were opened again, as many of them as [`REMEMBERED`].
#[derive(Debug, Default)]
struct Ends {
    by_topic: HashMap<Arc<str>, Lifetime>,
    /// Each change of a topic, oldest first.
    order: VecDeque<(Arc<str>, Position)>,
}

/// How many changes of topics are remembered.
const REMEMBERED: usize = 16 * 1024;

/// The log does not go on where it was left: entries were lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// What is known of a position that a client comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// The log has this position, and every entry after it has been seen.
    Yes,
    /// The log does not have this position.
    No,
    /// The log has to be asked: it is older than what has been seen, or newer.
    Ask,
}

impl Recent {
    /// Keeps so many messages and bytes, but at least the newest.
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        let start = Position::START;
        let entries = VecDeque::new();
        Self {
            messages,
            bytes,
            entries,
            held: 0,
            since: start,
            live: start,
            last: start,
            ends: Ends::default(),
        }
    }

    /// Begins anew with the newest entries of the log, oldest first, which follow one another.
    pub(crate) fn begin(&mut self, entries: Vec<Entry>) {
        let first = entries.first().map_or(Position::START, |entry| entry.previous);
        // Which of the earlier ends the log has lost is not known. A topic that is open by mistake misses nothing.
        *self = Self { since: first, last: first, ..Self::new(self.messages, self.bytes) };
        for entry in entries {
            self.keep(entry);
        }
        self.live = self.last;
    }

    /// Takes the next entry.
    pub(crate) fn push(&mut self, entry: Entry) -> Result<(), Broken> {
        if entry.previous != self.last || entry.position <= self.last {
            return Err(Broken);
        }
        self.keep(entry);
        Ok(())
    }

    /// The log was out of sight: what was seen before may have been lost since, and other entries may have the same
    /// positions now.
    pub(crate) fn lose_sight(&mut self) {
        self.live = self.last;
    }

    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// All entries after this position are here.
    pub(crate) fn since(&self) -> Position {
        self.since
    }

    /// Whether a client with this position can go on here.
    pub(crate) fn knows(&self, position: Position) -> Known {
        let is_here = || self.entries.binary_search_by_key(&position, |entry| entry.position).is_ok();
        if position == self.last || position == self.since {
            Known::Yes
        } else if position > self.last {
            // Another replica is ahead of this one.
            Known::Ask
        } else if position > self.since {
            if is_here() { Known::Yes } else { Known::No }
        } else if position >= self.live {
            Known::Yes
        } else {
            Known::Ask
        }
    }

    /// The entries right after a position, at least one; `None` if they are not all here.
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

    /// When a topic has ended or was opened again, as far as that is known.
    pub(crate) fn lifetime(&self, topic: &str) -> Lifetime {
        self.ends.by_topic.get(topic).copied().unwrap_or_default()
    }

    /// The topic of the message at a position.
    pub(crate) fn topic_of(&self, position: Position) -> Option<Arc<str>> {
        let index = self.entries.binary_search_by_key(&position, |entry| entry.position).ok()?;
        Some(self.entries[index].record.as_ref()?.shared_topic())
    }

    fn keep(&mut self, entry: Entry) {
        self.last = entry.position;
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
            Control::EndClient { .. } => return,
        };
        match control {
            Control::End { spread } => lifetime.end(at, *spread),
            Control::Open | Control::EndClient { .. } => lifetime.open(at),
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

/// How many entries follow a position without a break.
pub(crate) fn linked(position: Position, entries: &[Entry]) -> usize {
    let ahead = [position].into_iter().chain(entries.iter().map(|entry| entry.position));
    entries.iter().zip(ahead).take_while(|(entry, ahead)| entry.previous == *ahead).count()
}

/// How many bytes of messages an entry has.
pub(crate) fn size(entry: &Entry) -> usize {
    entry.record.as_ref().map_or(0, |record| record.fields().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Record;

    /// An entry of four bytes, of a topic that has the name of its position.
    fn entry(position: u64, previous: u64) -> Entry {
        let record = Record::from_parts(position.to_string().into(), None, "x:y\n".into()).ok();
        Entry::new(Position::new(position), Position::new(previous), record)
    }

    /// Entries at 10, 20, …, of which the first was appended after 0.
    fn entries(positions: std::ops::RangeInclusive<u64>) -> Vec<Entry> {
        positions.map(|number| entry(number * 10, (number - 1) * 10)).collect()
    }

    /// One that began with the entries up to 50, and has then seen those up to 90, of which it keeps four.
    fn recent() -> Recent {
        let mut recent = Recent::new(4, 1000);
        recent.begin(entries(1..=5));
        for entry in entries(6..=9) {
            recent.push(entry).unwrap();
        }
        recent
    }

    #[track_caller]
    fn check(recent: &Recent, positions: impl IntoIterator<Item = u64>, known: Known) {
        for position in positions {
            assert_eq!(recent.knows(Position::new(position)), known, "{position}");
        }
    }

    #[test]
    fn what_is_here_is_known_exactly() {
        let recent = recent();
        check(&recent, [50, 60, 70, 80, 90], Known::Yes);
        check(&recent, [55, 61, 89], Known::No);
        assert_eq!((recent.since(), recent.last()), (Position::new(50), Position::new(90)));
    }

    #[test]
    fn the_log_is_asked_about_what_is_older_or_newer() {
        check(&recent(), [0, 10, 45, 91, 100, u64::MAX], Known::Ask);
    }

    #[test]
    fn what_was_seen_as_it_came_is_known_though_it_is_gone() {
        let mut recent = recent();
        for entry in entries(10..=20) {
            recent.push(entry).unwrap();
        }
        check(&recent, [50, 60, 160, 200], Known::Yes);
        check(&recent, [40], Known::Ask);
        // An entry that came while the log was out of sight may be another one with the same position.
        recent.lose_sight();
        check(&recent, [50, 60, 150], Known::Ask);
        check(&recent, [160, 200], Known::Yes);
    }

    #[test]
    fn an_empty_log_has_a_beginning() {
        let mut recent = Recent::new(4, 1000);
        recent.begin(Vec::new());
        check(&recent, [0], Known::Yes);
        recent.push(entry(10, 0)).unwrap();
        check(&recent, [0, 10], Known::Yes);
        check(&recent, [5], Known::No);
    }

    #[test]
    fn a_chain_that_is_broken_is_noticed() {
        for (position, previous) in [(110, 100), (100, 80), (100, 0), (90, 90), (80, 90)] {
            let mut recent = recent();
            assert_eq!(recent.push(entry(position, previous)), Err(Broken), "{position} after {previous}");
            assert_eq!(recent.last(), Position::new(90), "it stays as it was");
        }
    }

    #[test]
    fn what_is_here_can_be_read() {
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
    fn what_is_linked_ends_at_a_break() {
        let mut page = entries(4..=9);
        assert_eq!(linked(Position::new(30), &page), 6);
        assert_eq!(linked(Position::new(20), &page), 0);
        page.remove(2);
        assert_eq!(linked(Position::new(30), &page), 2);
        assert_eq!(linked(Position::new(30), &[]), 0);
    }

    #[test]
    fn bytes_are_bounded_but_the_newest_is_kept() {
        for (bytes, since) in [(1000, 50), (16, 50), (15, 60), (8, 70), (3, 80), (0, 80)] {
            let mut recent = Recent::new(4, bytes);
            recent.begin(entries(1..=9));
            assert_eq!(recent.since(), Position::new(since), "{bytes} bytes");
        }
    }

    #[test]
    fn a_topic_begins_with_what_there_is_of_it() {
        let recent = recent();
        let positions = |topic| recent.of_topic(topic).map(|entry| entry.position.get()).collect::<Vec<_>>();
        assert_eq!(positions("70"), [70]);
        assert_eq!(positions("50"), [0; 0], "it is not here any more");
    }
}
