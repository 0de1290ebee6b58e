//! The thread that does all the work on the disk.
//!
//! Jobs that come while it waits for the disk are done together next: many appends are one commit, which is flushed
//! once.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sse_server::log::{Batch, Outcome, Position};
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};

use crate::builder::Durability;
use crate::error::{DiskRefusal, Failure};
use crate::store::{Bounds, STEP_BYTES, STEP_ENDS, STEP_ENTRIES, STEP_IDS, Store, TopicBounds};
use crate::tail::Tail;
use crate::trace;

/// How many bytes one commit appends.
const COMMIT_BYTES: usize = 8 * 1024 * 1024;

/// How often the thread looks for expired entries, and how soon it tries again after a failure.
const TICK: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) bounds: Bounds,
    pub(crate) topics: TopicBounds,
    pub(crate) durability: Durability,
}

/// A job of the thread.
pub(crate) enum Job {
    Append(Append),
    /// Any other job. It is done before the appends that came at the same time.
    Ask(Box<dyn FnOnce(&mut Store) + Send>),
    /// Trims the log to this number of entries.
    Trim(u64, oneshot::Sender<Result<(), Failure>>),
}

pub(crate) struct Append {
    pub(crate) batch: Batch,
    pub(crate) answer: oneshot::Sender<Result<Vec<Outcome>, Failure>>,
    /// Limits how many appends wait.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// State that the thread shares with the handles.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) file: PathBuf,
    tail: Mutex<Tail>,
    stats: Mutex<DiskStats>,
    /// Notified when there are new entries.
    pub(crate) grown: Notify,
    /// The position that a follower has read to; the highest number if there was none.
    followed: AtomicU64,
}

/// The counts and the state of a [`DiskLog`](crate::DiskLog).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskStats {
    /// How many entries the log has.
    pub entries: u64,
    /// How many bytes of the disk they take, with everything that belongs to them.
    pub bytes: u64,
    /// When the oldest entry was appended.
    pub oldest: Option<SystemTime>,
    /// How often messages were appended and, with [`Durability::Stored`], flushed.
    pub commits: u64,
    /// How long these commits have taken, together.
    pub commit_time: Duration,
    /// How long the longest of these commits has taken.
    pub longest_commit: Duration,
    /// How often the disk has failed: it was full, read-only, or returned an error.
    pub failures: u64,
    /// Why the disk takes no messages now; `None` if it does, as far as is known. The thread tries it once a second, so
    /// this ends without a restart when the disk works again.
    pub refusal: Option<DiskRefusal>,
}

pub(crate) struct Worker {
    store: Store,
    settings: Settings,
    jobs: Receiver<Job>,
    shared: Arc<Shared>,
    /// When to flush the entries that were appended since the last flush.
    flush_at: Option<Instant>,
    /// How many steps of tidying are due, so that a log that grows fast stays within its limits.
    steps: u64,
    /// When to tidy again, if nothing is appended.
    tidy_at: Instant,
    /// When to check again whether messages could be stored.
    probe_at: Instant,
    /// The bytes of the messages that were refused last.
    refused_bytes: usize,
    /// Since when the log can't be tidied, if it can't.
    untidy_since: Option<Instant>,
}

impl Default for Settings {
    fn default() -> Self {
        let bounds = Bounds { bytes: Some(1024 * 1024 * 1024), ..Bounds::default() };
        Self { bounds, topics: TopicBounds::default(), durability: Durability::default() }
    }
}

impl Shared {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            file: store.file().to_owned(),
            tail: Mutex::new(Tail::new(store.end())),
            stats: Mutex::default(),
            grown: Notify::new(),
            followed: AtomicU64::new(u64::MAX),
        }
    }

    /// Notes that a follower has read everything up to a position.
    pub(crate) fn follow(&self, position: Position) {
        self.followed.store(position.get(), Ordering::Relaxed);
    }

    /// Returns up to which position messages may be evicted: what a follower has not read yet stays as long as it is in
    /// memory. So a burst of one topic reaches the subscribers that read it.
    fn followed_to(&self) -> Position {
        let followed = Position::new(self.followed.load(Ordering::Relaxed));
        self.tail().begin().max(followed)
    }

    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stats(&self) -> MutexGuard<'_, DiskStats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    pub(crate) fn new(store: Store, settings: Settings, jobs: Receiver<Job>, shared: Arc<Shared>) -> Self {
        Self {
            store,
            settings,
            jobs,
            shared,
            flush_at: None,
            steps: 0,
            tidy_at: Instant::now(),
            probe_at: Instant::now(),
            refused_bytes: 0,
            untidy_since: None,
        }
    }

    /// Works until all handles are dropped.
    pub(crate) fn run(mut self) {
        if let Err(error) = self.store.forget_publishers(now()) {
            trace::tidying_failed(&error);
        }
        self.count();
        loop {
            let job = match self.jobs.recv_timeout(self.due().saturating_duration_since(Instant::now())) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if let Some(job) = job {
                self.work(job);
            }
            self.tidy();
            self.count();
        }
        if let Err(error) = self.store.close() {
            trace::tidying_failed(&error);
        }
    }

    /// Returns when there is something to do without a job.
    fn due(&self) -> Instant {
        self.flush_at.map_or(self.tidy_at, |flush_at| flush_at.min(self.tidy_at))
    }

    /// Does a job, and the jobs that came with it.
    fn work(&mut self, job: Job) {
        let mut next = Some(job);
        let (mut appends, mut bytes) = (Vec::new(), 0);
        while let Some(job) = next {
            match job {
                Job::Append(append) => {
                    bytes += append.batch.records().iter().map(|record| record.fields().len()).sum::<usize>();
                    appends.push(append);
                }
                Job::Ask(ask) => ask(&mut self.store),
                Job::Trim(entries, answer) => {
                    let bounds = Bounds { entries: Some(entries), ..Bounds::default() };
                    // The caller may have been dropped.
                    let _ = answer.send(self.trim(bounds).map_err(|error| self.failure(&error)));
                }
            }
            next = if bytes < COMMIT_BYTES { self.jobs.try_recv().ok() } else { None };
        }
        if !appends.is_empty() {
            self.append(appends, bytes);
        }
    }

    /// Appends the batches, whose messages have this many bytes.
    fn append(&mut self, appends: Vec<Append>, bytes: usize) {
        let (batches, waiting): (Vec<_>, Vec<_>) =
            appends.into_iter().map(|append| (append.batch, (append.answer, append.permit))).unzip();
        match self.store.append(&batches, now()) {
            Ok(appended) => {
                let mut stats = self.shared.stats();
                stats.commits += 1;
                stats.commit_time += appended.commit;
                stats.longest_commit = stats.longest_commit.max(appended.commit);
                stats.refusal = None;
                drop(stats);
                // One for evicted messages, and one for what tells of them.
                self.steps = 2 * appended.entries.len() as u64 / STEP_ENTRIES + bytes as u64 / STEP_BYTES;
                self.shared.tail().push(appended.entries);
                self.shared.grown.notify_waiters();
                // The counts are updated first, so that a caller that has its result finds its messages in them.
                self.count();
                for ((answer, _permit), outcomes) in waiting.into_iter().zip(appended.outcomes) {
                    let _ = answer.send(Ok(outcomes));
                }
            }
            Err(error) => {
                self.refused_bytes = bytes;
                // The publisher of the server logs it, once for an outage.
                let failure = self.failure(&error);
                self.shared.stats().refusal = Some(failure.refusal());
                for (answer, _permit) in waiting {
                    let _ = answer.send(Err(failure.clone()));
                }
            }
        }
        if let Durability::Every(time) = self.settings.durability
            && !self.store.is_flushed()
        {
            self.flush_at.get_or_insert(Instant::now() + time);
        }
    }

    /// Trims until the log is within its limits.
    fn trim(&mut self, bounds: Bounds) -> Result<(), rusqlite::Error> {
        while let Some(until) = self.store.trim(bounds, now())? {
            self.shared.tail().trim(until);
        }
        Ok(())
    }

    /// Flushes if it is time, and does some of the work that keeps the log within its limits: at least one step, which
    /// takes a few milliseconds, and as much as was appended.
    fn tidy(&mut self) {
        if self.flush_at.is_some_and(|at| at <= Instant::now()) {
            self.flush_at = None;
            if let Err(error) = self.store.flush() {
                self.failure(&error);
                self.tell_of_tidying(Err(&error));
                self.flush_at = Some(Instant::now() + TICK);
            }
        }
        if self.probe_at <= Instant::now() {
            self.probe_at = Instant::now() + TICK;
            self.probe();
        }
        let step = match self.do_steps() {
            Ok(step) => {
                if self.store.is_flushed() {
                    self.tell_of_tidying(Ok(()));
                }
                step
            }
            Err(error) => {
                self.failure(&error);
                self.tell_of_tidying(Err(&error));
                false
            }
        };
        self.tidy_at = Instant::now() + if step { Duration::ZERO } else { TICK };
    }

    /// Checks whether messages could be stored now: as many bytes as those that were refused, since fewer may still have
    /// room on a full disk. No messages come to a hub that is not ready, so without this check it would never be ready
    /// again.
    fn probe(&mut self) {
        let was_refused = self.shared.stats().refusal.is_some();
        let probed = if was_refused {
            self.store.probe(self.refused_bytes.min(COMMIT_BYTES))
        } else {
            self.store.check_home()
        };
        match probed {
            Ok(()) if was_refused => self.shared.stats().refusal = None,
            Ok(()) => {}
            Err(error) => {
                let failure = Failure::new(self.store.file(), &error);
                let refusal = Some(failure.refusal());
                let before = std::mem::replace(&mut self.shared.stats().refusal, refusal);
                if before != refusal {
                    trace::refused(&failure);
                }
            }
        }
    }

    /// Tells when it fails for the first time, and when it works again.
    fn tell_of_tidying(&mut self, result: Result<(), &rusqlite::Error>) {
        match (result, self.untidy_since) {
            (Err(error), None) => {
                self.untidy_since = Some(Instant::now());
                trace::tidying_failed(error);
            }
            (Ok(()), Some(since)) => {
                self.untidy_since = None;
                trace::tidying_again(since.elapsed());
            }
            _ => {}
        }
    }

    /// Does the steps that are due. Returns whether there may be more to do.
    fn do_steps(&mut self) -> Result<bool, rusqlite::Error> {
        for _ in 0..std::mem::take(&mut self.steps) {
            if !self.step()? {
                return Ok(false);
            }
        }
        self.step()
    }

    /// Does one step. Returns whether there may be more to do.
    fn step(&mut self) -> Result<bool, rusqlite::Error> {
        let bounds = self.settings.bounds;
        if let Some(until) = self.store.trim(bounds, now())? {
            self.shared.tail().trim(until);
            self.store.checkpoint()?;
            return Ok(true);
        }
        if self.store.expire(bounds, now())? {
            self.shared.tail().trim(self.store.end());
        }
        // If this fails because of damage, the other work goes on.
        let evicted = self.store.evict(self.shared.followed_to());
        if let Ok(Some(until)) = evicted {
            // Followers read the same as all others.
            self.shared.tail().trim(until);
        }
        let is_forgetting =
            self.store.forget_ids(bounds, STEP_IDS)? | self.store.forget_ends(bounds, now(), STEP_ENDS)?;
        let is_shrinking = self.store.shrink()?;
        self.store.checkpoint()?;
        Ok(evicted?.is_some() || is_forgetting || is_shrinking)
    }

    fn count(&self) {
        // If the size can't be read, the old counts stay.
        let Ok(size) = self.store.size() else { return };
        let mut stats = self.shared.stats();
        stats.entries = size.entries;
        stats.bytes = size.bytes;
        stats.oldest = size.oldest.map(|time| SystemTime::UNIX_EPOCH + Duration::from_millis(time));
    }

    fn failure(&self, error: &rusqlite::Error) -> Failure {
        self.shared.stats().failures += 1;
        Failure::new(self.store.file(), error)
    }
}

/// Returns the time in milliseconds since 1970, or 0 for a clock before that.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
