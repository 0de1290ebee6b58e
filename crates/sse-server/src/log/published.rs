//! The outcome of a message that was published.

use std::fmt;

use sse_codec::EventId;
use tokio::sync::oneshot;

use super::erased::SharedLog;
use super::error::PublishError;
use crate::history::Position;

/// A message that was published. The caller may drop it. Without a log, the message has been delivered to the route.
/// With a log, it is queued.
///
/// [`Route::close`](crate::Route::close) and [`Route::end_client`](crate::Route::end_client) return it, too. Then it
/// has no id, and [`stored`](Self::stored) waits until the log has stored the end.
pub struct Published(State);

enum State {
    Known(Option<EventId<'static>>),
    /// The message was published before.
    Repeat(EventId<'static>),
    Failed(PublishError),
    Waiting {
        answered: oneshot::Receiver<Result<Position, PublishError>>,
        /// Where the message has an id.
        log: Option<SharedLog>,
    },
}

impl Published {
    pub(crate) fn known(id: Option<EventId<'static>>) -> Self {
        Self(State::Known(id))
    }

    /// Returns the outcome of a message that was published before with this id.
    pub(crate) fn repeat(id: EventId<'static>) -> Self {
        Self(State::Repeat(id))
    }

    /// Returns the outcome of a message that can't be stored.
    pub(crate) fn failed(error: PublishError) -> Self {
        Self(State::Failed(error))
    }

    pub(crate) fn waiting(
        answered: oneshot::Receiver<Result<Position, PublishError>>,
        log: Option<SharedLog>,
    ) -> Self {
        Self(State::Waiting { answered, log })
    }

    /// The id of the event, if it is an event, and as far as it is known: with a log, it is known when the message is
    /// [`stored`](Self::stored).
    pub fn id(&self) -> Option<&EventId<'static>> {
        match &self.0 {
            State::Known(id) => id.as_ref(),
            State::Repeat(id) => Some(id),
            State::Waiting { .. } | State::Failed(_) => None,
        }
    }

    /// Whether the message was left out because it is a repeat: a message with the same id, fields, key and tag was
    /// published before.
    pub fn is_repeat(&self) -> bool {
        matches!(self.0, State::Repeat(_))
    }

    /// Waits until the log has stored the message. Without a log, it completes at once. Returns the id of the event, if
    /// the message is an event. The message is also stored if nobody awaits this.
    ///
    /// # Errors
    ///
    /// [`PublishError::Log`] if the log failed for as long as the publisher's
    /// [patience](crate::log::PublisherBuilder::patience). Unless the log has
    /// [refused](crate::log::LogError::is_refused) it, the message may still be in the log.
    pub async fn stored(self) -> Result<Option<EventId<'static>>, PublishError> {
        match self.0 {
            State::Known(id) => Ok(id),
            State::Repeat(id) => Ok(Some(id)),
            State::Failed(error) => Err(error),
            State::Waiting { answered, log } => {
                // The task that appends is gone.
                let position = answered.await.map_err(|_| PublishError::Closed)??;
                Ok(log.map(|log| log.id(position)))
            }
        }
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("id", &self.id())
            .field("is_repeat", &self.is_repeat())
            .finish_non_exhaustive()
    }
}
