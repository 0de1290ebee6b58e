//! Why a message was not published.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::log::LogError;

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

/// There are as many topics as allowed, and all of them are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyTopics;

impl fmt::Display for TooManyTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "there are too many topics in use; drop handles that are not needed, or allow more topics",
        )
    }
}

impl Error for TooManyTopics {}
