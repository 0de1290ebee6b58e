//! The queue of messages for a log, and the task that appends them.
//!
//! One batch is appended at a time, so messages keep their order. Messages that are published meanwhile are the next
//! batch. So if more is published, each batch has more messages.

mod writer;

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use self::writer::Writer;
use super::batch::{Batch, Outcome};
use super::erased::SharedLog;
use super::error::PublishError;
use super::published::Published;
use crate::message::Record;
use crate::sync::Mutex;

/// How many commands to the replicas may wait beyond the limit of messages: an end must not fail because many messages
/// wait.
const RESERVE: usize = 1024;

/// How many messages may wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) patience: Duration,
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// The queue of messages that are to be appended.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Handle>);

/// When the last handle is dropped, the task ends after it has appended everything.
struct Handle(Arc<Queue>);

struct Queue {
    limits: Limits,
    state: Mutex<State>,
    /// Notified when there is something to append, or when no publisher is left.
    filled: Notify,
    log: SharedLog,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Pending>,
    /// How many messages wait or are being appended.
    messages: usize,
    bytes: usize,
    /// Whether no publisher is left.
    is_closed: bool,
    /// Whether the task has ended, because its runtime has ended or the log has panicked.
    is_abandoned: bool,
    numbers: Numbers,
}

impl State {
    /// Returns whether nothing is left to append, now and later. Both are read at once, because the last publisher may
    /// publish before it is dropped.
    fn is_done(&self) -> bool {
        self.is_closed && self.waiting.is_empty()
    }
}

/// Counts of what was done with the messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) queued: usize,
    pub(crate) appended: u64,
    pub(crate) repeated: u64,
    pub(crate) failed: u64,
    pub(crate) retries: u64,
}

enum Pending {
    /// Messages that were published together.
    Group { records: Vec<Record>, accepted: Instant, answers: Vec<Answer>, on_failure: Option<OnFailure> },
    /// A caller of `flush` waits for all messages before it.
    Flush(oneshot::Sender<()>),
}

/// Called if the messages are given up.
pub(crate) type OnFailure = Box<dyn FnOnce() + Send>;

/// Reports the outcome of a message to its publisher.
type Answer = oneshot::Sender<Result<Outcome, PublishError>>;

impl Outbox {
    /// Returns a queue in the current tokio runtime.
    pub(crate) fn new(limits: Limits, log: SharedLog) -> Self {
        let queue = Arc::new(Queue {
            limits,
            state: Mutex::new(State::default()),
            filled: Notify::new(),
            log: log.clone(),
        });
        let publisher = RandomState::new().hash_one("publisher");
        tokio::spawn(Writer::new(queue.clone(), log, publisher).run());
        Self(Arc::new(Handle(queue)))
    }

    /// Queues messages that are published together. `None` stands for an empty message. The caller must
    /// [wake](Self::wake) the task.
    pub(crate) fn enqueue(&self, records: Vec<Option<Record>>) -> Result<Vec<Published>, PublishError> {
        let limits = self.0.0.limits;
        let size = |record: &Record| record.fields().len();
        let messages = records.iter().flatten().count();
        let bytes: usize = records.iter().flatten().map(size).sum();
        if messages > 1 && (messages > Batch::MAX_MESSAGES || bytes > Batch::MAX_BYTES) {
            return Err(PublishError::BatchTooLarge);
        }
        self.push(records, messages, bytes, limits, None)
    }

    /// Queues a command to all replicas, and wakes the task.
    pub(crate) fn tell(&self, record: Record) -> Result<Published, PublishError> {
        let published = self.enqueue(vec![Some(record)]);
        self.wake();
        Ok(published?.pop().unwrap_or_else(|| Published::known(None)))
    }

    /// Queues an end or an opening of a topic. The caller must [wake](Self::wake) the task.
    pub(crate) fn enqueue_control(
        &self,
        record: Record,
        on_failure: OnFailure,
    ) -> Result<Published, PublishError> {
        let limits = self.0.0.limits;
        let limits =
            Limits { messages: limits.messages.saturating_add(RESERVE), bytes: usize::MAX, ..limits };
        let mut published = self.push(vec![Some(record)], 1, 0, limits, Some(on_failure))?;
        Ok(published.pop().unwrap_or_else(|| Published::known(None)))
    }

    fn push(
        &self,
        records: Vec<Option<Record>>,
        messages: usize,
        bytes: usize,
        limits: Limits,
        on_failure: Option<OnFailure>,
    ) -> Result<Vec<Published>, PublishError> {
        let Queue { state, log, .. } = &*self.0.0;
        if messages == 0 {
            return Ok(records.iter().map(|_| Published::known(None)).collect());
        }
        let mut state = state.lock();
        if state.is_abandoned {
            return Err(PublishError::Closed);
        }
        if state.messages.saturating_add(messages) > limits.messages
            || state.bytes.saturating_add(bytes) > limits.bytes
        {
            return Err(PublishError::Full);
        }
        state.messages += messages;
        state.bytes += bytes;
        let (mut published, mut group, mut answers) =
            (Vec::with_capacity(records.len()), Vec::new(), Vec::new());
        for record in records {
            let Some(record) = record else {
                published.push(Published::known(None));
                continue;
            };
            let (answer, answered) = oneshot::channel();
            let log = record.is_given_id().then(|| log.clone());
            published.push(Published::waiting(answered, record.id().cloned(), log));
            group.push(record);
            answers.push(answer);
        }
        state.waiting.push_back(Pending::Group {
            records: group,
            accepted: Instant::now(),
            answers,
            on_failure,
        });
        Ok(published)
    }

    /// Returns the log that the messages are appended to.
    pub(crate) fn log(&self) -> &SharedLog {
        &self.0.0.log
    }

    /// Wakes the task that appends.
    pub(crate) fn wake(&self) {
        self.0.0.filled.notify_one();
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
        // If the task ends meanwhile, it has given up all messages.
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

impl fmt::Debug for Outbox {
    /// Shows no messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
