//! Why a message was not published.

use std::error::Error;
use std::fmt;

/// The route is closed: nothing can be published any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the route is closed; publish to a new one")
    }
}

impl Error for Closed {}

/// Why [`Route::publish_with`](crate::Route::publish_with) published nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// The route is closed.
    Closed,
    /// The closure returned this error.
    Writer(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => Closed.fmt(f),
            Self::Writer(_) => f.write_str("the message could not be written, and nothing was published"),
        }
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Closed => None,
            Self::Writer(error) => Some(&**error),
        }
    }
}

impl From<Closed> for PublishError {
    fn from(Closed: Closed) -> Self {
        Self::Closed
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
