//! What is true of the log, as far as anybody has ever seen it, and whether a client has got that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sse_server::log::{Entry, Position, timed};

use super::END;
use crate::store::Store;

#[derive(Default)]
pub(super) struct Truth {
    /// The topic of each message that was ever published; the last ones of all topics are alike.
    published: HashMap<String, &'static str>,
    /// What was ever in the log, and how it has got lost, if it has.
    entries: BTreeMap<Position, Known>,
    /// Where each message is: nowhere twice.
    positions: HashMap<(String, String), Position>,
    /// The newest entry that was trimmed.
    trimmed: Position,
    /// The newest message of each topic that was evicted.
    evicted: BTreeMap<String, Position>,
    /// The newest entry that was lost.
    lost: Position,
}

#[derive(Debug)]
struct Known {
    topic: String,
    data: String,
    is_lost: bool,
}

/// What a client has got.
#[derive(Debug)]
pub(super) struct History {
    pub(super) topics: Vec<&'static str>,
    pub(super) spans: Vec<Span>,
}

/// What it has got without a gap.
#[derive(Debug)]
pub(super) struct Span {
    after: Position,
    /// Of several topics, one gap tells of what all of them miss: so nothing up to here is due.
    excused: Position,
    /// Whether a gap of one topic tells of everything before the next message.
    is_excused: bool,
    seen: Vec<Position>,
}

impl Span {
    pub(super) fn after(after: Position) -> Self {
        Self { after, excused: after, is_excused: false, seen: Vec::new() }
    }
}

impl History {
    pub(super) fn see(&mut self, position: Position) {
        let span = self.spans.last_mut().expect("there is one at the beginning");
        if span.is_excused && span.seen.is_empty() {
            span.excused = span.excused.max(position);
        }
        span.seen.push(position);
    }

    /// It is told of a gap, when the newest entry is this one.
    pub(super) fn gap(&mut self, end: Position, newest: Position) {
        let is_excused = self.topics.len() == 1;
        let excused = if is_excused { end } else { newest.max(end) };
        self.spans.push(Span { excused, is_excused, ..Span::after(end) });
    }
}

impl Truth {
    pub(super) fn publish(&mut self, topic: &'static str, data: &str) {
        self.published.insert(data.to_owned(), topic);
    }

    /// A publisher was told that its message is stored.
    pub(super) fn store(&mut self, id: &str, topic: &str, data: &str) {
        let position = timed::parse(id).expect("it is an id of the log");
        self.see(position, topic, data);
    }

    /// Somebody has seen a message at this position: it must be the one that all see there, and nowhere else.
    pub(super) fn see(&mut self, position: Position, topic: &str, data: &str) {
        let published = self.published.get(data);
        assert!(data == END || published == Some(&topic), "{data:?} was never published to {topic}");
        let known = self.entries.entry(position).or_insert_with(|| Known {
            topic: topic.to_owned(),
            data: data.to_owned(),
            is_lost: false,
        });
        assert_eq!((&*known.topic, &*known.data), (topic, data), "at {position} there is another message");
        let place = *self.positions.entry((topic.to_owned(), data.to_owned())).or_insert(position);
        assert_eq!(place, position, "{data:?} is there twice");
    }

    pub(super) fn trim(&mut self, trimmed: Position) {
        self.trimmed = self.trimmed.max(trimmed);
    }

    /// Notes which messages are evicted, if the entry tells of one. Returns whether it does.
    pub(super) fn evict(&mut self, entry: &Entry) -> bool {
        if entry.is_evicted() {
            let record = entry.record.as_ref().expect("the entry tells of it");
            let newest = self.evicted.entry(record.topic().to_owned()).or_default();
            *newest = (*newest).max(entry.position);
        }
        entry.is_evicted()
    }

    /// A process has opened the log again: what it does not hold any more, and was not trimmed, is lost. Returns whether
    /// there is such a loss.
    pub(super) fn restart(&mut self, store: &Store) -> Result<bool, String> {
        let mut there = BTreeSet::new();
        let mut position = store.start();
        while let Some(page) = store.after(position, 100).map_err(|error| error.to_string())?
            && let Some(last) = page.last()
        {
            position = last.position;
            for entry in &page {
                there.insert(entry.position);
                if self.evict(entry) {
                    continue;
                }
                let record = entry.record.as_ref().expect("nothing has expired");
                let fields = std::str::from_utf8(record.fields()).expect("it is text");
                let data = fields.strip_prefix("data: ").expect("it is a message").trim_end_matches('\n');
                self.see(entry.position, record.topic(), data);
            }
        }
        self.trim(store.start());
        let evicted = &self.evicted;
        let gone = self.entries.range_mut(store.start()..).filter(|(at, known)| {
            **at > store.start()
                && !known.is_lost
                && !there.contains(at)
                && evicted.get(&known.topic).is_none_or(|newest| *newest < **at)
        });
        let mut has_losses = false;
        for (&position, known) in gone {
            known.is_lost = true;
            self.lost = self.lost.max(position);
            has_losses = true;
        }
        Ok(has_losses)
    }

    /// The newest entry that is known.
    pub(super) fn newest(&self) -> Position {
        self.entries.keys().next_back().copied().unwrap_or_default()
    }

    /// A gap has a cause: what follows the client's position was trimmed, or a message there was lost.
    pub(super) fn check_gap(&self, last: Position, has_begun_anew: bool) {
        let has_cause = self.trimmed > Position::START || self.lost > Position::START;
        let is_evicted = self.evicted.values().any(|newest| last < *newest);
        let is_due = last < self.trimmed || last <= self.lost || is_evicted || has_begun_anew && has_cause;
        assert!(is_due, "a gap after {last}: trimmed {}, lost {}", self.trimmed, self.lost);
    }

    /// A client has got all of its topics, in order and once, but for what it was told of by a gap.
    pub(super) fn judge(&self, history: &History) {
        let mut before = Position::START;
        for Span { after, excused, seen, .. } in &history.spans {
            for &position in seen {
                assert!(position > before, "{position} comes after {before}");
                before = position;
            }
            let Some(&last) = seen.last() else { continue };
            let due = self.entries.range(*after..=last.max(*after)).filter(|(at, known)| {
                **at > *excused && !known.is_lost && history.topics.contains(&&*known.topic)
            });
            let got: BTreeSet<_> = seen.iter().collect();
            for (position, known) in due {
                assert!(
                    got.contains(position),
                    "{position} ({}) is missing after {after}: {known:?}; trimmed {}, lost {}; got {:?}",
                    timed::text(*position),
                    self.trimmed,
                    self.lost,
                    seen.iter().take(30).map(|position| timed::text(*position)).collect::<Vec<_>>()
                );
            }
        }
    }
}
