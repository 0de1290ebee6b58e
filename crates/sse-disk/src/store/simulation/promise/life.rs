//! A process, from its start to its end: topics on a store.

use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sse_server::log::{Batch, Entry, Log, LogError, Outcome, Position, Publisher, timed};
use sse_server::{EventId, Route, Topics};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use super::super::disk;
use super::World;
use crate::builder::Durability;
use crate::error::Failure;
use crate::store::{Bounds, Store, Vfs};
use crate::tail::{After, Tail};

/// How often the log is tidied.
const TIDY: Duration = Duration::from_millis(50);

pub(super) struct Life {
    log: StoreLog,
    topics: Topics,
    ended: watch::Sender<bool>,
}

/// A store as a log, as the worker and its handle have it, but without a thread: so that a seed makes the same run again.
#[derive(Clone)]
struct StoreLog(Arc<Inner>);

struct Inner {
    /// The process: a batch that is sent again is known by it.
    number: u64,
    /// `None` when the process has ended.
    store: Mutex<Option<Store>>,
    tail: Mutex<Tail>,
    grown: Notify,
    /// Of the clock, in milliseconds.
    now: AtomicU64,
    rng: Mutex<fastrand::Rng>,
    haste: u64,
    failed_appends: AtomicU64,
    failed_reads: AtomicU64,
}

impl Life {
    pub(super) async fn start(world: &Rc<World>, rng: &mut fastrand::Rng) -> Result<Rc<Self>, String> {
        let vfs = Vfs::Named(disk::NAME);
        let mut store = Store::open(&world.file, vfs, world.durability).map_err(|error| error.to_string())?;
        store.bound_topics(world.topics).map_err(|error| error.to_string())?;
        // So that it is read what else would be in memory.
        store.connection.execute_batch("PRAGMA cache_size = 5").map_err(|error| error.to_string())?;
        if world.truth.borrow_mut().restart(&store)? {
            world.count("lost");
            assert_ne!(world.durability, Durability::Stored, "what was seen or stored is lost");
        }
        let log = StoreLog(Arc::new(Inner {
            number: rng.u64(..),
            tail: Mutex::new(Tail::new(store.end())),
            store: Mutex::new(Some(store)),
            grown: Notify::new(),
            now: AtomicU64::new(world.now()),
            rng: Mutex::new(rng.fork()),
            haste: world.haste,
            failed_appends: AtomicU64::new(0),
            failed_reads: AtomicU64::new(0),
        }));
        let route = Route::builder().history(rng.choice([1, 8, 100]).unwrap()).burst_bytes(0).heartbeat(None);
        let topics = Topics::builder().route(route).recent(rng.choice([1, 20, 500]).unwrap());
        let topics = topics.publisher(Publisher::builder().patience(Duration::from_secs(rng.u64(1..10))));
        let built = topics.build_on(log.clone()).await;
        let Ok(topics) = built.inspect_err(|_| log.die()) else { return Err("it can't be read".to_owned()) };
        let life = Rc::new(Self { log, topics, ended: watch::Sender::new(false) });
        tokio::task::spawn_local(tidy(Rc::downgrade(world), Rc::downgrade(&life)));
        Ok(life)
    }

    pub(super) fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Waits for the end of the process.
    pub(super) fn ended(&self) -> watch::Receiver<bool> {
        self.ended.subscribe()
    }

    /// The process is no more: what it has begun, nobody ends.
    pub(super) fn end(&self) {
        self.log.die();
        self.ended.send_replace(true);
    }

    /// Returns whether the topics were so late that what they follow was trimmed: then all subscribers are told of a
    /// gap.
    pub(super) fn has_begun_anew(&self) -> bool {
        self.topics.stats().total.log.is_some_and(|log| log.losses > 0)
    }

    /// The newest entry of the log.
    pub(super) fn newest(&self) -> Position {
        self.log.0.store.lock().unwrap().as_ref().map(Store::end).unwrap_or_default()
    }

    /// Trims the log, and returns what was trimmed last.
    pub(super) fn trim(&self, entries: u64) -> Position {
        let bounds = Bounds { entries: Some(entries), ..Bounds::default() };
        let Inner { store, tail, now, .. } = &*self.log.0;
        let mut store = store.lock().unwrap();
        let Some(store) = &mut *store else { return Position::START };
        while let Ok(Some(until)) = store.trim(bounds, now.load(Ordering::Relaxed)) {
            tail.lock().unwrap().trim(until);
        }
        store.start()
    }
}

/// What the worker does beside the appends.
async fn tidy(world: Weak<World>, life: Weak<Life>) {
    loop {
        sleep(TIDY).await;
        let (Some(world), Some(life)) = (world.upgrade(), life.upgrade()) else { return };
        let inner = &*life.log.0;
        inner.now.store(world.now(), Ordering::Relaxed);
        for (count, what) in [(&inner.failed_appends, "append failed"), (&inner.failed_reads, "read failed")]
        {
            (0..count.swap(0, Ordering::Relaxed)).for_each(|_| world.count(what));
        }
        let mut store = inner.store.lock().unwrap();
        let Some(store) = &mut *store else { return };
        world.truth.borrow_mut().trim(store.start());
        if world.durability != Durability::Stored && !store.is_flushed() && store.flush().is_ok() {
            world.count("flushed");
        }
        let evicted = store.evict(Position::new(u64::MAX));
        if let Ok(Some(until)) = evicted {
            inner.tail.lock().unwrap().trim(until);
            world.count("evicted");
        }
        // A step that has failed may have evicted messages too.
        if !matches!(evicted, Ok(None)) {
            let entries = world.disk.without_faults(|| store.before(None, usize::MAX));
            for entry in entries.expect("the disk has no faults") {
                world.truth.borrow_mut().evict(&entry);
            }
        }
        // As if much had been written.
        store.unchecked = store.unchecked.saturating_mul(1000);
        let _ = store.checkpoint().and_then(|()| store.shrink());
    }
}

fn ended() -> LogError {
    LogError::unavailable("the process has ended")
}

impl StoreLog {
    fn die(&self) {
        drop(self.0.store.lock().unwrap().take());
        self.0.grown.notify_waiters();
    }

    /// The way to the disk, or back: it may be long.
    async fn way(&self) -> Result<(), LogError> {
        let delay = {
            let mut rng = self.0.rng.lock().unwrap();
            if rng.u64(..self.0.haste) == 0 { rng.u64(..200) } else { 0 }
        };
        if delay == 0 {
            tokio::task::yield_now().await;
        } else {
            sleep(Duration::from_millis(delay)).await;
        }
        if self.0.store.lock().unwrap().is_some() { Ok(()) } else { Err(ended()) }
    }

    fn read<T>(&self, read: impl FnOnce(&Store) -> crate::store::Result<T>) -> Result<T, LogError> {
        let store = self.0.store.lock().unwrap();
        let store = store.as_ref().ok_or_else(ended)?;
        read(store).map_err(|error| {
            self.0.failed_reads.fetch_add(1, Ordering::Relaxed);
            // A disk that only fails damages nothing.
            assert!(!crate::error::is_damage(&error), "{error}");
            Failure::new(store.file(), &error).into_log_error()
        })
    }
}

impl Log for StoreLog {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        self.way().await?;
        let batch = Batch::new(self.0.number, batch.number(), batch.records().to_vec());
        let positions = {
            let mut store = self.0.store.lock().unwrap();
            let store = store.as_mut().ok_or_else(ended)?;
            let appended = store.append(&[batch], self.0.now.load(Ordering::Relaxed));
            let mut appended = appended.map_err(|error| {
                self.0.failed_appends.fetch_add(1, Ordering::Relaxed);
                Failure::new(store.file(), &error).into_log_error()
            })?;
            self.0.tail.lock().unwrap().push(appended.entries);
            let position = |outcome| match outcome {
                Outcome::New(position) => position,
                other => panic!("no message has an id: {other:?}"),
            };
            appended.outcomes.remove(0).into_iter().map(position).collect()
        };
        self.0.grown.notify_waiters();
        self.way().await?;
        Ok(positions)
    }

    async fn ends(&self, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.way().await?;
        let ends = self.read(|store| store.ends(limit))?;
        self.way().await?;
        Ok(Some(ends))
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        self.way().await?;
        let entries = self.read(|store| store.before(position, limit))?;
        self.way().await?;
        Ok(entries)
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.way().await?;
        // As if so much had come meanwhile that it is in memory no more.
        let is_old = self.0.rng.lock().unwrap().u32(..4) == 0;
        let known = self.0.tail.lock().unwrap().after(position, limit);
        let entries = match known {
            After::Known(entries) if !is_old => Some(entries),
            After::Known(_) | After::Older => self.read(|store| store.after(position, limit))?,
        };
        self.way().await?;
        Ok(entries)
    }

    async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        let grown = self.0.grown.notified();
        let entries = self.after(position, limit).await?;
        if entries.as_ref().is_none_or(|entries| !entries.is_empty()) {
            return Ok(entries);
        }
        let _ = timeout(Duration::from_secs(5), grown).await;
        self.after(position, limit).await
    }

    fn id(&self, position: Position) -> EventId<'static> {
        timed::id(position)
    }

    fn position(&self, id: &str) -> Option<Position> {
        timed::parse(id)
    }
}
