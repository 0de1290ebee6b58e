//! The source of a hub's messages.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use sse_codec::EventId;
use tokio::task::AbortHandle;

use super::stats::LogStats;
use crate::history::{Epoch, Position, is_hubs};
use crate::log::{Backlog, Outbox, SharedLog};
use crate::message::InvalidId;

/// The source of a hub's messages and of their ids.
pub(crate) enum Source {
    /// The publishers of this process: a message gets its position when it is published.
    Memory(Epoch),
    /// A log that other processes share: a message has its position when it comes back from the log.
    Log(Box<Replica>),
}

/// The connection of a hub to its log.
pub(crate) struct Replica {
    log: SharedLog,
    outbox: Outbox,
    backlog: Arc<Backlog>,
    /// The task that follows the log. It ends with the hub.
    follower: OnceLock<AbortHandle>,
}

impl Source {
    pub(crate) fn of_log(log: SharedLog, outbox: Outbox) -> Self {
        let backlog = Arc::new(Backlog::new(log.clone()));
        Self::Log(Box::new(Replica { log, outbox, backlog, follower: OnceLock::new() }))
    }

    /// Returns the connection to the log, if there is one.
    pub(crate) fn replica(&self) -> Option<&Replica> {
        match self {
            Self::Memory(_) => None,
            Self::Log(replica) => Some(replica),
        }
    }

    /// Returns the hub's id of a position.
    pub(crate) fn id(&self, position: Position) -> EventId<'static> {
        match self {
            Self::Memory(epoch) => epoch.id(position),
            Self::Log(replica) => replica.log.id(position),
        }
    }

    /// Returns the position of an id that the hub gave.
    pub(crate) fn position(&self, id: &str) -> Option<Position> {
        match self {
            Self::Memory(epoch) => epoch.position(id),
            Self::Log(replica) => replica.log.position(id),
        }
    }

    /// When the message at a position of the log was appended; `None` without a log, or if the log does not tell.
    pub(crate) fn time(&self, position: Position) -> Option<SystemTime> {
        self.replica()?.log.time(position)
    }

    /// Checks that a publisher can give this id.
    pub(crate) fn check_own_id(id: &EventId<'_>) -> Result<(), InvalidId> {
        if is_hubs(id.as_str()) { Err(InvalidId::Reserved) } else { InvalidId::check(id) }
    }
}

impl Replica {
    pub(crate) fn log(&self) -> &SharedLog {
        &self.log
    }

    /// Returns whether an id that the log did not give may be a publisher's.
    pub(crate) fn may_be_own_id(&self, id: &str) -> bool {
        EventId::new(id).is_ok_and(|id| self.log.check_id(&id).is_ok())
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn backlog(&self) -> &Arc<Backlog> {
        &self.backlog
    }

    /// Lets the task that follows the log end with the hub.
    pub(crate) fn stop_with(&self, follower: AbortHandle) {
        // There is only one task.
        let _ = self.follower.set(follower);
    }

    /// Returns the counts of this process for its log: appended messages, and reads of older ones.
    pub(crate) fn stats(&self) -> LogStats {
        let numbers = self.outbox.numbers();
        LogStats {
            reads: self.backlog.reads(),
            queued: numbers.queued,
            appended: numbers.appended,
            failed: numbers.failed,
            retries: numbers.retries,
            repeated: numbers.repeated,
            ..LogStats::default()
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(follower) = self.follower.get() {
            follower.abort();
        }
    }
}
