//! The trait of logs.

use std::time::SystemTime;

use sse_codec::EventId;

use super::batch::{Batch, Outcome};
use super::error::LogError;
use crate::history::{Entry, Position};
#[cfg(doc)]
use crate::message::{Record, RecordKind};

/// An ordered list of messages that several processes share, and that survives the end of each of them.
///
/// Each entry has a [`Position`]. Positions only rise, also after the list was lost and began anew, so it is best to
/// derive them from the time. The text of a position is the id of the event. Each entry names the entry [before
/// it](Entry::previous), so a reader notices if entries between two others were lost.
///
/// A log is trimmed at its old end. It may also evict messages of one topic and keep older entries of other topics. In
/// place of an evicted message, it then has an entry whose record [says so](Record::evicted). Of such entries that follow
/// one another, the newest of each topic is enough, and the log may remove the others. The position of a removed entry is
/// still known: the first entry [after](Self::after) it names this position as the one before. Once a read has told of an
/// evicted message, no later read returns the message.
///
/// An operation ends in a bounded time, with an error if necessary, and the caller repeats it. A future that is dropped
/// leaves nothing half done. Topics and keys may be any text, publishers and positions any number, and a limit is at
/// least 1.
pub trait Log: Send + Sync + 'static {
    /// Appends the messages of a batch at the end, one directly after the other, in order: all of them or none. Returns
    /// their positions.
    ///
    /// A batch whose outcome is not known is appended again. Its [`publisher`](Batch::publisher) and its
    /// [`number`](Batch::number) identify it. If the newest batch of this publisher has the same number, nothing is
    /// appended, and the positions of the first time are returned. If the newest batch has a higher number, nothing is
    /// appended either, and the returned positions do not matter. An hour after a batch, the log may forget it.
    fn append(&self, batch: &Batch) -> impl Future<Output = Result<Vec<Position>, LogError>> + Send;

    /// Returns the newest entries before a position, oldest first: at least one, if there is one, and no more than
    /// `limit`. `None` stands for the end of the log.
    fn before(
        &self,
        position: Option<Position>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Entry>, LogError>> + Send;

    /// Returns the entries directly after a position, oldest first: at least one, if there is one, and no more than
    /// `limit`.
    ///
    /// Returns `None` if it is not known which entries come after the position. That is so if the log has no entry at
    /// the position and has not removed one there for its eviction, and its first entry was not appended directly after
    /// the position. The first entry of a log is appended directly after [`Position::START`]. A position that the log
    /// never gave is not an error.
    fn after(
        &self,
        position: Position,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<Entry>>, LogError>> + Send;

    /// Does the same as [`after`](Self::after), but if there is no entry yet, it waits for one. If no entry comes for
    /// some seconds, it may return an empty list.
    ///
    /// Only one caller follows, one position at a time. If the log could not be reached since the last call, the next
    /// call returns without waiting, so that the caller learns that the log can be reached again. It also checks
    /// whether the log still has the position. In all other calls, this check may be left to the caller, which sees by
    /// [`previous`](Entry::previous) whether the new entries come directly after the old ones.
    fn follow(
        &self,
        position: Position,
        limit: usize,
    ) -> impl Future<Output = Result<Option<Vec<Entry>>, LogError>> + Send;

    /// Returns how many messages that were published separately are best appended as one batch: 256 by default, at most
    /// [`Batch::MAX_MESSAGES`], and always the same number. It is as many KiB, too, up to [`Batch::MAX_BYTES`]. Larger
    /// batches share what each append costs, such as a flush. But a log that reads a batch as a whole then reads more.
    fn batch_messages(&self) -> usize {
        256
    }

    /// Returns whether the log keeps the ids that publishers give: always the same answer. A log that keeps them implements
    /// [`append_with_ids`](Self::append_with_ids) and [`find`](Self::find) too. By default, a log does not keep them: a
    /// message that is published with an id is then [refused](crate::PublishError::OwnId).
    fn has_ids(&self) -> bool {
        false
    }

    /// Appends as [`append`](Self::append), where messages may have [ids](crate::log::Record::id) of their publishers.
    /// Returns what became of each message. A batch that is appended again has the outcomes of the first time.
    ///
    /// An id names one message of a topic. A message whose id names a message with the same fields, key and tag is a
    /// [repeat](Outcome::Repeat); if it names another message, the whole [group](Batch::groups) is left out. The messages
    /// of the same batch count, too. Of several processes that append the same id at one time, one appends it.
    ///
    /// An id is remembered for as long as its message is kept, and better for longer.
    fn append_with_ids(&self, batch: &Batch) -> impl Future<Output = Result<Vec<Outcome>, LogError>> + Send {
        async { Ok(self.append(batch).await?.into_iter().map(Outcome::New).collect()) }
    }

    /// Returns the position of the message of a topic that a publisher's id names, also if the message was trimmed. `None` if
    /// the log does not know the id. The id comes from a client, and may be any text.
    fn find(&self, topic: &str, id: &str) -> impl Future<Output = Result<Option<Position>, LogError>> + Send {
        let _ = (topic, id);
        async { Ok(None) }
    }

    /// Returns the ends of the topics that have ended: of each such topic, the entry of its [end](RecordKind::End), oldest
    /// first. These are the newest ends, and no more than `limit`. `None`, the default, is for a log that has no list of
    /// them. It is always `None`, or never.
    ///
    /// A topic has ended if its newest [`End`](RecordKind::End) is later than its newest [`Open`](RecordKind::Open). Of
    /// several ends since it was opened, the first one counts. An end is listed also after its entry was trimmed, at least
    /// as long as there is room for it. The [`previous`](Entry::previous) of these entries does not matter.
    ///
    /// A hub asks for the ends when it starts, after it has read the newest entries. Without the list, it knows the ends
    /// among these entries only, and takes all other topics for open.
    fn ends(&self, limit: usize) -> impl Future<Output = Result<Option<Vec<Entry>>, LogError>> + Send {
        let _ = limit;
        async { Ok(None) }
    }

    /// Returns the text of a position: an id that a `Last-Event-ID` header brings back without a change. It is called
    /// under a lock, as [`position`](Self::position) is, so it must do nothing else.
    fn id(&self, position: Position) -> EventId<'static> {
        EventId::from(position.get())
    }

    /// Returns the position of an id; `None` if the id is not the text of a position. The id comes from a client, and
    /// may be any text.
    fn position(&self, id: &str) -> Option<Position> {
        let position = Position::new(id.parse().ok()?);
        (self.id(position).as_str() == id).then_some(position)
    }

    /// Returns when the entry at a position was appended, if the positions of this log tell that; `None` by default. A
    /// later position must not have an earlier time. Like [`id`](Self::id), it is called under a lock.
    fn time(&self, position: Position) -> Option<SystemTime> {
        let _ = position;
        None
    }
}
