//! A log of any type.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use sse_codec::EventId;

use super::batch::{Batch, Outcome};
use super::contract::Log;
use super::error::{LogError, PublishError};
use crate::history::{Entry, Position, is_hubs};
use crate::message::InvalidId;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[derive(Clone)]
pub(crate) struct SharedLog(Arc<dyn ErasedLog>);

/// [`Log`] as a trait that can be an object.
pub(crate) trait ErasedLog: Send + Sync {
    fn batch_messages(&self) -> usize;
    fn has_ids(&self) -> bool;
    fn append<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Outcome>, LogError>>;
    fn find<'a>(&'a self, topic: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Position>, LogError>>;
    fn before(&self, position: Option<Position>, limit: usize)
    -> BoxFuture<'_, Result<Vec<Entry>, LogError>>;
    fn after(&self, position: Position, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Entry>>, LogError>>;
    fn follow(&self, position: Position, limit: usize)
    -> BoxFuture<'_, Result<Option<Vec<Entry>>, LogError>>;
    fn ends(&self, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Entry>>, LogError>>;
    fn id(&self, position: Position) -> EventId<'static>;
    fn position(&self, id: &str) -> Option<Position>;
    fn time(&self, position: Position) -> Option<SystemTime>;
}

impl<L: Log> ErasedLog for L {
    fn batch_messages(&self) -> usize {
        Log::batch_messages(self).min(Batch::MAX_MESSAGES)
    }

    fn has_ids(&self) -> bool {
        Log::has_ids(self)
    }

    fn append<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Outcome>, LogError>> {
        Box::pin(Log::append_with_ids(self, batch))
    }

    fn find<'a>(&'a self, topic: &'a str, id: &'a str) -> BoxFuture<'a, Result<Option<Position>, LogError>> {
        Box::pin(Log::find(self, topic, id))
    }

    fn before(
        &self,
        position: Option<Position>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Entry>, LogError>> {
        Box::pin(Log::before(self, position, limit))
    }

    fn after(&self, position: Position, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Entry>>, LogError>> {
        Box::pin(Log::after(self, position, limit))
    }

    fn follow(
        &self,
        position: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Option<Vec<Entry>>, LogError>> {
        Box::pin(Log::follow(self, position, limit))
    }

    fn ends(&self, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Entry>>, LogError>> {
        Box::pin(Log::ends(self, limit))
    }

    fn id(&self, position: Position) -> EventId<'static> {
        Log::id(self, position)
    }

    fn position(&self, id: &str) -> Option<Position> {
        Log::position(self, id)
    }

    fn time(&self, position: Position) -> Option<SystemTime> {
        Log::time(self, position)
    }
}

impl SharedLog {
    pub(crate) fn new(log: impl Log) -> Self {
        Self(Arc::new(log))
    }

    /// The first position whose time is not before this one; `None` if the positions of the log tell no time, or if all
    /// of them are earlier.
    pub(crate) fn position_at(&self, time: SystemTime) -> Option<Position> {
        let is_before = |position| self.time(Position::new(position)).is_some_and(|at| at < time);
        self.time(Position::START)?;
        let (mut from, mut to) = (0, u64::MAX);
        while from < to {
            let middle = from + (to - from) / 2;
            if is_before(middle) {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        (!is_before(from)).then(|| Position::new(from))
    }

    /// Checks that a publisher can give this id to a message.
    pub(crate) fn check_id(&self, id: &EventId<'_>) -> Result<(), PublishError> {
        if !self.has_ids() {
            return Err(PublishError::OwnId);
        }
        let is_reserved = is_hubs(id.as_str()) || self.position(id.as_str()).is_some();
        let checked = if is_reserved { Err(InvalidId::Reserved) } else { InvalidId::check(id) };
        checked.map_err(PublishError::InvalidId)
    }
}

impl Deref for SharedLog {
    type Target = dyn ErasedLog;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Debug for SharedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedLog")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::log::timed;

    /// A log that is asked for times only; `false` stands for one that tells none.
    struct Timed(bool);

    impl Log for Timed {
        async fn append(&self, _: &Batch) -> Result<Vec<Position>, LogError> {
            Ok(Vec::new())
        }

        async fn before(&self, _: Option<Position>, _: usize) -> Result<Vec<Entry>, LogError> {
            Ok(Vec::new())
        }

        async fn after(&self, _: Position, _: usize) -> Result<Option<Vec<Entry>>, LogError> {
            Ok(None)
        }

        async fn follow(&self, _: Position, _: usize) -> Result<Option<Vec<Entry>>, LogError> {
            Ok(None)
        }

        fn time(&self, position: Position) -> Option<SystemTime> {
            self.0.then(|| timed::system_time(position))
        }
    }

    #[track_caller]
    fn check(has_times: bool, milliseconds: u64, expected: Option<Position>) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
        assert_eq!(SharedLog::new(Timed(has_times)).position_at(time), expected, "{milliseconds}");
    }

    #[test]
    fn a_time_is_found_among_the_positions() {
        for milliseconds in [0, 1, 1_732_550_000_000, (1 << 44) - 1] {
            check(true, milliseconds, timed::position(milliseconds, 0));
            check(false, milliseconds, None);
        }
        check(true, 1 << 44, None);
    }
}
