//! Checks the calls of a log, and panics with the name of the rule that the log breaks.

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use sse_server::log::{Batch, Entry, Log, LogError, Position, Record};
use tokio::task::yield_now;
use tokio::time::timeout;

/// The longest time that counts as "a bounded time".
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const PAGE: usize = 512;

/// A rule that a log may break.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) name: &'static str,
    pub(crate) says: &'static str,
}

/// A log, and the rule that is being checked.
pub(crate) struct Checked<L> {
    pub(crate) log: L,
    pub(crate) rule: Rule,
}

/// A log whose oldest entries were trimmed.
pub(crate) struct Trimmed<L> {
    pub(crate) log: Checked<L>,
    /// A handle that was opened after the trimming.
    pub(crate) fresh: Checked<L>,
    /// The entries before the trimming.
    pub(crate) before: Vec<Entry>,
    pub(crate) kept: Vec<Entry>,
    /// The first batch, which is the newest of its publisher. Its entries were trimmed.
    pub(crate) first: Batch,
    pub(crate) placed: Vec<Placed>,
}

/// A log that has evicted messages of one topic.
pub(crate) struct Evicted<L> {
    pub(crate) log: Checked<L>,
    /// A handle that was opened after the eviction.
    pub(crate) fresh: Checked<L>,
    /// The entries before the eviction.
    pub(crate) before: Vec<Entry>,
    pub(crate) kept: Vec<Entry>,
    /// How many messages of the topic must be kept.
    pub(crate) messages: usize,
}

/// The topic whose messages are evicted.
pub(crate) const EVICTED: &str = "topic";

/// A message, and the position that the log has returned for it.
pub(crate) type Placed = (Position, Record);

/// Makes batches.
pub(crate) struct Publisher {
    pub(crate) id: u64,
    pub(crate) number: u64,
}

impl Rule {
    pub(crate) fn log_name(self) -> String {
        format!("conformance_{}", self.name)
    }
}

impl<L> Checked<L> {
    #[track_caller]
    pub(crate) fn broken(&self, seen: impl Display) -> ! {
        let Rule { name, says } = self.rule;
        panic!("the log breaks the rule `{name}`: {says}\n  seen: {seen}");
    }

    #[track_caller]
    pub(crate) fn require(&self, holds: bool, seen: impl FnOnce() -> String) {
        if !holds {
            self.broken(seen());
        }
    }

    #[track_caller]
    pub(crate) fn same<T: Debug + PartialEq>(&self, what: &str, seen: &T, expected: &T) {
        self.require(seen == expected, || {
            format!("{what} is\n    {}, not\n    {}", shown(seen), shown(expected))
        });
    }

    /// The same as [`same`](Self::same), but the panic tells where they differ.
    #[track_caller]
    pub(crate) fn same_list<T: Debug + PartialEq>(&self, what: &str, seen: &[T], expected: &[T]) {
        let place = seen.iter().zip(expected).take_while(|(seen, expected)| seen == expected).count();
        self.require(seen == expected, || {
            let (seen_there, expected_there) = (seen.get(place), expected.get(place));
            format!(
                "{what}: of {} entries, the first {} are right, and number {} is\n    {}, not\n    {}",
                seen.len(),
                expected.len(),
                place + 1,
                seen_there.map_or("missing".to_owned(), shown),
                expected_there.map_or("missing".to_owned(), shown),
            )
        });
    }

    #[track_caller]
    pub(crate) fn same_entries(&self, what: &str, seen: &[Entry], expected: &[Entry]) {
        self.same_list(what, seen, expected);
    }

    /// Checks that the entries have these messages and no others.
    #[track_caller]
    pub(crate) fn holds(&self, entries: &[Entry], appended: &[Placed]) {
        self.same_list("the messages that were read", &placed(entries), appended);
    }

    #[track_caller]
    pub(crate) fn is_page(&self, asked: &str, page: &[Entry], limit: usize, rest: &[Entry]) {
        self.require(page.len() <= limit, || format!("{asked} has {} entries", page.len()));
        self.same_entries(asked, page, &rest[..page.len().min(rest.len())]);
    }

    #[track_caller]
    pub(crate) fn is_chain(&self, entries: &[Entry], mut previous: Position) {
        for Entry { position, previous: named, .. } in entries {
            self.require(*named == previous, || {
                format!("the entry at {position} names {named} as the entry before, not {previous}")
            });
            self.require(*position > previous, || {
                format!("the entry at {position} is after one at {previous}")
            });
            previous = *position;
        }
    }

    #[track_caller]
    pub(crate) fn is_adjacent(&self, entries: &[Entry], batch: &[Placed]) {
        let start = entries.iter().position(|entry| entry.position == batch[0].0);
        let start = start.unwrap_or_else(|| {
            self.broken(format_args!(
                "there is no entry at {}, a position that `append` has returned",
                batch[0].0
            ))
        });
        let end = entries.len().min(start + batch.len());
        self.same_list("the entries of a batch, from its first", &placed(&entries[start..end]), batch);
    }

    /// Returns the messages with the positions that `append` has returned.
    #[track_caller]
    pub(crate) fn placed(&self, batch: &Batch, positions: Vec<Position>) -> Vec<Placed> {
        let (messages, returned) = (batch.records().len(), positions.len());
        self.require(messages == returned, || {
            format!("`append` of {messages} messages has returned {returned} positions")
        });
        positions.into_iter().zip(batch.records().iter().cloned()).collect()
    }

    pub(crate) async fn in_time<T>(&self, what: impl Display, operation: impl Future<Output = T>) -> T {
        let Ok(done) = timeout(PATIENCE, operation).await else {
            self.broken(format_args!("{what} has not ended within {PATIENCE:?}"));
        };
        done
    }

    pub(crate) async fn done<T>(
        &self,
        what: String,
        operation: impl Future<Output = Result<T, LogError>>,
    ) -> T {
        match self.in_time(&what, operation).await {
            Ok(done) => done,
            Err(error) => self.broken(format_args!("{what} has failed: {error}")),
        }
    }
}

impl<L: Log> Checked<L> {
    pub(crate) async fn try_append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        self.in_time("append", self.log.append(batch)).await
    }

    pub(crate) async fn append(&self, batch: &Batch) -> Vec<Placed> {
        let positions = self.done("append".into(), self.log.append(batch)).await;
        self.placed(batch, positions)
    }

    pub(crate) async fn before(&self, position: Option<Position>, limit: usize) -> Vec<Entry> {
        self.done(format!("before({position:?}, {limit})"), self.log.before(position, limit)).await
    }

    pub(crate) async fn after(&self, position: Position, limit: usize) -> Option<Vec<Entry>> {
        self.done(format!("after({position}, {limit})"), self.log.after(position, limit)).await
    }

    pub(crate) async fn follow(&self, position: Position, limit: usize) -> Option<Vec<Entry>> {
        self.done(format!("follow({position}, {limit})"), self.log.follow(position, limit)).await
    }

    pub(crate) async fn known(&self, position: Position, limit: usize) -> Vec<Entry> {
        let Some(page) = self.after(position, limit).await else {
            self.broken(format_args!("after({position}) is `None`, though the next entries are known"));
        };
        page
    }

    pub(crate) async fn all(&self) -> Vec<Entry> {
        self.all_after(Position::START).await
    }

    pub(crate) async fn all_after(&self, mut position: Position) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            let page = self.known(position, PAGE).await;
            let Some(last) = page.last() else { return entries };
            // Otherwise the loop might never end.
            self.require(last.position > position, || {
                format!("the last of the entries after {position} is at {}", last.position)
            });
            position = last.position;
            entries.extend(page);
        }
    }

    /// Returns all entries, read from the end.
    pub(crate) async fn newest(&self) -> Vec<Entry> {
        let mut entries = self.before(None, PAGE).await;
        while let Some(first) = entries.first() {
            let mut page = self.before(Some(first.position), PAGE).await;
            let Some(older) = page.first() else { break };
            self.require(older.position < first.position, || {
                format!("the first of the entries before {} is at {}", first.position, older.position)
            });
            page.append(&mut entries);
            entries = page;
        }
        entries
    }

    /// Reads these entries, which are all of the log, from the end.
    pub(crate) async fn pages_backwards(&self, limit: usize, entries: &[Entry]) {
        let mut ahead = entries.len();
        loop {
            let position = entries.get(ahead).map(|entry| entry.position);
            let page = self.before(position, limit).await;
            let asked = format!("before({position:?}, {limit})");
            self.require(page.is_empty() == (ahead == 0), || {
                format!("{asked} has {} entries, and {ahead} exist", page.len())
            });
            self.require(page.len() <= limit, || format!("{asked} has {} entries", page.len()));
            self.same_entries(&asked, &page, &entries[ahead.saturating_sub(page.len())..ahead]);
            if page.is_empty() {
                return;
            }
            ahead -= page.len();
        }
    }

    /// Follows the log until `messages` have come.
    pub(crate) async fn followed(&self, mut position: Position, messages: usize) -> Vec<Entry> {
        let following = async {
            let mut entries = Vec::new();
            while placed(&entries).len() < messages {
                let Some(page) = self.follow(position, PAGE).await else {
                    self.broken(format_args!(
                        "follow({position}) is `None`, though the next entries are known"
                    ));
                };
                position = page.last().map_or(position, |entry| entry.position);
                entries.extend(page);
                yield_now().await;
            }
            entries
        };
        self.in_time(format_args!("to follow {messages} messages"), following).await
    }
}

impl<L: Log> Trimmed<L> {
    /// Most entries are trimmed, because a log may trim only some hundred at once.
    pub(crate) async fn new(open: impl AsyncFn() -> Checked<L>, trim: impl AsyncFn(usize)) -> Self {
        let log = open().await;
        let first = Publisher::new().batch(2);
        let placed = log.append(&first).await;
        let mut publisher = Publisher::new();
        for _ in 0..40 {
            log.append(&publisher.batch(10)).await;
        }
        let before = log.all().await;
        trim(50).await;
        let fresh = open().await;
        let kept = fresh.newest().await;
        log.require((1..before.len() - first.records().len()).contains(&kept.len()), || {
            format!("`trim` must leave about 50 of {} entries, and has left {}", before.len(), kept.len())
        });
        Self { log, fresh, before, kept, first, placed }
    }
}

impl<L: Log> Evicted<L> {
    /// Between messages of another topic, there are several of the topic whose messages are evicted.
    pub(crate) async fn new(open: impl AsyncFn() -> Checked<L>, evict: impl AsyncFn(usize)) -> Self {
        let log = open().await;
        let (mut one, mut two) = (Publisher::new(), Publisher::new());
        for number in 0..40 {
            log.append(&one.batch(8)).await;
            if number % 4 == 0 {
                let other = record("other", Some("a key"), &format!("data: {number}\n"));
                log.append(&two.batch_of(vec![other])).await;
            }
        }
        let before = log.all().await;
        let messages = 20;
        evict(messages).await;
        let fresh = open().await;
        let kept = fresh.newest().await;
        let is_left = |entry: &&Entry| {
            entry.record.as_ref().is_some_and(|record| record.topic() == EVICTED) && !entry.is_evicted()
        };
        let left = kept.iter().filter(is_left).count();
        log.require((messages..300).contains(&left), || {
            format!("`evict` must leave about {messages} of 320 messages of the topic, and has left {left}")
        });
        Self { log, fresh, before, kept, messages }
    }
}

impl Publisher {
    /// The number of a publisher is random, as for replicas. The highest bit is set, because signed numbers end there.
    pub(crate) fn new() -> Self {
        Self { id: fastrand::u64(..) | 1 << 63, number: 0 }
    }

    pub(crate) fn batch_of(&mut self, records: Vec<Record>) -> Batch {
        self.number += 1;
        Batch::new(self.id, self.number, records)
    }

    /// Returns a batch of messages that no other batch has.
    pub(crate) fn batch(&mut self, messages: usize) -> Batch {
        let Self { id, number } = *self;
        let fields = |message| format!("data: {message} of {number} of {id}\n");
        self.batch_of((0..messages).map(|message| record("topic", None, &fields(message))).collect())
    }
}

/// Fills a log with at least this number of entries, by two publishers, in batches of several sizes. Returns the log
/// and the entries.
pub(crate) async fn filled<L: Log>(
    open: impl AsyncFn() -> Checked<L>,
    messages: usize,
) -> (Checked<L>, Vec<Entry>) {
    let (one, two) = (open().await, open().await);
    let mut publishers = [Publisher::new(), Publisher::new()];
    let mut left = messages;
    for number in 0.. {
        let (log, publisher) = if number % 2 == 0 { (&one, 0) } else { (&two, 1) };
        let batch = left.min(1 + number % 4);
        if batch == 0 {
            break;
        }
        log.append(&publishers[publisher].batch(batch)).await;
        left -= batch;
    }
    let log = open().await;
    let entries = log.all().await;
    log.require(entries.len() >= messages, || {
        format!("{} entries, when {messages} had been appended", entries.len())
    });
    (log, entries)
}

/// Returns positions that have no entry, and are not the position before the first entry.
pub(crate) fn unknown(entries: &[Entry]) -> Vec<Position> {
    let known: HashSet<_> = with_start(entries).collect();
    let numbers = entries.iter().map(|entry| entry.position.get());
    let last = numbers.clone().max().unwrap_or_default();
    let far = [last.saturating_mul(2), i64::MAX as u64, i64::MAX as u64 + 1, u64::MAX];
    let near = numbers.flat_map(|number| [number.saturating_sub(1), number.saturating_add(1)]);
    let positions: HashSet<_> = near.chain(far).map(Position::new).collect();
    let mut unknown: Vec<_> = positions.difference(&known).copied().collect();
    unknown.sort();
    unknown
}

pub(crate) fn with_start(entries: &[Entry]) -> impl Iterator<Item = Position> {
    [Position::START].into_iter().chain(entries.iter().map(|entry| entry.position))
}

pub(crate) fn placed(entries: &[Entry]) -> Vec<Placed> {
    entries.iter().filter_map(|entry| Some((entry.position, entry.record.clone()?))).collect()
}

pub(crate) fn record(topic: &str, key: Option<&str>, fields: &str) -> Record {
    let fields = Bytes::copy_from_slice(fields.as_bytes());
    Record::from_parts(topic.into(), key.map(Into::into), fields).expect("the fields of a message")
}

/// Polls a future up to this number of times, and drops it if it is not ready.
pub(crate) async fn drop_after(polls: usize, future: impl Future) {
    let mut future = pin!(future);
    let mut polled = 0;
    poll_fn(|context| {
        polled += 1;
        let is_over = future.as_mut().poll(context).is_ready() || polled == polls;
        if is_over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Returns the part of a value that a panic shows, because nobody reads a large message to its end.
pub(crate) fn shown(value: &impl Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((end, _)) = text.char_indices().nth(400) {
        text.truncate(end);
        text.push('…');
    }
    text
}
