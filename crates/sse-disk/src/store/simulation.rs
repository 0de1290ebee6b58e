//! Runs in which the disk fails at random, with a store and publishers that repeat failed appends. A seed gives the
//! same run.

mod checks;
mod damage;
mod disk;
mod evicted;
mod promise;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use sse_server::log::{Batch, Entry, Outcome, Position, Record, RecordKind};
use sse_server::{EventId, Message};
use sse_testing::simulation::{Simulation, Tally};

use self::disk::{Disk, Faults};
use self::evicted::KEPT;
use super::{Bounds, Store, TopicBounds, Vfs};
use crate::builder::Durability;
use crate::error::{OpenError, OpenErrorKind};

type Seen = Tally<&'static str>;

/// A publisher, which sends a batch until it is stored.
struct Publisher {
    id: u64,
    number: u64,
    /// The batch that must be sent again.
    unknown: Option<Batch>,
}

struct Story {
    rng: fastrand::Rng,
    disk: Disk,
    file: PathBuf,
    durability: Durability,
    /// The bounds of each topic, if there are any.
    topics: TopicBounds,
    store: Option<Store>,
    publishers: Vec<Publisher>,
    /// The messages that `append` has stored, in order.
    stored: Vec<(Position, Record)>,
    /// How many of them are surely flushed.
    flushed: usize,
    /// Every message that `append` has ever stored, also if it was lost since.
    told: BTreeMap<Position, Record>,
    /// The highest position that was returned since the last crash, or that was there after it.
    highest: Position,
    now: u64,
    messages: u64,
    /// Messages that have ids.
    named: Vec<Record>,
    /// What has ended a topic or opened it, whether or not it was trimmed since.
    changes: BTreeMap<Position, Record>,
    /// Topics whose ends up to a position are forgotten, or may be.
    forgotten: BTreeMap<String, Position>,
    /// The stored messages that are evicted, though older entries are not trimmed; `None` if that is not known.
    evicted: Option<BTreeSet<Position>>,
    seen: Seen,
}

impl Story {
    fn new(seed: u64, durability: Durability) -> Self {
        // Several tests run the same seeds at the same time.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut rng = fastrand::Rng::with_seed(seed);
        let disk = Disk::new(number, rng.u64(..));
        let publishers = (0..3).map(|_| Publisher { id: rng.u64(..), number: 0, unknown: None }).collect();
        let mut story = Self {
            rng,
            disk,
            file: format!("/{number}/log.db").into(),
            durability,
            topics: TopicBounds::default(),
            store: None,
            publishers,
            stored: Vec::new(),
            flushed: 0,
            told: BTreeMap::new(),
            highest: Position::START,
            now: 1_700_000_000_000,
            messages: 0,
            named: Vec::new(),
            changes: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            evicted: Some(BTreeSet::new()),
            seen: Seen::new(),
        };
        story.store = Some(story.open().unwrap());
        story
    }

    fn open(&self) -> Result<Store, OpenError> {
        let mut store = Store::open(&self.file, Vfs::Named(disk::NAME), self.durability)?;
        store.bound_topics(self.topics).map_err(|error| OpenError::store(&self.file, &error))?;
        Ok(store)
    }

    /// Chooses the bounds of topics for the next start.
    fn choose_bounds(&mut self) {
        self.topics = TopicBounds {
            messages: self.rng.bool().then(|| self.rng.u64(KEPT..10)),
            // The newest three messages may have as many bytes.
            bytes: self.rng.bool().then(|| self.rng.u64(61_000..70_000)),
        };
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    /// Makes one thing happen.
    fn step(&mut self) {
        match self.rng.u32(..100) {
            0..55 => self.append(),
            55..65 => self.read(),
            65..72 => self.trim(),
            72..76 => self.evict(),
            76..80 => self.tidy(),
            80..88 => self.change_faults(),
            _ => self.crash(),
        }
    }

    fn append(&mut self) {
        // A clock that goes on, stands still, or is set back.
        self.now = match self.rng.u32(..10) {
            0 => self.now - self.rng.u64(..100_000),
            1..4 => self.now,
            _ => self.now + self.rng.u64(..5000),
        };
        let count = self.rng.usize(1..=self.publishers.len());
        let mut batches: Vec<Batch> = Vec::new();
        for number in 0..count {
            let unknown = self.publishers[number].unknown.take();
            batches.push(unknown.unwrap_or_else(|| self.batch(number)));
        }
        let now = self.now;
        let Ok(appended) = self.store().append(&batches, now) else {
            self.seen.count("append failed");
            for (publisher, batch) in self.publishers.iter_mut().zip(batches) {
                publisher.unknown = Some(batch);
            }
            return;
        };
        self.seen.count("appended");
        for (batch, outcomes) in batches.iter().zip(&appended.outcomes) {
            self.became(batch, outcomes, &batches);
        }
        self.stored.sort_by_key(|(position, _)| *position);
        if self.durability == Durability::Stored {
            self.flushed = self.stored.len();
        }
    }

    /// What `append` says of a batch is true.
    fn became(&mut self, batch: &Batch, outcomes: &[Outcome], together: &[Batch]) {
        assert_eq!(batch.records().len(), outcomes.len());
        let mut outcomes = outcomes.iter();
        for group in batch.groups() {
            let of_group: Vec<_> = outcomes.by_ref().take(group.len()).collect();
            if of_group.contains(&&Outcome::Taken) {
                assert!(
                    of_group.iter().all(|outcome| **outcome == Outcome::Taken),
                    "a group is left out whole"
                );
                let unknown = self.publishers.iter().filter_map(|it| it.unknown.as_ref());
                let batches = unknown.chain(together).flat_map(Batch::records);
                let there: Vec<_> = self.stored.iter().map(|(_, record)| record).chain(batches).collect();
                let is_taken = |record: &Record| {
                    record.id().is_some()
                        && there.iter().any(|there| there.id() == record.id() && *there != record)
                };
                assert!(group.iter().any(is_taken), "no id of {group:?} was taken");
                self.seen.count("taken");
                continue;
            }
            for (outcome, record) in of_group.into_iter().zip(group) {
                match *outcome {
                    Outcome::New(position) => self.is_stored(position, record),
                    Outcome::Repeat(position) => {
                        self.seen.count("repeat");
                        self.is_stored(position, record);
                    }
                    Outcome::Taken => unreachable!("the group is left out"),
                }
            }
        }
    }

    fn is_stored(&mut self, position: Position, record: &Record) {
        let told = self.told.entry(position).or_insert_with(|| record.clone());
        assert_eq!(told, record, "{position} was told of another message before");
        let trimmed = self.store().trimmed.position;
        let is_kept = |kept: Position| kept > trimmed && kept != position && !self.may_be_evicted(kept);
        let mut kept = self.stored.iter().filter(|(kept, _)| is_kept(*kept));
        assert!(
            record.id().is_none() || kept.all(|(_, other)| other.id() != record.id()),
            "{:?} names two messages",
            record.id()
        );
        if position <= self.highest {
            // It was on the disk, though the append had failed.
            self.seen.count("stored though it had failed");
            let known = self.stored.iter().find(|(known, _)| *known == position);
            assert!(known.is_none_or(|(_, known)| known == record), "{position} is another message");
            if known.is_some() {
                return;
            }
        }
        self.highest = self.highest.max(position);
        self.stored.push((position, record.clone()));
        self.note(position, record);
    }

    fn note(&mut self, position: Position, record: &Record) {
        if record.kind() != RecordKind::Message {
            self.changes.insert(position, record.clone());
        }
    }

    /// Returns whether the message is in a batch whose outcome is not known.
    fn had_failed(&self, record: &Record) -> bool {
        self.publishers.iter().filter_map(|it| it.unknown.as_ref()).any(|it| it.records().contains(record))
    }

    fn batch(&mut self, publisher: usize) -> Batch {
        let messages = self.rng.usize(1..5);
        let large = if self.rng.u32(..8) == 0 { 20_000 } else { 200 };
        let mut groups = vec![Vec::new()];
        for _ in 0..messages {
            let record = self.record(large);
            if self.rng.bool() {
                groups.push(Vec::new());
            }
            groups.last_mut().unwrap().push(record);
        }
        let publisher = &mut self.publishers[publisher];
        publisher.number += 1;
        Batch::of_groups(publisher.id, publisher.number, groups)
    }

    /// A message: without an id, with a new one, with that of another message, or the same message again. Or the end or
    /// the opening of a topic.
    fn record(&mut self, large: usize) -> Record {
        self.messages += 1;
        if self.rng.u32(..6) == 0 {
            let topic = self.rng.choice(["a", "b", "c", "d"]).unwrap();
            let is_end = self.rng.u32(..3) > 0;
            let fields =
                if is_end { format!("control: end {}\n", self.messages) } else { "control: open\n".into() };
            return Record::from_parts(topic.into(), None, fields.into()).unwrap();
        }
        let data = format!("{} {}", self.messages, "x".repeat(self.rng.usize(..large)));
        if self.rng.u32(..8) == 0 {
            return Record::new("quiet", &Message::new(data)).unwrap();
        }
        let record = Record::new("topic", &Message::new(data)).unwrap();
        let recent = self.named.len().saturating_sub(20);
        let earlier = self.rng.choice(&self.named[recent..]).cloned();
        let id = match (self.rng.u32(..8), earlier) {
            (0, Some(earlier)) => return earlier,
            (1, Some(earlier)) => earlier.id().unwrap().clone(),
            (2..5, _) => EventId::try_from(format!("order {}", self.messages)).unwrap(),
            _ => return record,
        };
        let named = record.with_id(&id).unwrap();
        self.named.push(named.clone());
        named
    }

    fn read(&mut self) {
        if self.stored.is_empty() {
            return;
        }
        let from = self.rng.usize(..self.stored.len());
        let limit = self.rng.usize(1..40);
        let position = self.stored[from].0;
        match self.store().after(position, limit) {
            Ok(Some(mut page)) => {
                assert!(!page.is_empty() || from + 1 == self.stored.len());
                // What had failed may be there too. Of the last entry, it may only be said that it was evicted.
                let last = page.iter().rposition(|entry| !entry.is_evicted()).map_or(0, |last| last + 1);
                page.truncate(last);
                let is_stored = |written: &(_, _)| self.stored.contains(written);
                let restored = self.restored(position, &page);
                let (there, others): (Vec<_>, Vec<_>) = restored.into_iter().partition(is_stored);
                let expected: Vec<_> = self.stored[from + 1..].iter().take(there.len()).cloned().collect();
                assert_eq!(there, expected, "what follows {position}");
                assert!(others.iter().all(|(_, record)| self.had_failed(record)), "after {position}");
            }
            Ok(None) => assert!(position < self.store().trimmed.position, "{position} is not known"),
            Err(_) => self.seen.count("read failed"),
        }
    }

    fn trim(&mut self) {
        let bounds = Bounds {
            entries: self.rng.bool().then(|| self.rng.u64(5..60)),
            bytes: self.rng.bool().then(|| self.rng.u64(50_000..200_000)),
            ..Bounds::default()
        };
        let now = self.now;
        match self.store().trim(bounds, now) {
            Ok(Some(_)) => self.seen.count("trimmed"),
            Ok(None) => {}
            Err(_) => self.seen.count("trim failed"),
        }
    }

    fn tidy(&mut self) {
        let is_flush = self.durability != Durability::Stored && self.rng.bool();
        let outcome = if is_flush {
            self.store().flush().map(|()| "flushed")
        } else if self.rng.u32(..3) == 0 {
            let bounds = Bounds { bytes: Some(0), ..Bounds::default() };
            self.store()
                .forget_ids(bounds, 4)
                .map(|is_done| if is_done { "ids forgotten" } else { "few ids" })
        } else if self.rng.u32(..4) == 0 {
            self.forget_ends()
        } else if self.rng.bool() {
            // As if many bytes had been written.
            self.store().unchecked = u64::MAX / 2;
            self.store().checkpoint().map(|()| "checkpoint")
        } else {
            self.store().shrink().map(|is_shrunk| if is_shrunk { "shrunk" } else { "nothing to shrink" })
        };
        if is_flush && outcome.is_ok() {
            self.flushed = self.stored.len();
        }
        self.seen.count(outcome.unwrap_or("tidying failed"));
    }

    /// Forgets the oldest end, as if there was no room for any.
    fn forget_ends(&mut self) -> super::Result<&'static str> {
        let oldest = self.store().ends(1000)?.into_iter().find_map(|end| end.record);
        let (Some(oldest), last) = (oldest, self.store().end()) else { return Ok("no ends") };
        self.forgotten.insert(oldest.topic().to_owned(), last);
        let bounds = Bounds { bytes: Some(0), ..Bounds::default() };
        let now = self.now;
        self.store().forget_ends(bounds, now, 1).map(|_| "ends forgotten")
    }

    fn change_faults(&mut self) {
        let faults = match self.rng.u32(..4) {
            0 => Faults { errors: self.rng.u32(..200), ..Faults::default() },
            1 => {
                let room = Some(self.disk.used() + self.rng.usize(..20_000));
                Faults { room, ..Faults::default() }
            }
            _ => Faults::default(),
        };
        if faults.room.is_some() {
            self.seen.count("full");
        }
        self.disk.set(faults);
    }

    /// Ends the process or the machine, and starts it again.
    fn crash(&mut self) {
        let is_kill = self.rng.bool();
        if is_kill {
            self.disk.kill();
            self.seen.count("killed");
        } else {
            self.disk.lose_power();
            self.seen.count("lost power");
        }
        self.store = None;
        if self.rng.u32(..4) == 0 {
            self.choose_bounds();
        }
        self.reopen();
        if self.durability != Durability::Stored {
            // The clock may be set back while the machine is off.
            self.now -= self.rng.u64(..50_000);
        }
        let kept = if is_kill { self.stored.len() } else { self.flushed };
        self.check(kept);
    }

    fn reopen(&mut self) {
        let opened = self.open();
        self.disk.set(Faults::default());
        let store = opened.or_else(|error| {
            let is_expected = matches!(error.kind(), OpenErrorKind::Full | OpenErrorKind::System);
            assert!(is_expected, "{error}");
            self.seen.count("not opened on a faulty disk");
            self.disk.kill();
            self.open()
        });
        self.store = Some(store.unwrap());
    }

    /// Ends the faults. Failed batches are sent again, and everything must be there once.
    fn end(mut self) -> Seen {
        self.disk.set(Faults::default());
        for number in 0..self.publishers.len() {
            let batch = self.publishers[number].unknown.take();
            let batch = batch.unwrap_or_else(|| self.batch(number));
            let now = self.now;
            let batches = [batch];
            let appended = self.store().append(&batches, now).unwrap();
            self.became(&batches[0], &appended.outcomes[0], &batches);
        }
        self.stored.sort_by_key(|(position, _)| *position);
        self.flushed = if self.durability == Durability::Stored { self.stored.len() } else { self.flushed };
        self.disk.lose_power();
        self.store = None;
        self.reopen();
        let flushed = self.flushed;
        self.check(flushed);
        self.seen
    }
}

fn all(store: &Store) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut position = store.trimmed.position;
    while let Some(page) = store.after(position, 50).unwrap().filter(|page| !page.is_empty()) {
        position = page[page.len() - 1].position;
        entries.extend(page);
    }
    entries
}

fn contents(entries: &[Entry]) -> Vec<(Position, Record)> {
    entries.iter().map(|entry| (entry.position, entry.record.clone().unwrap())).collect()
}

fn run(durability: Durability) -> Option<Seen> {
    Simulation::new().runs(100).run(async |seed| {
        let mut story = Story::new(seed, durability);
        if seed % 2 == 0 {
            story.choose_bounds();
            story.store = None;
            story.store = Some(story.open().unwrap());
        }
        for _ in 0..60 {
            story.step();
        }
        story.end()
    })
}

#[test]
fn stored_messages_are_there_after_any_failure() {
    let Some(seen) = run(Durability::Stored) else { return };
    seen.assert_seen(&[
        "appended",
        "append failed",
        "checkpoint",
        "end",
        "ends forgotten",
        "evicted",
        "full",
        "ids forgotten",
        "killed",
        "lost power",
        "not opened on a faulty disk",
        "read failed",
        "removed marks",
        "repeat",
        "stored though it had failed",
        "taken",
        "trimmed",
        "trimmed end",
    ]);
    assert_eq!(seen.get("lost, as it may be"), 0, "{seen:?}");
}

#[test]
fn a_loss_without_a_flush_is_only_of_the_newest_messages() {
    let Some(seen) = run(Durability::Every(std::time::Duration::from_millis(50))) else { return };
    seen.assert_seen(&["flushed", "lost, as it may be", "lost power"]);
}
