//! The log: [`sse_server::log::Log`] by a thread that reads and writes the disk.

use std::fmt;
use std::path::Path;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use sse_server::EventId;
use sse_server::log::{Batch, Entry, Log, LogError, Outcome, Position, timed};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::builder::DiskLogBuilder;
use crate::error::{Failure, OpenError, is_damage};
use crate::store::{self, Store};
use crate::tail::After;
use crate::trace;
use crate::worker::{Append, DiskStats, Job, Settings, Shared, Worker};

/// How long an operation of the disk may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a follower waits for new entries before it asks again.
const FOLLOW: Duration = Duration::from_secs(5);

/// How many batches may wait to be appended.
const WAITING: usize = 16 * 1024;

/// A log in a directory of the local disk. It is a handle, and its clones are the same log. When the last clone is
/// dropped, all entries are flushed, and the directory can be opened again.
///
/// One process at a time can open a directory. See [`sse_server::TopicsBuilder::build_on`] and
/// [`sse_server::log::Publisher`].
#[derive(Clone)]
pub struct DiskLog(Arc<Handle>);

struct Handle {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<thread::JoinHandle<()>>>,
    shared: Arc<Shared>,
    waiting: Arc<Semaphore>,
}

impl DiskLog {
    /// Opens the log in a directory, or makes a new one there. It has the default settings: 1 GiB, and each message is
    /// on the disk when it is [stored](sse_server::Published::stored).
    ///
    /// This takes some milliseconds, however large the log is. After a crash, it takes as long as reading about 20 MiB.
    ///
    /// # Errors
    ///
    /// [`OpenError`], whose text names the path and says what to do.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::builder().open(directory)
    }

    /// Returns the settings for a log.
    pub fn builder() -> DiskLogBuilder {
        DiskLogBuilder::default()
    }

    pub(crate) fn start(store: Store, settings: Settings) -> Result<Self, OpenError> {
        let (jobs, received) = mpsc::channel();
        let shared = Arc::new(Shared::new(&store));
        let file = shared.file.clone();
        let worker = Worker::new(store, settings, received, shared.clone());
        let thread = thread::Builder::new().name("sse-disk".to_owned()).spawn(|| worker.run());
        let thread = thread.map_err(|error| OpenError::system(&file, &error))?;
        Ok(Self(Arc::new(Handle {
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            shared,
            waiting: Arc::new(Semaphore::new(WAITING)),
        })))
    }

    /// Returns the counts of the log at its last operation on the disk.
    pub fn stats(&self) -> DiskStats {
        *self.0.shared.stats()
    }

    /// Trims the log to about this number of its newest entries, at least one.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the disk fails.
    pub async fn trim(&self, entries: u64) -> Result<(), LogError> {
        self.0.ask(|answer| Job::Trim(entries, answer)).await
    }

    /// Returns the path of the file in the directory, for messages.
    pub fn file(&self) -> &Path {
        &self.0.shared.file
    }

    /// Reads on the thread of the disk.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> store::Result<T> + Send + 'static,
        damaged: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LogError> {
        let job = |answer: oneshot::Sender<_>| {
            Job::Ask(Box::new(move |store| {
                // The caller may wait no more.
                if answer.is_closed() {
                    return;
                }
                let outcome = match read(store) {
                    Err(error) if is_damage(&error) => {
                        trace::unreadable(&error);
                        Ok(damaged())
                    }
                    outcome => outcome.map_err(|error| Failure::new(store.file(), &error)),
                };
                let _ = answer.send(outcome);
            }))
        };
        self.0.ask(job).await
    }
}

impl Handle {
    /// Sends a job to the thread, and waits for its result.
    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, Failure>>) -> Job,
    ) -> Result<T, LogError> {
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let is_sent = jobs.is_some_and(|jobs| jobs.send(job(answer)).is_ok());
        let file = self.shared.file.display();
        let ended =
            || LogError::refused(format!("the thread that works on {file} has ended; restart the process"));
        if !is_sent {
            return Err(ended());
        }
        match timeout(PATIENCE, answered).await {
            Ok(Ok(outcome)) => outcome.map_err(Failure::into_log_error),
            Ok(Err(_)) => Err(ended()),
            Err(_) => {
                let seconds = PATIENCE.as_secs();
                Err(LogError::unavailable(format!("the disk of {file} has not answered for {seconds} s")))
            }
        }
    }
}

impl Drop for Handle {
    /// Waits for the end of the thread, so that the directory can be opened again.
    fn drop(&mut self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // If the thread has panicked, its message was printed.
            let _ = thread.join();
        }
    }
}

impl Log for DiskLog {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        self.append_with_ids(batch).await?.into_iter().map(Outcome::position).collect()
    }

    fn batch_messages(&self) -> usize {
        Batch::MAX_MESSAGES
    }

    fn has_ids(&self) -> bool {
        true
    }

    async fn append_with_ids(&self, batch: &Batch) -> Result<Vec<Outcome>, LogError> {
        let permit = self.0.waiting.clone().acquire_owned().await;
        // The semaphore is never closed.
        let permit = permit.map_err(LogError::refused)?;
        let batch = batch.clone();
        self.0.ask(|answer| Job::Append(Append { batch, answer, permit })).await
    }

    async fn find(&self, topic: &str, id: &str) -> Result<Option<Position>, LogError> {
        let (topic, id) = (topic.to_owned(), id.to_owned());
        self.read(move |store| store.find(&topic, &id), || None).await
    }

    async fn ends(&self, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.read(move |store| store.ends(limit).map(Some), || Some(Vec::new())).await
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        self.read(move |store| store.before(position, limit), Vec::new).await
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        let after = self.0.shared.tail().after(position, limit);
        match after {
            After::Known(entries) => Ok(Some(entries)),
            After::Older => self.read(move |store| store.after(position, limit), || None).await,
        }
    }

    async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.0.shared.follow(position);
        let grown = self.0.shared.grown.notified();
        let entries = self.after(position, limit).await?;
        if entries.as_ref().is_none_or(|entries| !entries.is_empty()) {
            return Ok(entries);
        }
        // The follower is at the end. For it, a short and a long wait are the same.
        let _ = timeout(FOLLOW, grown).await;
        self.after(position, limit).await
    }

    fn id(&self, position: Position) -> EventId<'static> {
        timed::id(position)
    }

    fn position(&self, id: &str) -> Option<Position> {
        timed::parse(id)
    }

    fn time(&self, position: Position) -> Option<SystemTime> {
        Some(timed::system_time(position))
    }
}

impl fmt::Debug for DiskLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskLog").field("file", &self.0.shared.file).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::SystemTime;

    use sse_server::log::Record;
    use sse_server::{Message, Topics};

    use super::*;
    use crate::builder::{Durability, FILE};
    use crate::store::{TopicBounds, Vfs};

    /// Returns the data of the next `count` events for a client with this id.
    async fn resumed(topics: &Topics, id: &str, count: usize) -> Vec<String> {
        let mut events = topics.subscribe_from(id, ["news"]).into_events();
        let mut seen = Vec::new();
        while seen.len() < count {
            match timeout(Duration::from_secs(10), events.next()).await.expect("an event comes") {
                Some(sse_server::Item::Event(event)) => seen.push(event.event().data().to_owned()),
                other => seen.push(format!("{other:?}")),
            }
        }
        seen
    }

    /// The bound is a setting, so the test changes it on the thread of the disk.
    #[tokio::test]
    async fn evicted_messages_of_a_topic_are_told_of() {
        let directory = tempfile::tempdir().unwrap();
        let logs = Mutex::new(HashMap::<String, DiskLog>::new());
        let open = async |name: &str| {
            let mut logs = logs.lock().unwrap();
            logs.entry(name.into())
                .or_insert_with(|| DiskLog::open(directory.path().join(name)).unwrap())
                .clone()
        };
        sse_testing::log::check_evicting(open, async |name: &str, messages: usize| {
            let bounds = TopicBounds { messages: Some(messages as u64), bytes: None };
            let evict = move |store: &mut Store| {
                store.bound_topics(bounds)?;
                while store.evict(Position::new(u64::MAX))?.is_some() {}
                store::Result::Ok(())
            };
            let log = open(name).await;
            let job = |answer: oneshot::Sender<_>| {
                Job::Ask(Box::new(move |store| {
                    let evicted = evict(store).map_err(|error| Failure::new(store.file(), &error));
                    answer.send(evicted).unwrap();
                }))
            };
            log.0.ask(job).await.unwrap();
            // In memory, the newest entries are as they were.
            let end = log.0.shared.tail().end();
            log.0.shared.tail().trim(end);
        })
        .await;
    }

    /// The time of the newest message is an hour from now, because the clock was set back by an hour since then.
    #[tokio::test]
    async fn positions_rise_though_the_clock_goes_back() {
        let directory = tempfile::tempdir().unwrap();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let later = u64::try_from(since.as_millis()).unwrap() + 60 * 60 * 1000;
        let mut store =
            Store::open(&directory.path().join(FILE), Vfs::System, Durability::default()).unwrap();
        let records = ["1", "2"].map(|data| Record::new("news", &Message::new(data)).unwrap());
        let appended = store.append(&[Batch::new(1, 1, records.to_vec())], later).unwrap();
        drop(store);
        let [Outcome::New(first), Outcome::New(second)] = appended.outcomes[0][..] else {
            panic!("{appended:?}")
        };

        let log = DiskLog::builder().max_age(Duration::from_secs(60));
        let log = log.open(directory.path()).unwrap();
        let topics = Topics::builder().build_on(log.clone()).await.unwrap();
        let news = topics.route("news").unwrap();
        for data in ["3", "4"] {
            let id = news.publish(&Message::new(data)).unwrap().stored().await.unwrap().unwrap();
            assert!(timed::parse(id.as_str()) > Some(second), "{id}");
        }
        assert_eq!(resumed(&topics, &timed::text(first), 3).await, ["2", "3", "4"]);
        assert_eq!(log.stats().entries, 4, "no entry has expired");
        drop((news, topics, log));

        // A second process has no entries in memory.
        let topics = loop {
            // The tasks of the topics may hold the log for a moment longer.
            match DiskLog::open(directory.path()) {
                Ok(log) => break Topics::builder().recent(1).build_on(log).await.unwrap(),
                Err(_) => tokio::task::yield_now().await,
            }
        };
        assert_eq!(resumed(&topics, &timed::text(first), 3).await, ["2", "3", "4"]);
    }
}
