//! Reads entries of the log that no ring has any more, for subscribers that resume there.
//!
//! Subscribers at the same position share one read and its result, and those of one topic also its joined bytes. So many
//! clients that resume at once take few reads, and each of them costs as little as a subscriber that reads a ring.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use bytes::Bytes;
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
pub(crate) const PAGE: usize = 256;

/// How many reads run at once.
const READS: usize = 4;

/// How many pages are kept for later subscribers, and how many bytes of them and of what is joined of them.
const PAGES: usize = 64;
const BYTES: usize = 8 * 1024 * 1024;

pub(crate) struct Backlog {
    reader: Arc<Reader>,
    pages: Mutex<Pages>,
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
pub(crate) type Page = Result<Arc<Entries>, Unknown>;

/// Entries that many subscribers read.
#[derive(Debug)]
pub(crate) struct Entries {
    page: Box<[Entry]>,
    /// Whether one of them tells of [evicted](crate::log::Record::evicted) messages.
    has_evicted: bool,
    /// What was joined last.
    joined: Mutex<Option<(Kind, Option<Joined>)>>,
}

/// The entries' messages as the subscribers of one topic get them.
#[derive(Clone, Debug)]
pub(crate) struct Joined {
    pub(crate) bytes: Bytes,
    pub(crate) messages: u64,
}

/// Which subscribers get the same bytes: the name of their topic, and whether they get the hub's ids alone.
pub(crate) type Kind = (Arc<str>, bool);

/// The kept pages, by the position before their entries, the oldest read first.
type Pages = VecDeque<(Position, Arc<Read>)>;

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
                // So that the same seed gives the same run.
                biased;
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

    /// Returns the entries after a position, if they were read before.
    pub(crate) fn kept(&self, position: Position) -> Option<Arc<Entries>> {
        let pages = self.pages.lock();
        let (_, read) = pages.iter().find(|(at, _)| *at == position)?;
        read.0.get()?.clone().ok().filter(|page| !page.is_empty())
    }

    /// Keeps the entries after a position for other subscribers, as if they had been read. Returns pages that are kept no
    /// more.
    #[must_use = "it may be large: drop it without a lock"]
    pub(crate) fn keep(&self, position: Position, entries: Arc<Entries>) -> impl Sized + use<> {
        let mut pages = self.pages.lock();
        // They may be being read now.
        if pages.iter().all(|(at, _)| *at != position) {
            pages.push_back((position, Arc::new(Read(SetOnce::new_with(Some(Ok(entries)))))));
        }
        trim(&mut pages)
    }

    /// Forgets all pages, because the log has begun anew. Returns them.
    #[must_use = "it may be large: drop it without a lock"]
    pub(crate) fn clear(&self) -> impl Sized + use<> {
        std::mem::take(&mut *self.pages.lock())
    }

    fn read(&self, position: Position) -> Arc<Read> {
        let mut pages = self.pages.lock();
        if let Some((_, read)) = pages.iter().find(|(at, _)| *at == position) {
            return read.clone();
        }
        let read = Arc::new(Read::default());
        self.runtime.spawn(self.reader.clone().ask(position, Arc::downgrade(&read)));
        pages.push_back((position, read.clone()));
        let dropped = trim(&mut pages);
        drop(pages);
        drop(dropped);
        read
    }
}

impl Reader {
    /// Returns the entries after a position: about [`PAGE`] of them.
    ///
    /// The last one does not tell of evicted messages, unless it is the newest. Of several such entries in a row, the log
    /// may have removed the earlier ones of a topic. So a subscriber must read all of them: in an older page, or in memory,
    /// the message of the last one may still be there.
    async fn page(&self, position: Position) -> Result<Page, LogError> {
        let (mut page, mut last) = (Vec::new(), position);
        while let Some(mut next) = self.log.after(last, PAGE).await? {
            let is_end = next.is_empty();
            next.truncate(linked(last, &next));
            // If they don't follow, the log has lost the first entries after the position.
            let Some(newest) = next.last().filter(|_| !is_end) else {
                if is_end {
                    return Ok(Ok(Arc::new(Entries::new(page))));
                }
                break;
            };
            last = newest.position;
            // All entries before these tell of evicted messages. There may be many.
            let before = page.len();
            page.append(&mut next);
            if let Some(message) = page[before..].iter().rposition(|entry| !entry.is_evicted()) {
                page.truncate(before + message + 1);
                return Ok(Ok(Arc::new(Entries::new(page))));
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
        // What is joined of them may take as many bytes again.
        page.map_or(0, |page| 2 * page.iter().map(size).sum::<usize>())
    }
}

impl Entries {
    pub(crate) fn new(entries: impl Into<Box<[Entry]>>) -> Self {
        let page = entries.into();
        let has_evicted = page.iter().any(Entry::is_evicted);
        Self { page, has_evicted, joined: Mutex::default() }
    }

    /// Returns whether an entry tells of evicted messages.
    pub(crate) fn has_evicted(&self) -> bool {
        self.has_evicted
    }

    /// Returns what `join` returns for subscribers of this kind. It is called once for all of them, unless subscribers of
    /// another kind come in between.
    pub(crate) fn joined(&self, kind: Kind, join: impl FnOnce(&[Entry]) -> Option<Joined>) -> Option<Joined> {
        let mut joined = self.joined.lock();
        if let Some((of, same)) = &*joined
            && *of == kind
        {
            return same.clone();
        }
        let new = join(&self.page);
        *joined = Some((kind, new.clone()));
        new
    }
}

impl Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.page
    }
}

/// Removes the oldest pages beyond the limits, and returns them.
fn trim(pages: &mut Pages) -> Pages {
    let mut bytes: usize = pages.iter().map(|(_, read)| read.bytes()).sum();
    let mut dropped = VecDeque::new();
    while pages.len() > PAGES || pages.len() > 1 && bytes > BYTES {
        let Some(oldest) = pages.pop_front() else { break };
        bytes -= oldest.1.bytes();
        dropped.push_back(oldest);
    }
    dropped
}

#[cfg(test)]
mod tests {
    use sse_codec::Message;

    use super::*;
    use crate::message::Record;

    #[test]
    fn entries_are_joined_once_for_all_subscribers_of_a_kind() {
        let record = Record::new("a", &Message::new("x"));
        let entries = Entries::new([Entry::new(Position::new(7), Position::START, record)]);
        let joins = std::cell::Cell::new(0);
        let check = |topic: &str, has_hub_ids, expected| {
            let joined = entries.joined((topic.into(), has_hub_ids), |entries| {
                joins.set(joins.get() + 1);
                assert_eq!(entries.len(), 1);
                (topic == "a").then(|| Joined { bytes: "data: x\n\n".into(), messages: 1 })
            });
            assert_eq!(joined.is_some(), topic == "a");
            assert_eq!(joins.get(), expected, "{topic} {has_hub_ids}");
        };
        check("a", false, 1);
        check("a", false, 1);
        check("a", true, 2);
        check("a", true, 2);
        // A page that can't be joined is not tried again either.
        check("b", true, 3);
        check("b", true, 3);
        check("a", true, 4);
    }
}
