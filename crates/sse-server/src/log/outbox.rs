//! The queue of messages for a log, and the task that appends them.
//!
//! One batch is appended at a time, so messages keep their order. Messages that are published meanwhile are the next
//! batch. So if more is published, each batch has more messages.

mod queue;
mod writer;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use self::queue::Queue;
pub(crate) use self::queue::{Limits, Numbers, OnFailure};
use self::writer::Writer;
use super::batch::Batch;
use super::erased::SharedLog;
use super::error::PublishError;
use super::published::Published;
use crate::message::Record;

/// How many commands to the replicas may wait beyond the limit of messages: an end must not fail because many messages
/// wait.
const RESERVE: usize = 1024;

/// The queue of messages that are to be appended.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Handle>);

/// When the last handle is dropped, the task ends after it has appended everything.
struct Handle(Arc<Queue>);

impl Outbox {
    /// Returns a queue in the current tokio runtime.
    pub(crate) fn new(limits: Limits, log: SharedLog) -> Self {
        let queue = Arc::new(Queue::new(limits, log));
        let publisher = RandomState::new().hash_one("publisher");
        tokio::spawn(Writer::new(queue.clone(), publisher).run());
        Self(Arc::new(Handle(queue)))
    }

    fn queue(&self) -> &Queue {
        &self.0.0
    }

    /// Queues messages that are published together. `None` stands for an empty message. The caller must
    /// [wake](Self::wake) the task.
    pub(crate) fn enqueue(&self, records: Vec<Option<Record>>) -> Result<Vec<Published>, PublishError> {
        let messages = records.iter().flatten().count();
        if messages > 1
            && (messages > Batch::MAX_MESSAGES || queue::size(records.iter().flatten()) > Batch::MAX_BYTES)
        {
            return Err(PublishError::BatchTooLarge);
        }
        self.queue().push(records, self.queue().limits(), None)
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
        let limits = self.queue().limits();
        let limits =
            Limits { messages: limits.messages.saturating_add(RESERVE), bytes: usize::MAX, ..limits };
        let mut published = self.queue().push(vec![Some(record)], limits, Some(on_failure))?;
        Ok(published.pop().unwrap_or_else(|| Published::known(None)))
    }

    /// Returns the log that the messages are appended to.
    pub(crate) fn log(&self) -> &SharedLog {
        self.queue().log()
    }

    /// Wakes the task that appends.
    pub(crate) fn wake(&self) {
        self.queue().wake();
    }

    pub(crate) async fn flush(&self) {
        let Some(is_done) = self.queue().push_flush() else { return };
        self.wake();
        // If the task ends meanwhile, it has given up all messages.
        let _ = is_done.await;
    }

    pub(crate) fn numbers(&self) -> Numbers {
        self.queue().numbers()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl fmt::Debug for Outbox {
    /// Shows no messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}
