//! What an observer is told.

use std::time::Duration;

use crate::error::Error;

pub(crate) type Observer = Box<dyn FnMut(Notice<'_>) + Send>;

/// What an [`EventSource`](crate::EventSource) does, as its [observer](crate::EventSourceBuilder::observer) is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// There is a good response: the events that follow come from a new connection.
    Opened,
    /// Bytes came, not decoded yet: the events in them follow. A comment is a sign of life too; a
    /// [`LineDecoder`](crate::LineDecoder) that is reset at [`Opened`](Self::Opened) reads it.
    Received(&'a [u8]),
    /// The last event ID is another one now: the next connection will send it. If it came with an event, that event is
    /// given next.
    LastEventId(&'a str),
    /// The last event ID holds control characters, which no header can: the request goes without it, and the server
    /// can't know where to go on.
    LastEventIdNotSent(&'a str),
    /// The connection ended, with an error or without one, and the next attempt follows after this time.
    #[non_exhaustive]
    Waiting {
        /// Until the next attempt.
        delay: Duration,
        /// What ended the connection; `None` if the stream just ended.
        cause: Option<&'a Error>,
    },
    /// There will be no connection any more, because of this error, which is given next, or because the stream is over
    /// or [closed](crate::EventSource::close).
    Closed(Option<&'a Error>),
}

/// Tells the observer, if there is one.
pub(crate) fn tell(observer: &mut Option<Observer>, notice: Notice<'_>) {
    if let Some(observer) = observer {
        observer(notice);
    }
}
