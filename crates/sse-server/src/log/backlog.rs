//! Reads entries of the log that no ring has any more, for subscribers that resume there.
//!
//! Subscribers at the same position share one read and its result. So many clients that resume at once take few reads.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SetOnce, oneshot};
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::erased::SharedLog;
use super::error::LogError;
use super::outage::Outage;
use super::trace;
use crate::history::{Entry, Position, linked, size};
use crate::sync::{AtomicU64, Mutex};

/// How many entries are read at once.
const PAGE: usize = 256;

/// How many reads run at once.
const READS: usize = 4;

/// How many pages are kept for later subscribers, and how many bytes of them.
const PAGES: usize = 64;
const BYTES: usize = 8 * 1024 * 1024;

pub(crate) struct Backlog {
    reader: Arc<Reader>,
    pages: Mutex<VecDeque<(Position, Arc<Read>)>>,
    /// Each read is a task of its own, so that a subscriber that is not polled delays no other.
    runtime: Handle,
}

struct Reader {
    log: SharedLog,
    permits: Semaphore,
    reads: AtomicU64,
    outage: Mutex<Outage>,
}

/// A read that is running or done.
#[derive(Default)]
struct Read(SetOnce<Page>);

/// The entries directly after a position; none at the end of the log.
pub(crate) type Page = Result<Arc<[Entry]>, Unknown>;

/// An error: the log does not know which entries come after the position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unknown {
    /// The newest position of the log.
    pub(crate) end: Position,
}

impl Backlog {
    /// Returns a backlog in the runtime of the caller.
    pub(crate) fn new(log: SharedLog) -> Self {
        let reader = Reader {
            log,
            permits: Semaphore::new(READS),
            reads: AtomicU64::new(0),
            outage: Mutex::default(),
        };
        Self { reader: Arc::new(reader), pages: Mutex::default(), runtime: Handle::current() }
    }

    /// Returns the entries after a position. If the log fails, it is asked again until it answers.
    pub(crate) async fn after(&self, position: Position) -> Page {
        let read = self.read(position);
        let page = read.0.wait().await;
        // An empty or unknown result is not kept, because entries may be appended later.
        if page.as_ref().map_or(true, |page| page.is_empty()) {
            self.pages.lock().retain(|(_, kept)| !Arc::ptr_eq(kept, &read));
        }
        page.clone()
    }

    /// Returns the position of the message of a topic that a publisher's id names, if the log knows the id. If the log fails,
    /// it is asked again until it answers.
    pub(crate) async fn find(&self, topic: Arc<str>, id: Box<str>) -> Option<Position> {
        let (mut answer, answered) = oneshot::channel();
        let reader = self.reader.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                found = reader.find(&topic, &id) => drop(answer.send(found)),
                // Nobody wants to know any more.
                () = answer.closed() => {}
            }
        });
        // Without its runtime, the log can't be read.
        answered.await.ok().flatten()
    }

    /// Returns how many reads there have been.
    pub(crate) fn reads(&self) -> u64 {
        self.reader.reads.load(Ordering::Relaxed)
    }

    /// Forgets all pages, because the log has begun anew.
    pub(crate) fn clear(&self) {
        let pages = std::mem::take(&mut *self.pages.lock());
        drop(pages);
    }

    fn read(&self, position: Position) -> Arc<Read> {
        let mut pages = self.pages.lock();
        if let Some((_, read)) = pages.iter().find(|(at, _)| *at == position) {
            return read.clone();
        }
        let read = Arc::new(Read::default());
        self.runtime.spawn(self.reader.clone().ask(position, Arc::downgrade(&read)));
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

impl Reader {
    async fn page(&self, position: Position) -> Result<Page, LogError> {
        if let Some(mut page) = self.log.after(position, PAGE).await? {
            let is_end = page.is_empty();
            page.truncate(linked(position, &page));
            // If they don't follow, the log has lost the first entries after the position.
            if is_end || !page.is_empty() {
                return Ok(Ok(page.into()));
            }
        }
        let newest = self.log.before(None, 1).await?;
        Ok(Err(Unknown { end: newest.last().map_or(Position::START, |entry| entry.position) }))
    }

    async fn find(&self, topic: &str, id: &str) -> Option<Position> {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let mut wait = Backoff::default();
        loop {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let found = self.log.find(topic, id).await;
            self.tell(found.as_ref().err());
            match found {
                Ok(position) => return position,
                Err(error) => self.pause(&mut wait, &error).await,
            }
        }
    }

    /// Waits until the log is asked again.
    async fn pause(&self, wait: &mut Backoff, error: &LogError) {
        let pause = wait.next();
        trace::attempt_failed(error, pause);
        sleep(pause).await;
    }

    /// Asks the log as long as somebody waits for the result.
    async fn ask(self: Arc<Self>, position: Position, read: Weak<Read>) {
        // The semaphore is never closed.
        let _permit = self.permits.acquire().await;
        let mut wait = Backoff::default();
        while read.strong_count() > 0 {
            self.reads.fetch_add(1, Ordering::Relaxed);
            let page = self.page(position).await;
            self.tell(page.as_ref().err());
            match page {
                Ok(page) => {
                    if let Some(read) = read.upgrade() {
                        // No other task sets it.
                        let _ = read.0.set(page);
                    }
                    return;
                }
                Err(error) => self.pause(&mut wait, &error).await,
            }
        }
    }

    /// Tells that the log can't be read, or that it can be read again.
    fn tell(&self, error: Option<&LogError>) {
        let mut outage = self.outage.lock();
        let (lasted, now) = (&mut *outage, Instant::now());
        let lasted = if error.is_some() { lasted.failed(now) } else { lasted.succeeded(now) };
        drop(outage);
        match (error, lasted) {
            (Some(error), Some(lasted)) => trace::reading_fails(error, lasted),
            (None, Some(lasted)) => trace::reading_again(lasted),
            (_, None) => {}
        }
    }
}

impl Read {
    fn bytes(&self) -> usize {
        let page = self.0.get().and_then(|page| page.as_ref().ok());
        page.map_or(0, |page| page.iter().map(size).sum())
    }
}
