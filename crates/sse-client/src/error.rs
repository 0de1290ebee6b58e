//! Why there are no more events.

use std::error::Error as StdError;
use std::fmt;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use sse_codec::TooLarge;

/// What went wrong with an event stream.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The request can't succeed: it has no URL, or one that is not HTTP, a header is invalid, or its redirects never end.
    Request(reqwest::Error),
    /// The body of the request is a stream, which can't be sent again for a reconnect.
    Body,
    /// There was no response: the server could not be reached, or the connection broke.
    Connect(reqwest::Error),
    /// The response's status is not 200.
    #[non_exhaustive]
    Status {
        /// The status.
        status: StatusCode,
    },
    /// The response is not of the type `text/event-stream`.
    #[non_exhaustive]
    ContentType {
        /// Its `Content-Type`, if it has one.
        found: Option<HeaderValue>,
    },
    /// The connection broke in the middle of the stream.
    Read(reqwest::Error),
    /// There were more failures in a row than [`Reconnect::max_retries`](crate::Reconnect::max_retries) allows, the
    /// last of which was a stream that ended before it brought anything.
    GaveUp,
    /// An event was larger than the limit and was skipped. The stream goes on with the next one.
    TooLarge(TooLarge),
}

impl Error {
    /// Whether the end follows. It does after every error but [`TooLarge`](Self::TooLarge).
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::TooLarge(_))
    }

    /// What was wrong when a request was sent: the request itself, or the network.
    pub(crate) fn from_sending(error: reqwest::Error) -> Self {
        let futile = error.is_builder() || error.is_redirect();
        if futile { Self::Request(error) } else { Self::Connect(error) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(_) => f.write_str("the request can't succeed as it is; check its URL and headers"),
            Self::Body => f.write_str(
                "the request can't be sent again, because its body is a stream; give it bytes or text",
            ),
            Self::Connect(_) => f.write_str("the server could not be reached"),
            Self::Status { status } => {
                write!(f, "the server answered {status} instead of 200 with an event stream")
            }
            Self::ContentType { found: None } => {
                write!(f, "the response names no Content-Type; it must be {}", sse_codec::CONTENT_TYPE)
            }
            Self::ContentType { found: Some(found) } => write!(
                f,
                "the response is of the type `{}`, not {}; is this the URL of an event stream?",
                String::from_utf8_lossy(found.as_bytes()),
                sse_codec::CONTENT_TYPE
            ),
            Self::Read(_) => f.write_str("the connection broke in the middle of the stream"),
            Self::GaveUp => {
                f.write_str("the server ended the stream again and again before it brought anything")
            }
            Self::TooLarge(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Request(error) | Self::Connect(error) | Self::Read(error) => Some(error),
            // Its text is this one's already.
            Self::TooLarge(error) => error.source(),
            Self::Body | Self::Status { .. } | Self::ContentType { .. } | Self::GaveUp => None,
        }
    }
}

impl From<TooLarge> for Error {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}
