//! The outcome of a message that was published.

use std::fmt;

use sse_codec::EventId;
use tokio::sync::oneshot;

use super::batch::Outcome;
use super::erased::SharedLog;
use super::error::PublishError;

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
        answered: oneshot::Receiver<Result<Outcome, PublishError>>,
        /// The publisher's.
        id: Option<EventId<'static>>,
        /// If the log gives the message an id.
        log: Option<SharedLog>,
    },
}

/// What has become of a message, from [`Published::receipt`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    id: Option<EventId<'static>>,
    is_repeat: bool,
}

impl Receipt {
    /// Returns the id of the event, if the message is an event or has an id.
    pub fn id(&self) -> Option<&EventId<'static>> {
        self.id.as_ref()
    }

    /// Returns whether the message was left out because it is a repeat: a message with the same id, fields, key and tag was
    /// published before.
    pub fn is_repeat(&self) -> bool {
        self.is_repeat
    }
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
        answered: oneshot::Receiver<Result<Outcome, PublishError>>,
        id: Option<EventId<'static>>,
        log: Option<SharedLog>,
    ) -> Self {
        Self(State::Waiting { answered, id, log })
    }

    /// The id of the event, if it is an event, and as far as it is known: the id that a log gives is known when the message
    /// is [`stored`](Self::stored).
    pub fn id(&self) -> Option<&EventId<'static>> {
        match &self.0 {
            State::Known(id) | State::Waiting { id, .. } => id.as_ref(),
            State::Repeat(id) => Some(id),
            State::Failed(_) => None,
        }
    }

    /// Returns whether the message was left out because it is a repeat: a message with the same id, fields, key and tag
    /// was published before. With a log, it is not known yet: [`receipt`](Self::receipt) tells it.
    pub fn is_repeat(&self) -> bool {
        matches!(self.0, State::Repeat(_))
    }

    /// Waits until the log has stored the message. Without a log, it completes at once. Returns the id of the event, if
    /// the message is an event. The message is also stored if nobody awaits this.
    ///
    /// # Errors
    ///
    /// [`PublishError::Log`] if the log failed for as long as the publisher's
    /// [patience](crate::log::PublisherBuilder::patience). The log may still have the message, unless it has
    /// [refused](crate::log::LogError::is_refused) it.
    ///
    /// [`PublishError::IdTaken`] if the log knows the publisher's id as that of another message; nothing that was
    /// published together with the message is in the log then.
    pub async fn stored(self) -> Result<Option<EventId<'static>>, PublishError> {
        Ok(self.receipt().await?.id)
    }

    /// Completes as [`stored`](Self::stored), and also tells whether the message is a repeat. With a log, only the log
    /// knows: another process, or this one before it was restarted, may have published the message.
    ///
    /// # Errors
    ///
    /// As [`stored`](Self::stored).
    pub async fn receipt(self) -> Result<Receipt, PublishError> {
        match self.0 {
            State::Known(id) => Ok(Receipt { id, is_repeat: false }),
            State::Repeat(id) => Ok(Receipt { id: Some(id), is_repeat: true }),
            State::Failed(error) => Err(error),
            State::Waiting { answered, id, log } => {
                // The task that appends has ended.
                let outcome = answered.await.map_err(|_| PublishError::Closed)??;
                let (position, is_repeat) = match outcome {
                    Outcome::New(position) => (position, false),
                    Outcome::Repeat(position) => (position, true),
                    Outcome::Taken => return Err(PublishError::IdTaken),
                };
                Ok(Receipt { id: id.or_else(|| log.map(|log| log.id(position))), is_repeat })
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
