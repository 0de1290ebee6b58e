//! Reading what the log holds and no ring does any more, for subscribers that come from far behind.
//!
//! Subscribers at the same place share one read, and what it found: a herd is a few reads.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SetOnce};
use tokio::time::sleep;

use crate::log::{Backoff, Entry, Position, SharedLog};
use crate::recent;
use crate::sync::{AtomicU64, Mutex};
use crate::trace;

/// How many entries are read at once.
const PAGE: usize = 256;

/// How many reads are under way at once.
const READS: usize = 4;

/// How many pages are kept for the next that comes, and how many bytes of them.
const PAGES: usize = 64;
const BYTES: usize = 8 * 1024 * 1024;

pub(crate) struct Backlog {
    source: Arc<Source>,
    pages: Mutex<VecDeque<(Position, Arc<Read>)>>,
    /// Reads are tasks of their own: a subscriber that is not polled keeps nobody waiting.
    runtime: Handle,
}

struct Source {
    log: SharedLog,
    permits: Semaphore,
    reads: AtomicU64,
}

/// What a read that is under way or done has found.
#[derive(Default)]
struct Read(SetOnce<Option<Arc<[Entry]>>>);

impl Backlog {
    /// The runtime is that of the caller.
    pub(crate) fn new(log: SharedLog) -> Self {
        let source = Source { log, permits: Semaphore::new(READS), reads: AtomicU64::new(0) };
        Self { source: Arc::new(source), pages: Mutex::default(), runtime: Handle::current() }
    }

    /// The entries right behind a position; none at the end of the log, `None` if the log does not know the position.
    /// If the log fails, it is asked again until it answers.
    pub(crate) async fn after(&self, position: Position) -> Option<Arc<[Entry]>> {
        let read = self.read(position);
        let page = read.0.wait().await;
        // Something may come behind it, or it may come to be known.
        if page.as_ref().is_none_or(|page| page.is_empty()) {
            self.pages.lock().retain(|(_, kept)| !Arc::ptr_eq(kept, &read));
        }
        page.clone()
    }

    /// How many reads there have been.
    pub(crate) fn reads(&self) -> u64 {
        self.source.reads.load(Ordering::Relaxed)
    }

    /// Forgets what was read: the log is another one.
    pub(crate) fn clear(&self) {
        let pages = std::mem::take(&mut *self.pages.lock());
        drop(pages);
    }

    fn read(&self, position: Position) -> Arc<Read> {
        let mut pages = self.pages.lock();
        if let Some((_, read)) = pages.iter().find(|(place, _)| *place == position) {
            return read.clone();
        }
        let read = Arc::new(Read::default());
        self.runtime.spawn(self.source.clone().ask(position, Arc::downgrade(&read)));
        pages.push_back((position, read.clone()));
        let mut bytes: usize = pages.iter().map(|(_, read)| read.bytes()).sum();
        let mut dropped = Vec::new();
        while pages.len() > PAGES || pages.len() > 1 && bytes > BYTES {
            let Some((_, oldest)) = pages.pop_front() else { break };
            bytes -= oldest.bytes();
            dropped.push(oldest);
        }
        drop(pages);
        read
    }
}

impl Source {
    /// Asks for as long as somebody wants to know.
    async fn ask(self: Arc<Self>, position: Position, read: Weak<Read>) {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let mut wait = Backoff::default();
        while read.strong_count() > 0 {
            self.reads.fetch_add(1, Ordering::Relaxed);
            match self.log.after(position, PAGE).await {
                Ok(page) => {
                    if let Some(read) = read.upgrade() {
                        // Nobody else sets it.
                        let _ = read.0.set(page.map(Arc::from));
                    }
                    return;
                }
                Err(error) => {
                    let pause = wait.next();
                    trace::read_failed(&error, pause);
                    sleep(pause).await;
                }
            }
        }
    }
}

impl Read {
    fn bytes(&self) -> usize {
        let page = self.0.get().and_then(Option::as_ref);
        page.map_or(0, |page| page.iter().map(recent::size).sum())
    }
}
