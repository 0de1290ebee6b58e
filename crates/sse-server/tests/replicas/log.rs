//! A log that remembers everything that was ever in it, and the links by which replicas reach it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use futures_util::FutureExt as _;
use sse_server::log::{Batch, Entry, Log, LogError, Outcome, Position, Record};
use sse_testing::log::MemoryLog;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// A log, and everything that was ever in it.
#[derive(Default)]
pub(crate) struct Store {
    log: MemoryLog,
    /// Whether the log keeps publishers' ids.
    pub(crate) has_ids: bool,
    /// Whether the log lists the ends of topics.
    pub(crate) lists_ends: bool,
    /// How many positions are left out before each batch.
    pub(crate) skips: u64,
    pub(crate) truth: Mutex<Truth>,
}

#[derive(Debug, Default)]
pub(crate) struct Truth {
    pub(crate) entries: BTreeMap<u64, Fact>,
    /// The newest position that was trimmed.
    pub(crate) trimmed: u64,
    /// The newest position of each topic whose message was evicted before older entries of other topics.
    pub(crate) evicted: BTreeMap<String, u64>,
    /// The newest position that was lost.
    pub(crate) lost: u64,
    pub(crate) trims: u64,
    pub(crate) evictions: u64,
    pub(crate) losses: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) topic: String,
    pub(crate) data: String,
    pub(crate) is_lost: bool,
    pub(crate) kind: Kind,
}

/// The content of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    /// A message after the end of its topic, which no subscriber gets.
    Dead,
    End,
    Open,
    /// The end of one client's streams.
    EndClient,
}

impl Store {
    pub(crate) fn with_ids() -> Self {
        Self { has_ids: true, ..Self::default() }
    }

    pub(crate) fn with_ends() -> Self {
        Self { lists_ends: true, ..Self::default() }
    }

    pub(crate) fn with_skips(positions: u64) -> Self {
        Self { skips: positions, ..Self::default() }
    }

    fn entries(&self) -> Vec<Entry> {
        self.log
            .before(None, usize::MAX)
            .now_or_never()
            .expect("a memory log never waits")
            .expect("a memory log never fails")
    }

    pub(crate) fn trim(&self, entries: usize) {
        let before = self.entries();
        self.log.trim(entries);
        let gone = before.len().saturating_sub(entries);
        let Some(newest) = before[..gone].last() else { return };
        let mut truth = self.truth.lock().unwrap();
        truth.trimmed = truth.trimmed.max(newest.position.get());
        truth.trims += 1;
    }

    /// Evicts the messages of a topic but for this number of the newest ones.
    pub(crate) fn evict(&self, topic: &str, messages: usize) {
        self.log.evict(topic, messages);
        let is_mark = |entry: &Entry| {
            entry.is_evicted() && entry.record.as_ref().is_some_and(|record| record.topic() == topic)
        };
        let Some(mark) = self.entries().into_iter().rfind(is_mark) else { return };
        let mut truth = self.truth.lock().unwrap();
        let before = truth.evicted.insert(topic.to_owned(), mark.position.get());
        truth.evictions += u64::from(before != Some(mark.position.get()));
    }

    pub(crate) fn lose(&self, entries: usize) {
        let before = self.entries();
        self.log.lose(entries);
        let mut truth = self.truth.lock().unwrap();
        let newest = self.entries().last().map_or(0, |entry| entry.position.get());
        // Among them may be evicted ones, of which the log has no entry.
        let lost: Vec<_> = truth.entries.range(newest + 1..).map(|(at, _)| *at).collect();
        for at in lost.into_iter().filter(|_| !before.is_empty()) {
            truth.entries.get_mut(&at).expect("the entry was appended").is_lost = true;
            truth.lost = truth.lost.max(at);
        }
        if self.log.is_empty() {
            // An empty log begins anew. At its beginning, it can't be told from the log before the loss.
            truth.entries.values_mut().for_each(|fact| fact.is_lost = true);
        }
        truth.losses += u64::from(!before.is_empty());
    }

    /// Returns the data of all messages in the log.
    pub(crate) fn data(&self) -> Vec<String> {
        self.entries().iter().filter_map(|entry| data(entry.record.as_ref()?)).collect()
    }
}

impl Truth {
    /// Returns whether a topic has ended, as far as the log still knows.
    pub(crate) fn is_ended(&self, topic: &str) -> bool {
        let mut facts = self.entries.values().rev().filter(|fact| !fact.is_lost && fact.topic == topic);
        facts
            .find(|fact| matches!(fact.kind, Kind::End | Kind::Open))
            .is_some_and(|fact| fact.kind == Kind::End)
    }

    /// Returns the fact of a record that is appended now.
    fn fact(&self, record: &Record) -> Fact {
        let topic = record.topic().to_owned();
        let text = std::str::from_utf8(record.fields()).unwrap().trim_end();
        let kind = match text.strip_prefix("control: ").and_then(|control| control.split(' ').next()) {
            Some("end") => Kind::End,
            Some("open") => Kind::Open,
            Some(_) => Kind::EndClient,
            None if self.is_ended(&topic) => Kind::Dead,
            None => Kind::Message,
        };
        Fact { topic, data: data(record).unwrap_or_default(), is_lost: false, kind }
    }
}

/// Returns the data of a message.
fn data(record: &Record) -> Option<String> {
    let fields = std::str::from_utf8(record.fields()).unwrap();
    fields.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned)
}

/// The link of one process to the log.
#[derive(Clone)]
pub(crate) struct Link(pub(crate) Arc<Wire>);

pub(crate) struct Wire {
    store: Arc<Store>,
    weather: Mutex<Weather>,
    changed: Notify,
    /// How many futures of `follow` exist.
    pub(crate) follows: AtomicUsize,
    /// How often the log answered that it does not know the position that is followed.
    pub(crate) breaks: AtomicUsize,
}

#[derive(Debug, Default)]
pub(crate) struct Weather {
    pub(crate) is_down: bool,
    /// Whether only `follow` fails.
    pub(crate) is_blind: bool,
    /// How many appends succeed, though their responses are lost.
    pub(crate) lost_answers: usize,
    /// How long it takes until an answer comes.
    pub(crate) delay: Duration,
    pub(crate) storm: Option<Storm>,
}

/// Random faults.
#[derive(Debug)]
pub(crate) struct Storm {
    pub(crate) rng: Rng,
    /// One of this number of calls fails.
    pub(crate) calm: u32,
    /// The longest delay in milliseconds.
    pub(crate) delay: u64,
}

impl Link {
    pub(crate) fn new(store: &Arc<Store>) -> Self {
        Self(Arc::new(Wire {
            store: store.clone(),
            weather: Mutex::default(),
            changed: Notify::new(),
            follows: AtomicUsize::new(0),
            breaks: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn set(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.0.weather.lock().unwrap());
        self.0.changed.notify_waiters();
    }

    /// One way of a call: of the request, or of the response.
    async fn way(&self) -> Result<(), LogError> {
        let (delay, fails) = {
            let mut weather = self.0.weather.lock().unwrap();
            let Weather { is_down, delay, storm, .. } = &mut *weather;
            match storm {
                Some(Storm { rng, calm, delay }) => {
                    let late = Duration::from_millis(rng.u64(0..=*delay));
                    (late, rng.u32(0..*calm) == 0 || *is_down)
                }
                None => (*delay, *is_down),
            }
        };
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            sleep(delay).await;
        }
        if fails { Err(LogError::unavailable("the link is cut")) } else { Ok(()) }
    }

    async fn blinded(&self) {
        loop {
            let changed = self.0.changed.notified();
            let Weather { is_down, is_blind, .. } = *self.0.weather.lock().unwrap();
            if is_down || is_blind {
                return;
            }
            changed.await;
        }
    }

    /// A log may return fewer entries than it is asked for.
    fn limit(&self, limit: usize) -> usize {
        match &mut self.0.weather.lock().unwrap().storm {
            Some(Storm { rng, .. }) => rng.choice([1, 8, limit]).map_or(limit, |few| few.min(limit)),
            None => limit,
        }
    }

    fn log(&self) -> &MemoryLog {
        &self.0.store.log
    }
}

impl Log for Link {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        let outcomes = self.append_with_ids(batch).await?;
        let position = |outcome| match outcome {
            Outcome::New(position) | Outcome::Repeat(position) => position,
            Outcome::Taken => panic!("a replica appends with ids"),
        };
        Ok(outcomes.into_iter().map(position).collect())
    }

    fn has_ids(&self) -> bool {
        self.0.store.has_ids
    }

    async fn append_with_ids(&self, batch: &Batch) -> Result<Vec<Outcome>, LogError> {
        self.way().await?;
        self.log().skip(self.0.store.skips);
        let outcomes = self.log().append_with_ids(batch).await?;
        {
            let mut truth = self.0.store.truth.lock().unwrap();
            for (outcome, record) in outcomes.iter().zip(batch.records()) {
                if let Outcome::New(position) = outcome
                    && !truth.entries.contains_key(&position.get())
                {
                    let fact = truth.fact(record);
                    truth.entries.insert(position.get(), fact);
                }
            }
        }
        {
            let mut weather = self.0.weather.lock().unwrap();
            if weather.lost_answers > 0 {
                weather.lost_answers -= 1;
                return Err(LogError::unavailable("the response is lost"));
            }
        }
        self.way().await?;
        Ok(outcomes)
    }

    async fn find(&self, topic: &str, id: &str) -> Result<Option<Position>, LogError> {
        self.way().await?;
        let position = self.log().find(topic, id).await?;
        self.way().await?;
        Ok(position)
    }

    async fn ends(&self, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        if !self.0.store.lists_ends {
            return Ok(None);
        }
        self.way().await?;
        let ends = self.log().ends(limit).await?;
        self.way().await?;
        Ok(ends)
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        self.way().await?;
        let entries = self.log().before(position, self.limit(limit)).await?;
        self.way().await?;
        Ok(entries)
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.way().await?;
        let entries = self.log().after(position, self.limit(limit)).await?;
        self.way().await?;
        Ok(entries)
    }

    async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        let _follow = Follow::new(&self.0.follows);
        self.way().await?;
        let limit = self.limit(limit);
        let entries = tokio::select! {
            biased;
            () = self.blinded() => return Err(LogError::unavailable("the link is cut")),
            entries = timeout(Duration::from_secs(5), self.log().follow(position, limit)) => match entries {
                Ok(entries) => entries?,
                Err(_) => Some(Vec::new()),
            },
        };
        if entries.is_none() {
            self.0.breaks.fetch_add(1, Ordering::Relaxed);
        }
        self.way().await?;
        Ok(entries)
    }
}

/// Counts one while it lives.
struct Follow<'c>(&'c AtomicUsize);

impl<'c> Follow<'c> {
    fn new(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Follow<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
