//! The log of [`Topics`](crate::Topics) that many replicas share: what they need of one, and how to publish into one.
//!
//! By default a route's history is in its own memory. With a log, any number of processes have the same topics: each
//! publishes into the log, follows it, and serves its subscribers from memory; a client resumes at any of them. The
//! crate `sse-redis` has a log in Redis Streams. Another is made by implementing [`Log`], which is four operations on
//! an ordered list; the crate `sse-testing` checks whether it does what replicas rely on.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use sse_server::{Message, Topics};
//! use sse_testing::log::MemoryLog;
//!
//! let log = MemoryLog::new();
//! let (here, there) = (Topics::builder().build_on(log.clone()).await?, Topics::builder().build_on(log).await?);
//! let id = here.route("news")?.publish(&Message::new("rain"))?.stored().await?;
//! // A client that has seen it here resumes there.
//! # drop((there, id));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod batch;
mod erased;
mod error;
mod publisher;
mod record;

use std::fmt;
use std::pin::Pin;

use sse_codec::EventId;

pub use self::batch::Batch;
pub(crate) use self::erased::SharedLog;
pub use self::error::LogError;
pub(crate) use self::publisher::{Backoff, Outbox};
pub use self::publisher::{Publisher, PublisherBuilder};
pub use self::record::{InvalidRecord, Record};

/// An ordered list of messages that outlives the processes that use it, and that several of them share.
///
/// Each entry has a [`Position`], which only rises, also when the list was lost and begun anew: so it is best made of
/// the time. Its text is the id of the event. Each entry knows which entry it was appended behind; so a reader notices
/// what was lost between two of them.
///
/// An operation ends in a bounded time, if need be with an error; those who call repeat what failed. A future that is
/// dropped leaves nothing half done. Topics and keys may be any text, publishers and positions any number, and a limit
/// is at least 1.
pub trait Log: Send + Sync + 'static {
    /// Appends the messages of a batch behind all others, next to each other, in order: all or none. Returns their
    /// positions.
    ///
    /// A batch whose outcome is not known is appended again. It says so itself: by [`publisher`](Batch::publisher) and
    /// [`number`](Batch::number). If the newest batch of this publisher has this number, nothing is appended, and its
    /// positions are those of the first time. If it has a higher one, nothing is appended either; what is returned
    /// then does not matter. An hour after a batch, it need not be remembered any more.
    fn append(&self, batch: &Batch) -> impl Future<Output = Result<Vec<Position>, LogError>> + Send;

    /// The newest of the entries ahead of a position, oldest first: at least one, if there is one, and no more than
    /// `limit`. `None` stands for the end of the log.
    fn before(
        &self,
        position: Option<Position>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, LogError>> + Send;

    /// The entries right behind a position, oldest first: at least one, if there is one, and no more than `limit`.
    ///
    /// `None` if it is not known what follows the position: the log does not hold an entry there, and the first one
    /// that it holds was not appended behind that position. [`Position::START`] is where the first entry of a log is
    /// appended behind. That a position makes no sense is not an error.
    fn after(
        &self,
        position: Position,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<Entry>>, LogError>> + Send;

    /// As [`after`](Self::after), but if there is no entry yet, it waits for one; if none comes for some seconds, it may
    /// return without one.
    ///
    /// Only one caller follows, one position at a time. Where the log was out of reach since its last call, it is
    /// answered without waiting, so that it knows that the log is there; and it is looked whether the position is still
    /// one of the log's. Otherwise this may be left to the caller, who sees by [`previous`](Entry::previous) whether
    /// what comes follows what has come.
    fn follow(
        &self,
        position: Position,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<Entry>>, LogError>> + Send;

    /// The text of a position: an id that comes back in a `Last-Event-ID` header as it was. It is asked for under a
    /// lock, as is [`position`](Self::position): do nothing but that.
    fn id(&self, position: Position) -> EventId<'static> {
        EventId::from(position.get())
    }

    /// The position that an id is the text of; `None` if it is of none. It comes from the client, and may be anything.
    fn position(&self, id: &str) -> Option<Position> {
        let position = Position::new(id.parse().ok()?);
        (self.id(position).as_str() == id).then_some(position)
    }
}

/// A place in a log. A later entry has a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// Ahead of every entry.
    pub const START: Self = Self(0);

    /// A position from its number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// A message in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is.
    pub position: Position,
    /// The entry that it was appended behind, whether or not that is still there; [`Position::START`] for the first.
    pub previous: Position,
    /// The message; `None` for an entry that holds none, which readers pass over.
    pub record: Option<Record>,
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
