//! The queue: what waits for the log, and the counts of what was done with it.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::log::batch::{Batch, Outcome};
use crate::log::erased::SharedLog;
use crate::log::error::{LogError, PublishError};
use crate::log::published::Published;
use crate::message::Record;
use crate::sync::Mutex;

/// How many messages may wait, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) patience: Duration,
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

pub(super) struct Queue {
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
pub(super) type Answer = oneshot::Sender<Result<Outcome, PublishError>>;

/// What was taken out of the queue.
pub(super) struct Taken {
    /// Callers of `flush` for whom nothing is left to append.
    pub(super) flushed: Vec<oneshot::Sender<()>>,
    pub(super) ready: Option<Ready>,
}

/// Groups of messages that are appended together, at least one.
pub(super) struct Ready {
    pub(super) groups: Vec<Vec<Record>>,
    pub(super) waiting: Waiting,
    pub(super) deadline: Instant,
}

/// The publishers of a batch, who wait for the outcome.
pub(super) struct Waiting {
    pub(super) answers: Vec<Answer>,
    pub(super) failures: Vec<OnFailure>,
    /// Of the messages.
    bytes: usize,
}

impl Queue {
    pub(super) fn new(limits: Limits, log: SharedLog) -> Self {
        Self { limits, state: Mutex::new(State::default()), filled: Notify::new(), log }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    pub(super) fn log(&self) -> &SharedLog {
        &self.log
    }

    /// Wakes the task that appends.
    pub(super) fn wake(&self) {
        self.filled.notify_one();
    }

    /// Waits until there is something to append, or no publisher is left.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Queues messages that are published together, within these limits.
    pub(super) fn push(
        &self,
        records: Vec<Option<Record>>,
        limits: Limits,
        on_failure: Option<OnFailure>,
    ) -> Result<Vec<Published>, PublishError> {
        let messages = records.iter().flatten().count();
        let bytes: usize = size(records.iter().flatten());
        if messages == 0 {
            return Ok(records.iter().map(|_| Published::known(None)).collect());
        }
        let mut state = self.state.lock();
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
            let log = record.is_given_id().then(|| self.log.clone());
            published.push(Published::waiting(answered, record.id().cloned(), log));
            group.push(record);
            answers.push(answer);
        }
        let accepted = Instant::now();
        state.waiting.push_back(Pending::Group { records: group, accepted, answers, on_failure });
        Ok(published)
    }

    /// Queues a caller of `flush`. Returns what tells it that all messages before it are done, or that the task has
    /// ended; `None` if it had ended before.
    pub(super) fn push_flush(&self) -> Option<oneshot::Receiver<()>> {
        let (done, is_done) = oneshot::channel();
        let mut state = self.state.lock();
        if state.is_abandoned {
            return None;
        }
        state.waiting.push_back(Pending::Flush(done));
        Some(is_done)
    }

    /// Removes the messages of the next batch, in whole groups, and the callers of `flush` before it.
    pub(super) fn take(&self) -> Taken {
        let most = self.log.batch_messages();
        let most_bytes = Batch::MAX_BYTES.min(most * 1024);
        let mut state = self.state.lock();
        let mut flushed = Vec::new();
        let mut groups = Vec::new();
        let mut waiting = Waiting { answers: Vec::new(), failures: Vec::new(), bytes: 0 };
        let mut newest = None;
        while let Some(next) = state.waiting.pop_front() {
            match next {
                Pending::Flush(done) if groups.is_empty() => flushed.push(done),
                Pending::Group { records, accepted, mut answers, on_failure }
                    if groups.is_empty()
                        || waiting.answers.len() + records.len() <= most
                            && waiting.bytes + size(&records) <= most_bytes =>
                {
                    waiting.bytes += size(&records);
                    waiting.answers.append(&mut answers);
                    waiting.failures.extend(on_failure);
                    groups.push(records);
                    newest = Some(accepted);
                }
                later => {
                    state.waiting.push_front(later);
                    break;
                }
            }
        }
        drop(state);
        let ready = newest.map(|newest| Ready { groups, waiting, deadline: newest + self.limits.patience });
        Taken { flushed, ready }
    }

    /// Counts another attempt to append a batch.
    pub(super) fn count_retry(&self) {
        self.state.lock().numbers.retries += 1;
    }

    /// Counts the outcome of a batch.
    pub(super) fn finish(&self, batch: &Waiting, outcome: Result<&[Outcome], &LogError>) {
        let mut state = self.state.lock();
        state.messages -= batch.answers.len();
        state.bytes = state.bytes.saturating_sub(batch.bytes);
        let numbers = &mut state.numbers;
        let Ok(outcomes) = outcome else {
            numbers.failed += batch.answers.len() as u64;
            return;
        };
        for outcome in outcomes {
            match outcome {
                Outcome::New(_) => numbers.appended += 1,
                Outcome::Repeat(_) => numbers.repeated += 1,
                Outcome::Taken => {}
            }
        }
    }

    pub(super) fn numbers(&self) -> Numbers {
        let state = self.state.lock();
        Numbers { queued: state.messages, ..state.numbers }
    }

    /// Lets the task end when everything is appended, because no publisher is left.
    pub(super) fn close(&self) {
        self.state.lock().is_closed = true;
        self.filled.notify_one();
    }

    /// Returns whether nothing is left to append, now and later. Both are read at once, because the last publisher may
    /// publish before it is dropped.
    pub(super) fn is_done(&self) -> bool {
        let state = self.state.lock();
        state.is_closed && state.waiting.is_empty()
    }

    /// Gives up everything that waits, because the task has ended: publishers that wait for an outcome get none.
    pub(super) fn abandon(&self) {
        let mut state = self.state.lock();
        state.is_abandoned = true;
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
    }
}

/// Returns how many bytes the messages have.
pub(super) fn size<'r>(records: impl IntoIterator<Item = &'r Record>) -> usize {
    records.into_iter().map(|record| record.fields().len()).sum()
}
