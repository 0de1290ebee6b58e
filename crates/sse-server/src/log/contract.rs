//! What a log must do.

use sse_codec::EventId;

use super::batch::Batch;
use super::error::LogError;
use crate::history::{Entry, Position};

/// An ordered list of messages that outlives the processes that use it, and that several of them share.
///
/// Each entry has a [`Position`], which only rises, also when the list was lost and begun anew: so it is best made of
/// the time. Its text is the id of the event. Each entry names the entry [before it](Entry::previous), so a reader
/// notices if entries between two others were lost.
///
/// An operation ends in a bounded time, if need be with an error; those who call repeat what failed. A future that is
/// dropped leaves nothing half done. Topics and keys may be any text, publishers and positions any number, and a limit
/// is at least 1.
pub trait Log: Send + Sync + 'static {
    /// Appends the messages of a batch after all others, next to each other, in order: all or none. Returns their
    /// positions.
    ///
    /// A batch whose outcome is not known is appended again. It says so itself: by [`publisher`](Batch::publisher) and
    /// [`number`](Batch::number). If the newest batch of this publisher has this number, nothing is appended, and its
    /// positions are those of the first time. If it has a higher one, nothing is appended either; what is returned
    /// then does not matter. An hour after a batch, it need not be remembered any more.
    fn append(&self, batch: &Batch) -> impl Future<Output = Result<Vec<Position>, LogError>> + Send;

    /// The newest of the entries before a position, oldest first: at least one, if there is one, and no more than
    /// `limit`. `None` stands for the end of the log.
    fn before(
        &self,
        position: Option<Position>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, LogError>> + Send;

    /// The entries right after a position, oldest first: at least one, if there is one, and no more than `limit`.
    ///
    /// Returns `None` if it is not known what follows the position: the log holds no entry at the position, and the
    /// first entry that it holds was not appended right after the position. The first entry of a log is appended right
    /// after [`Position::START`]. A position that the log never gave is not an error.
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
