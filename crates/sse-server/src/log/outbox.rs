//! The queue of messages for a log, and the task that appends them.
//!
//! One batch is appended at a time, so messages keep their order. Messages that are published meanwhile are the next
//! batch. So if more is published, each batch has more messages.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::batch::{Batch, Outcome};
use super::erased::SharedLog;
use super::error::{LogError, PublishError};
use super::outage::Outage;
use super::published::Published;
use super::trace;
use crate::message::Record;
use crate::sync::Mutex;

/// How many messages, and how many bytes, are appended together if they were published separately.
const BATCH_MESSAGES: usize = 256;
const BATCH_BYTES: usize = 256 * 1024;

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
        let writer = Writer {
            queue: queue.clone(),
            log,
            publisher,
            number: 0,
            outage: Outage::default(),
            giving_up: Outage::default(),
            given_up: 0,
        };
        tokio::spawn(writer.run());
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

struct Writer {
    queue: Arc<Queue>,
    log: SharedLog,
    publisher: u64,
    number: u64,
    outage: Outage,
    /// Whether messages are given up in this outage, and how many.
    giving_up: Outage,
    given_up: u64,
}

/// Messages that are appended together, with those that wait for the outcome.
struct Ready {
    batch: Batch,
    answers: Vec<Answer>,
    failures: Vec<OnFailure>,
    bytes: usize,
    deadline: Instant,
}

impl Drop for Writer {
    /// Publishers that wait for an outcome get none.
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

    /// Removes the next batch from the queue, of whole groups; `None` if there is none.
    fn take(&mut self) -> Option<Ready> {
        let mut state = self.queue.state.lock();
        let (mut groups, mut batch_answers, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut failures = Vec::new();
        let mut newest = None;
        while let Some(next) = state.waiting.pop_front() {
            match next {
                Pending::Flush(done) if groups.is_empty() => drop(done.send(())),
                Pending::Group { records, accepted, mut answers, on_failure }
                    if groups.is_empty()
                        || batch_answers.len() + records.len() <= BATCH_MESSAGES
                            && bytes + size(&records) <= BATCH_BYTES =>
                {
                    bytes += size(&records);
                    groups.push(records);
                    batch_answers.append(&mut answers);
                    failures.extend(on_failure);
                    newest = Some(accepted);
                }
                later => {
                    state.waiting.push_front(later);
                    break;
                }
            }
        }
        drop(state);
        let deadline = newest? + self.queue.limits.patience;
        self.number += 1;
        let batch = Batch::of_groups(self.publisher, self.number, groups);
        Some(Ready { batch, answers: batch_answers, failures, bytes, deadline })
    }

    /// Appends a batch, again and again until it is appended or its time is over.
    async fn append(&mut self, ready: Ready) {
        let Ready { batch, answers, failures, bytes, deadline } = ready;
        let mut wait = Backoff::default();
        let outcome = loop {
            let error = match self.log.append(&batch).await {
                Ok(outcomes) if outcomes.len() == answers.len() => break Ok(outcomes),
                Ok(_) => LogError::refused("it has returned a wrong number of positions"),
                Err(error) => error,
            };
            let (pause, now) = (wait.next(), Instant::now());
            trace::attempt_failed(&error, pause);
            if let Some(lasted) = self.outage.failed(now) {
                trace::appending_fails(&error, lasted);
            }
            if now + pause > deadline {
                break Err(Arc::new(error));
            }
            self.queue.state.lock().numbers.retries += 1;
            sleep(pause).await;
        };
        let mut state = self.queue.state.lock();
        state.messages -= answers.len();
        state.bytes = state.bytes.saturating_sub(bytes);
        match &outcome {
            Ok(outcomes) => {
                for outcome in outcomes {
                    let numbers = &mut state.numbers;
                    match outcome {
                        Outcome::New(_) => numbers.appended += 1,
                        Outcome::Repeat(_) => numbers.repeated += 1,
                        Outcome::Taken => {}
                    }
                }
            }
            Err(_) => state.numbers.failed += answers.len() as u64,
        }
        drop(state);
        // If the publisher does not wait for the outcome, it has dropped its end.
        match outcome {
            Ok(outcomes) => {
                self.tell_that_it_works();
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(Ok(outcome));
                }
            }
            Err(error) => {
                self.tell_of_given_up(&error, answers.len());
                for on_failure in failures {
                    on_failure();
                }
                for answer in answers {
                    let _ = answer.send(Err(PublishError::Log(error.clone())));
                }
            }
        }
    }

    fn tell_of_given_up(&mut self, error: &LogError, messages: usize) {
        self.given_up += messages as u64;
        if self.giving_up.failed(Instant::now()).is_some() {
            trace::gave_up(error, self.given_up);
        }
    }

    fn tell_that_it_works(&mut self) {
        let now = Instant::now();
        if let Some(lasted) = self.outage.succeeded(now) {
            trace::appending_again(lasted, mem::take(&mut self.given_up));
            self.giving_up.succeeded(now);
        }
    }
}

fn size(records: &[Record]) -> usize {
    records.iter().map(|record| record.fields().len()).sum()
}

impl fmt::Debug for Outbox {
    /// Shows no messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
