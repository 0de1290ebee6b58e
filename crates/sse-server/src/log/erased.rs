//! A log of any type.

use std::fmt;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;

use sse_codec::EventId;

use super::batch::Batch;
use super::contract::Log;
use super::error::LogError;
use crate::history::{Entry, Position};

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[derive(Clone)]
pub(crate) struct SharedLog(Arc<dyn ErasedLog>);

/// [`Log`] as a trait that can be an object.
pub(crate) trait ErasedLog: Send + Sync {
    fn append<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Position>, LogError>>;
    fn before(&self, position: Option<Position>, limit: usize)
    -> BoxFuture<'_, Result<Vec<Entry>, LogError>>;
    fn after(&self, position: Position, limit: usize) -> BoxFuture<'_, Result<Option<Vec<Entry>>, LogError>>;
    fn follow(&self, position: Position, limit: usize)
    -> BoxFuture<'_, Result<Option<Vec<Entry>>, LogError>>;
    fn id(&self, position: Position) -> EventId<'static>;
    fn position(&self, id: &str) -> Option<Position>;
}

impl<L: Log> ErasedLog for L {
    fn append<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Vec<Position>, LogError>> {
        Box::pin(Log::append(self, batch))
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

    fn id(&self, position: Position) -> EventId<'static> {
        Log::id(self, position)
    }

    fn position(&self, id: &str) -> Option<Position> {
        Log::position(self, id)
    }
}

impl SharedLog {
    pub(crate) fn new(log: impl Log) -> Self {
        Self(Arc::new(log))
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
