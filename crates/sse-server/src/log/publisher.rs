//! Publishing into a log: a queue, and a task that appends what is in it.
//!
//! One batch is under way at a time, so messages keep their order; what comes meanwhile is the next one, so the more is
//! published, the fewer appends it takes for each message.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use sse_codec::Message;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

use super::{Batch, Log, LogError, Position, Record, SharedLog};
use crate::error::PublishError;
use crate::published::Published;
use crate::sync::Mutex;
use crate::trace;
use crate::writer::EventWriter;

/// How much is appended together.
const BATCH_MESSAGES: usize = 256;
const BATCH_BYTES: usize = 256 * 1024;

/// The longest that a batch is repeated: a log need not remember for longer that it has appended it.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);

/// Publishes into a log, from a process that has no subscribers of its own. It is a handle: clones are the same
/// publisher.
///
/// Its messages are appended in the order in which they are published.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use sse_server::Message;
/// use sse_server::log::Publisher;
/// use sse_testing::log::MemoryLog;
///
/// let publisher = Publisher::new(MemoryLog::new());
/// // It is in the log when `stored` says so; or do not wait, and it will be.
/// let id = publisher.publish("news", &Message::new("rain"))?.stored().await?;
/// assert!(id.is_some());
/// # Ok::<(), sse_server::PublishError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Publisher(Outbox);

/// Settings of a [`Publisher`], and of [`Topics`](crate::TopicsBuilder::publisher) with a log.
#[derive(Clone, Debug)]
#[must_use]
pub struct PublisherBuilder {
    patience: Duration,
    messages: usize,
    bytes: usize,
}

impl PublisherBuilder {
    /// How long a message may wait for a log that fails, before [`stored`](Published::stored) says so; 10 s by
    /// default, at most an hour. With [`Duration::ZERO`], the first failure is the last.
    pub fn patience(mut self, time: Duration) -> Self {
        self.patience = time.min(LONGEST_PATIENCE);
        self
    }

    /// How many messages may wait to be appended; 8,192 by default. One more is [`PublishError::Full`].
    pub fn max_queued(mut self, messages: usize) -> Self {
        self.messages = messages;
        self
    }

    /// How many bytes of messages may wait to be appended; 16 MiB by default. A message that is larger can't be
    /// published.
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// The publisher. It works within the tokio runtime in which this is called.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn build(self, log: impl Log) -> Publisher {
        Publisher(self.outbox(SharedLog::new(log)))
    }

    pub(crate) fn outbox(self, log: SharedLog) -> Outbox {
        let queue = Arc::new(Queue {
            settings: self,
            state: Mutex::new(State::default()),
            filled: Notify::new(),
            log: log.clone(),
        });
        let writer = Writer {
            queue: queue.clone(),
            log,
            publisher: RandomState::new().hash_one("publisher"),
            number: 0,
        };
        tokio::spawn(writer.run());
        Outbox(Arc::new(Handle(queue)))
    }
}

impl Default for PublisherBuilder {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), messages: 8192, bytes: 16 * 1024 * 1024 }
    }
}

impl Publisher {
    /// A publisher with the default settings. It works within the tokio runtime in which this is called.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn new(log: impl Log) -> Self {
        Self::builder().build(log)
    }

    /// Settings for a publisher.
    pub fn builder() -> PublisherBuilder {
        PublisherBuilder::default()
    }

    /// Publishes a message to a topic, as [`Route::publish`](crate::Route::publish) does with a log: it never waits.
    ///
    /// # Errors
    ///
    /// [`PublishError::Full`] and [`PublishError::OwnId`]; [`PublishError::Closed`] if the runtime is gone in which the
    /// publisher was made.
    pub fn publish(&self, topic: &str, message: &Message<'_>) -> Result<Published, PublishError> {
        self.0.publish(topic.into(), EventWriter::from_message(message), None)
    }

    /// Publishes a message that makes those before it with the same key dispensable, as
    /// [`Route::publish_keyed`](crate::Route::publish_keyed) does.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_keyed(
        &self,
        topic: &str,
        key: &str,
        message: &Message<'_>,
    ) -> Result<Published, PublishError> {
        self.0.publish(topic.into(), EventWriter::from_message(message), Some(key.into()))
    }

    /// Completes when all that was published before this call is in the log, or has been given up.
    pub async fn flush(&self) {
        self.0.flush().await;
    }
}

/// The queue of messages that are to be appended.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Handle>);

/// When the last one goes, the task that appends ends, once it has nothing left to do.
struct Handle(Arc<Queue>);

struct Queue {
    settings: PublisherBuilder,
    state: Mutex<State>,
    /// Told when there is something to append, or nobody is left to publish.
    filled: Notify,
    log: SharedLog,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Pending>,
    /// Of what waits or is being appended.
    messages: usize,
    bytes: usize,
    /// Nobody is left to publish.
    is_closed: bool,
    /// Nobody is left to append: the runtime is gone, or the log has panicked.
    is_abandoned: bool,
    numbers: Numbers,
}

impl State {
    /// Whether nothing is left to append, nor will be. Both are asked at once: the last one may publish as it goes.
    fn is_done(&self) -> bool {
        self.is_closed && self.waiting.is_empty()
    }
}

/// What has become of the messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) queued: usize,
    pub(crate) appended: u64,
    pub(crate) failed: u64,
    pub(crate) retries: u64,
}

enum Pending {
    Record {
        record: Record,
        accepted: Instant,
        answer: oneshot::Sender<Result<Position, PublishError>>,
    },
    /// Who waits for all before it.
    Flush(oneshot::Sender<()>),
}

impl Outbox {
    pub(crate) fn publish(
        &self,
        topic: Arc<str>,
        message: EventWriter,
        key: Option<Arc<str>>,
    ) -> Result<Published, PublishError> {
        let Queue { settings, state, filled, log } = &*self.0.0;
        if message.has_id() {
            return Err(PublishError::OwnId);
        }
        let (fields, has_data) = message.into_fields();
        if fields.is_empty() {
            return Ok(Published::known(None));
        }
        let mut state = state.lock();
        if state.is_abandoned {
            return Err(PublishError::Closed);
        }
        if state.messages >= settings.messages || state.bytes + fields.len() > settings.bytes {
            return Err(PublishError::Full);
        }
        state.messages += 1;
        state.bytes += fields.len();
        let record = Record::of(topic, key, fields, has_data);
        let (answer, answered) = oneshot::channel();
        state.waiting.push_back(Pending::Record { record, accepted: Instant::now(), answer });
        drop(state);
        filled.notify_one();
        Ok(Published::waiting(answered, has_data.then(|| log.clone())))
    }

    pub(crate) async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        {
            let mut state = self.0.0.state.lock();
            if state.is_abandoned {
                return;
            }
            state.waiting.push_back(Pending::Flush(done));
        }
        self.0.0.filled.notify_one();
        // A writer that goes meanwhile has given all up.
        let _ = is_done.await;
    }

    pub(crate) fn numbers(&self) -> Numbers {
        let state = self.0.0.state.lock();
        Numbers { queued: state.messages, ..state.numbers }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.state.lock().is_closed = true;
        self.0.filled.notify_one();
    }
}

struct Writer {
    queue: Arc<Queue>,
    log: SharedLog,
    publisher: u64,
    number: u64,
}

/// Messages that are appended together, with those that wait for them.
struct Ready {
    batch: Batch,
    answers: Vec<oneshot::Sender<Result<Position, PublishError>>>,
    bytes: usize,
    deadline: Instant,
}

impl Drop for Writer {
    /// Whoever waits for an answer gets none.
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.is_abandoned = true;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}

impl Writer {
    async fn run(mut self) {
        loop {
            let ready = self.take();
            match ready {
                Some(ready) => self.append(ready).await,
                None if self.queue.state.lock().is_done() => return,
                None => self.queue.filled.notified().await,
            }
        }
    }

    /// Takes the next batch; `None` if there is none.
    fn take(&mut self) -> Option<Ready> {
        let mut state = self.queue.state.lock();
        let (mut records, mut answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut newest = None;
        while let Some(next) = state.waiting.pop_front() {
            match next {
                Pending::Flush(done) if records.is_empty() => drop(done.send(())),
                Pending::Record { record, accepted, answer }
                    if records.is_empty()
                        || records.len() < BATCH_MESSAGES && bytes + record.fields().len() <= BATCH_BYTES =>
                {
                    bytes += record.fields().len();
                    records.push(record);
                    answers.push(answer);
                    newest = Some(accepted);
                }
                later => {
                    state.waiting.push_front(later);
                    break;
                }
            }
        }
        drop(state);
        let deadline = newest? + self.queue.settings.patience;
        self.number += 1;
        let batch = Batch::new(self.publisher, self.number, records);
        Some(Ready { batch, answers, bytes, deadline })
    }

    /// Appends a batch, again and again until it is appended or its time is over.
    async fn append(&self, ready: Ready) {
        let Ready { batch, answers, bytes, deadline } = ready;
        let mut wait = Backoff::default();
        let outcome = loop {
            let error = match self.log.append(&batch).await {
                Ok(positions) if positions.len() == answers.len() => break Ok(positions),
                Ok(_) => LogError::refused("it told of another number of messages than it was given"),
                Err(error) => error,
            };
            let pause = wait.next();
            if Instant::now() + pause > deadline {
                break Err(Arc::new(error));
            }
            trace::append_failed(&error, pause);
            self.queue.state.lock().numbers.retries += 1;
            sleep(pause).await;
        };
        let mut state = self.queue.state.lock();
        state.messages -= answers.len();
        state.bytes -= bytes;
        match &outcome {
            Ok(_) => state.numbers.appended += answers.len() as u64,
            Err(_) => state.numbers.failed += answers.len() as u64,
        }
        drop(state);
        // Who does not wait for the answer has dropped its end.
        match outcome {
            Ok(positions) => {
                for (answer, position) in answers.into_iter().zip(positions) {
                    let _ = answer.send(Ok(position));
                }
            }
            Err(error) => {
                trace::gave_up(&error, answers.len());
                for answer in answers {
                    let _ = answer.send(Err(PublishError::Log(error.clone())));
                }
            }
        }
    }
}

/// Pauses between attempts: longer each time, and random, so that many processes do not come at once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let longest = Duration::from_millis(20 << self.failures.min(6));
        self.failures += 1;
        longest / 2 + longest.mul_f64(fastrand::f64() / 2.0)
    }
}

impl fmt::Debug for Outbox {
    /// Shows nothing of the messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
