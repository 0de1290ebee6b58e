//! Many subscribers on one thread.
//!
//! Each is a task that waits for bytes. Their counts are under one lock, which no other thread takes while they run.
//! The numbers that other threads read meanwhile, for the progress, are atomics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sse_client::Decoder;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::bench::ANSWER;
use crate::bench::connection::{EventStream, Refusal, Target};
use crate::bench::histogram::Times;
use crate::bench::mark::Mark;
use crate::bench::tally::Tally;

/// The type of the event by which a server says that something is missing.
const GAP: &str = "gap";

/// How many reasons are told apart. A server may have a new one each time.
const MAX_REASONS: usize = 16;

/// The subscribers of one thread, to begin with.
#[derive(Debug)]
pub(super) struct Subscribers {
    pub(super) target: Arc<Target>,
    /// Their numbers.
    pub(super) numbers: std::ops::Range<usize>,
    /// How many of them may be connecting at a time.
    pub(super) connecting: usize,
    pub(super) mark: Mark,
    /// Since when times are counted.
    pub(super) start: Instant,
}

/// What others may see while they run.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Whether events are counted yet, or still.
    pub(super) is_measuring: AtomicBool,
    /// The end of all.
    pub(super) end: Notify,
    pub(super) connected: AtomicU64,
    pub(super) failed: AtomicU64,
    /// How many streams have ended.
    pub(super) ended: AtomicU64,
    pub(super) events: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// Events of this run, each counted once per subscriber.
    pub(super) received: AtomicU64,
    /// How many of them came on streams that have ended since.
    pub(super) received_by_ended: AtomicU64,
    /// When the last one connected, and when the last event came: in nanoseconds since the start.
    pub(super) last_connected: AtomicU64,
    pub(super) last_received: AtomicU64,
}

/// What is known at the end.
#[derive(Debug)]
pub(super) struct Counts {
    /// Of each that connected.
    pub(super) tallies: Vec<Tally>,
    pub(super) connect_times: Times,
    /// From when an event was due until it came.
    pub(super) latencies: Times,
    pub(super) refusals: BTreeMap<Refusal, u64>,
}

struct Shared {
    target: Arc<Target>,
    mark: Mark,
    start: Instant,
    live: Arc<Live>,
    counts: Mutex<Counts>,
}

impl Subscribers {
    /// Connects all, and reads what they get until the end is told.
    pub(super) async fn run(self, live: Arc<Live>) -> Counts {
        let shared = Arc::new(Shared {
            target: self.target,
            mark: self.mark,
            start: self.start,
            live: live.clone(),
            counts: Mutex::new(Counts::new()),
        });
        let mut tasks = JoinSet::new();
        let open_all = async {
            let connecting = Arc::new(Semaphore::new(self.connecting));
            for number in self.numbers {
                let permit = connecting.clone().acquire_owned().await.expect("it is never closed");
                tasks.spawn(shared.clone().subscribe(number, permit));
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = live.end.notified() => {}
            () = open_all => {}
        }
        tasks.shutdown().await;
        let Ok(shared) = Arc::try_unwrap(shared) else { unreachable!("all tasks have ended") };
        shared.counts.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    pub(super) fn new() -> Self {
        Self {
            tallies: Vec::new(),
            connect_times: Times::new(),
            latencies: Times::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// Adds those of another thread.
    pub(super) fn add(&mut self, other: Self) {
        self.tallies.extend(other.tallies);
        self.connect_times.add(&other.connect_times);
        self.latencies.add(&other.latencies);
        for (refusal, count) in other.refusals {
            *self.refusals.entry(refusal).or_default() += count;
        }
    }
}

impl Shared {
    async fn subscribe(self: Arc<Self>, number: usize, permit: OwnedSemaphorePermit) {
        let begun = Instant::now();
        let opened = timeout(ANSWER, EventStream::open(&self.target, number)).await;
        drop(permit);
        let opened = opened.unwrap_or_else(|_| Err(no_answer()));
        let mut stream = match opened {
            Ok(stream) => stream,
            Err(refusal) => return self.refused(refusal),
        };
        let index = self.connected(begun);
        let mut decoder = Decoder::new();
        while let Some(chunk) = stream.next().await {
            self.read(index, &mut decoder, &chunk);
        }
        self.ended(index);
    }

    fn refused(&self, refusal: Refusal) {
        let mut counts = self.counts();
        let is_new = !counts.refusals.contains_key(&refusal);
        let is_one_too_many = is_new && counts.refusals.len() == MAX_REASONS;
        let refusal = if is_one_too_many { Refusal::Answer("other reasons".to_owned()) } else { refusal };
        *counts.refusals.entry(refusal).or_default() += 1;
        self.live.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that has its stream; returns the index of its tally.
    fn connected(&self, begun: Instant) -> usize {
        let now = Instant::now();
        let mut counts = self.counts();
        counts.connect_times.record(now - begun);
        counts.tallies.push(Tally::default());
        let connected = now.saturating_duration_since(self.start);
        self.live.last_connected.fetch_max(nanoseconds(connected), Ordering::Relaxed);
        self.live.connected.fetch_add(1, Ordering::Relaxed);
        counts.tallies.len() - 1
    }

    /// Counts what has come. The clock is read once for all of it.
    fn read(&self, index: usize, decoder: &mut Decoder, chunk: &Bytes) {
        let is_measuring = self.live.is_measuring.load(Ordering::Acquire);
        let now = self.start.elapsed();
        let mut counts = self.counts();
        let Counts { tallies, latencies, .. } = &mut *counts;
        let tally = &mut tallies[index];
        let (events, received) = (tally.events(), tally.received());
        let mut input = &**chunk;
        loop {
            let event = match decoder.next_event(&mut input) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                // An event that is too large is skipped: it is not of this run.
                Err(_) => continue,
            };
            if !is_measuring {
                continue;
            }
            if let Some(stamp) = self.mark.read(event.data()) {
                tally.receive(stamp.sequence);
                latencies.record(now.saturating_sub(stamp.due));
            } else if event.event_type() == GAP {
                tally.receive_gap();
            } else {
                tally.receive_other();
            }
        }
        if !is_measuring {
            return;
        }
        let (events, received) = (tally.events() - events, tally.received() - received);
        self.live.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        if events > 0 {
            self.live.events.fetch_add(events, Ordering::Relaxed);
            self.live.last_received.store(nanoseconds(now), Ordering::Relaxed);
        }
        if received > 0 {
            self.live.received.fetch_add(received, Ordering::Relaxed);
        }
    }

    fn ended(&self, index: usize) {
        let received = self.counts().tallies[index].received();
        self.live.received_by_ended.fetch_add(received, Ordering::Relaxed);
        self.live.ended.fetch_add(1, Ordering::Relaxed);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // No panic leaves a count half made.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server takes connections, and does not answer.
pub(super) fn no_answer() -> Refusal {
    Refusal::Unreachable(format!("no answer within {} s", ANSWER.as_secs()))
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
