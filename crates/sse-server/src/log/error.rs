//! The errors of a log, and the reasons why a message is not published.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::message::InvalidId;

/// An error of a log.
#[derive(Debug)]
pub struct LogError {
    is_refused: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl LogError {
    /// Returns the error of a log that can't be reached or has not answered. It is not known whether the operation was
    /// done.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { is_refused: false, source: source.into() }
    }

    /// Returns the error of a log that has refused the operation: it is full, or read-only, or the message is too
    /// large.
    pub fn refused(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { is_refused: true, source: source.into() }
    }

    /// Returns whether the log has refused the operation, so that it was surely not done.
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
        // The message of the error contains its source already.
        self.source.source()
    }
}

/// The reason why a message was not published.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The route is closed, so nothing can be published any more.
    Closed,
    /// The closure of [`Route::publish_with`](crate::Route::publish_with) returned this error.
    Writer(Arc<dyn Error + Send + Sync>),
    /// As many messages as allowed wait for the log. Wait until one of them is [stored](crate::Published::stored), or
    /// raise [`max_queued`](crate::log::PublisherBuilder::max_queued).
    Full,
    /// The message has an id, but the log [keeps no ids](crate::log::Log::has_ids) of publishers. Put the id into the data.
    OwnId,
    /// A publisher can't give this id.
    InvalidId(InvalidId),
    /// The id names an earlier message of this route, with another field, key or tag. Give each message its own id.
    IdTaken,
    /// The messages of [`publish_all`](crate::Route::publish_all) can't be kept together for the subscribers. Publish
    /// fewer at a time, or allow larger [bursts](crate::RouteBuilder::burst_bytes).
    BatchTooLarge,
    /// The log failed for as long as the publisher's [patience](crate::log::PublisherBuilder::patience). The log may
    /// still have the message, unless it has [refused](LogError::is_refused) it.
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
            // The message of the error contains its source already.
            Self::Log(error) => error.source(),
            _ => None,
        }
    }
}
