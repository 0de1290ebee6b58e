//! What goes wrong with a log, and why a message was not published.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::message::InvalidId;

/// A log could not do what it was asked for.
#[derive(Debug)]
pub struct LogError {
    is_refused: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl LogError {
    /// The log can't be reached, or has not answered. Whether it has done what it was asked for is not known.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { is_refused: false, source: source.into() }
    }

    /// The log has answered that it does not do it: it is full, or read-only, or the message is too large.
    pub fn refused(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { is_refused: true, source: source.into() }
    }

    /// Whether the log has answered, so that it is known that it has done nothing.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_refused, source } = self;
        if *is_refused {
            write!(f, "the log refuses: {source}")
        } else {
            write!(f, "the log can't be reached: {source}")
        }
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The message has the error's own already.
        self.source.source()
    }
}

/// Why a message was not published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The route is closed: nothing can be published any more.
    Closed,
    /// The closure of [`Route::publish_with`](crate::Route::publish_with) returned this error.
    Writer(Arc<dyn Error + Send + Sync>),
    /// As many messages as allowed wait for the log. Wait until one is [stored](crate::Published::stored), or see
    /// [`max_queued`](crate::log::PublisherBuilder::max_queued).
    Full,
    /// The message has an id, but ids are given by the log: put it into the data.
    OwnId,
    /// The id can't be a publisher's.
    InvalidId(InvalidId),
    /// The id names an earlier message of this route, with another field, key or tag. Give each message an id of its own.
    IdTaken,
    /// The messages of [`publish_all`](crate::Route::publish_all) are more than can be kept together for the
    /// subscribers. Publish fewer at a time, or allow larger [bursts](crate::RouteBuilder::burst_bytes).
    BatchTooLarge,
    /// The log failed, for as long as the publisher's [patience](crate::log::PublisherBuilder::patience). Unless it has
    /// [refused](LogError::is_refused) the message, the message may still be in it.
    Log(Arc<LogError>),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the route is closed; publish to a new one"),
            Self::Writer(_) => f.write_str("the message could not be written, and nothing was published"),
            Self::Full => f.write_str("too many messages wait for the log; wait until one of them is stored"),
            Self::OwnId => {
                f.write_str("the message has an id, but the log gives the ids; put it into the data")
            }
            Self::InvalidId(error) => error.fmt(f),
            Self::IdTaken => {
                f.write_str("the id names another message of this topic; give each message its own id")
            }
            Self::BatchTooLarge => {
                f.write_str("there are too many messages to publish together; publish fewer at a time")
            }
            Self::Log(error) => write!(f, "the message could not be stored: {error}"),
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Writer(error) => Some(&**error),
            // The message has the error's own already.
            Self::Log(error) => error.source(),
            _ => None,
        }
    }
}
