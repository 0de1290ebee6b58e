//! The threads of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::bench::connection::Target;
use crate::bench::mark::Mark;
use crate::bench::subscribers::{Counts, Live, Subscribers};
use crate::failure::Failure;
use crate::runtime;

/// How many subscribers justify one more thread.
const PER_THREAD: usize = 1000;

/// The subscribers, spread over threads.
#[derive(Debug)]
pub(super) struct Threads(Vec<(Arc<Live>, JoinHandle<Counts>)>);

impl Threads {
    /// Starts so many subscribers, of which some may be connecting at a time.
    pub(super) fn start(
        target: Target,
        subscribers: usize,
        connecting: usize,
        mark: Mark,
        start: Instant,
    ) -> Result<Self, Failure> {
        let target = Arc::new(target);
        let count = thread_count(subscribers);
        let start_one = |index| {
            let subscribers = Subscribers {
                target: target.clone(),
                numbers: index * subscribers / count..(index + 1) * subscribers / count,
                connecting: connecting.div_ceil(count),
                mark,
                start,
            };
            let live = Arc::new(Live::default());
            let (runtime, of_thread) = (runtime::of_one_thread()?, live.clone());
            Ok((live, spawn("subscribers", move || runtime.block_on(subscribers.run(of_thread)))?))
        };
        (0..count).map(start_one).collect::<Result<_, _>>().map(Self)
    }

    /// From now on events are counted, or no more.
    pub(super) fn measure(&self, is_measuring: bool) {
        for (live, _) in &self.0 {
            live.is_measuring.store(is_measuring, Ordering::Release);
        }
    }

    pub(super) fn sum(&self, number: impl Fn(&Live) -> &AtomicU64) -> u64 {
        self.0.iter().map(|(live, _)| number(live).load(Ordering::Relaxed)).sum()
    }

    pub(super) fn greatest(&self, number: impl Fn(&Live) -> &AtomicU64) -> u64 {
        self.0.iter().map(|(live, _)| number(live).load(Ordering::Relaxed)).max().unwrap_or(0)
    }

    /// Ends all streams, and returns what was counted.
    pub(super) fn end(self) -> Result<Counts, Failure> {
        for (live, _) in &self.0 {
            live.end.notify_one();
        }
        let mut all = Counts::new();
        for (_, thread) in self.0 {
            all.add(join(thread)?);
        }
        Ok(all)
    }
}

/// At most half of the CPUs: the server, the publisher and the system need some too.
fn thread_count(subscribers: usize) -> usize {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    (cpus / 2).min(subscribers / PER_THREAD).max(1)
}

pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.map_err(|error| Failure::failed(format!("the system gives no thread: {error}")))
}

pub(super) fn join<T>(thread: JoinHandle<T>) -> Result<T, Failure> {
    // The thread has said why.
    thread.join().map_err(|_| Failure::failed("a part of the program has failed"))
}
