//! What can go wrong. Every other file may use this one; it uses none of them.

mod refusal;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use sse_codec::{Event, TooLarge};

pub use self::refusal::Refusal;

/// An error of any type: a caller's own.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What went wrong with an event stream.
///
/// Its text says what to do; `{:#}` adds the causes behind it, as a log wants them.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The request can't succeed: it has no URL, or one that is not HTTP, a header is invalid, or the client's own
    /// redirects never end.
    Request(reqwest::Error),
    /// The body of the request is a stream, which can't be sent again for a reconnect.
    BodyNotRepeatable,
    /// The caller's [`on_attempt`](crate::EventSourceBuilder::on_attempt) gave no request.
    Attempt(BoxError),
    /// There was no response: the server could not be reached, or the connection broke.
    Connect(reqwest::Error),
    /// There was no response within the
    /// [`response_timeout`](crate::EventSourceBuilder::response_timeout).
    #[non_exhaustive]
    ResponseTimeout {
        /// How long it was waited for.
        after: Duration,
    },
    /// There was one redirect after the other.
    #[non_exhaustive]
    TooManyRedirects {
        /// How many are followed.
        limit: u32,
    },
    /// The response's status is not 200.
    Status(Box<Refusal>),
    /// The response is not of the type `text/event-stream`.
    ContentType(Box<Refusal>),
    /// The response is compressed (`Content-Encoding`), and the client can't read it. The [`Refusal`] has no body.
    ///
    /// The client reads `gzip` with the feature `gzip`, if it is the only coding. A value that names no coding, such as
    /// `none`, changes nothing: the body is read as it is.
    ContentEncoding(Box<Refusal>),
    /// The connection broke in the middle of the stream.
    Read(reqwest::Error),
    /// The connection brought nothing, not even a comment, for the
    /// [`idle_timeout`](crate::EventSourceBuilder::idle_timeout), or before the first event for the
    /// [`initial_idle_timeout`](crate::EventSourceBuilder::initial_idle_timeout).
    #[non_exhaustive]
    IdleTimeout {
        /// How long it was silent.
        after: Duration,
    },
    /// There were more failures in a row than [`Reconnect::max_retries`](crate::Reconnect::max_retries) allows, or they
    /// lasted for longer than [`Reconnect::max_elapsed`](crate::Reconnect::max_elapsed); the last of them was a stream
    /// that ended before it brought anything.
    GaveUp,
    /// The stream ended before the event that ends it ([`end_at`](crate::EventSourceBuilder::end_at)): what has come is
    /// not all.
    Incomplete,
    /// The server sent an event that says that something went wrong there
    /// ([`fail_at`](crate::EventSourceBuilder::fail_at)).
    Event(Box<Event>),
    /// An event was larger than the limit and was skipped. The stream goes on with the next one.
    TooLarge(TooLarge),
    /// An event is not what the caller's type expects, and was skipped. The stream goes on with the next one.
    Decode(BoxError),
    /// An iterator was asked for the next event within an async runtime, or had none to run in.
    #[cfg(feature = "blocking")]
    Runtime(std::io::Error),
}

impl Error {
    /// Whether the end follows. It does after every error but [`TooLarge`](Self::TooLarge) and
    /// [`Decode`](Self::Decode), which say that one event was skipped.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::TooLarge(_) | Self::Decode(_))
    }

    /// The status of the response that was no event stream.
    pub fn status(&self) -> Option<StatusCode> {
        self.refusal().map(Refusal::status)
    }

    /// The response that was no event stream, with the beginning of its body.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Status(refusal) | Self::ContentType(refusal) | Self::ContentEncoding(refusal) => {
                Some(refusal)
            }
            _ => None,
        }
    }

    /// What was wrong when a request was sent: the request itself, or the network.
    pub(crate) fn from_sending(error: reqwest::Error) -> Self {
        let futile = error.is_builder() || error.is_redirect() || lacks_tls(&error);
        if futile { Self::Request(error) } else { Self::Connect(error) }
    }
}

/// Whether `https` was asked of a client without TLS. hyper says so by text alone.
fn lacks_tls(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| cause.to_string().contains("scheme is not http"))
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.say(f)?;
        if f.alternate() {
            for cause in causes(self) {
                write!(f, ": {cause}")?;
            }
        }
        Ok(())
    }
}

/// What to do about a body that is compressed in this way.
fn advice(content_encoding: &str) -> &'static str {
    let is_gzip = content_encoding.trim().eq_ignore_ascii_case("gzip");
    if is_gzip && !cfg!(feature = "gzip") {
        "turn on the feature `gzip` of sse-client, or let the server send event streams as they are"
    } else {
        "let the server send event streams as they are"
    }
}

/// What is behind an error, from the nearest cause on.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

impl Error {
    fn say(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All headers of the name, as one list.
        let found = |refusal: &Refusal, name| {
            let values = refusal.headers().get_all(name).iter();
            let values: Vec<_> = values.map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        match self {
            Self::Request(_) => f.write_str(
                "the request can't succeed as it is; check its URL and headers, and that the client has TLS for https",
            ),
            Self::BodyNotRepeatable => f.write_str(
                "the request can't be sent again, because its body is a stream; give it bytes or text",
            ),
            Self::Attempt(error) => write!(f, "the request for the next attempt could not be made: {error}"),
            Self::Connect(_) => f.write_str("the server could not be reached"),
            Self::ResponseTimeout { after } => write!(f, "the server did not answer within {after:?}"),
            Self::TooManyRedirects { limit } => {
                write!(f, "there were more than {limit} redirects; do they lead in a circle?")
            }
            Self::Status(refusal) => {
                let status = refusal.status();
                write!(f, "the server answered {status} instead of 200 with an event stream{refusal}")
            }
            Self::ContentType(refusal) => match found(refusal, "content-type") {
                None => {
                    write!(f, "the response names no Content-Type; it must be {}{refusal}", sse_codec::CONTENT_TYPE)
                }
                Some(found) => write!(
                    f,
                    "the response is of the type `{found}`, not {}; is this the URL of an event stream?{refusal}",
                    sse_codec::CONTENT_TYPE
                ),
            },
            Self::ContentEncoding(refusal) => {
                let found = found(refusal, "content-encoding").unwrap_or_default();
                write!(f, "the response is compressed (`{found}`), which the client can't read; {}", advice(&found))
            }
            Self::Read(_) => f.write_str("the connection broke in the middle of the stream"),
            Self::IdleTimeout { after } => {
                write!(f, "the connection brought nothing for {after:?}, not even a comment")
            }
            Self::GaveUp => {
                f.write_str("the server ended the stream again and again before it brought anything")
            }
            Self::Incomplete => f.write_str(
                "the stream ended before the event that ends it; what has come is not all, so ask again",
            ),
            Self::Event(event) => write!(f, "the server sent an error: {}", event.data()),
            Self::TooLarge(error) => write!(f, "{error}"),
            Self::Decode(error) => write!(f, "{error}"),
            #[cfg(feature = "blocking")]
            Self::Runtime(error) => write!(f, "{error}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Request(error) | Self::Connect(error) | Self::Read(error) => Some(error),
            // Their text is this one's already.
            Self::Attempt(error) | Self::Decode(error) => error.source(),
            Self::TooLarge(error) => error.source(),
            #[cfg(feature = "blocking")]
            Self::Runtime(error) => error.source(),
            _ => None,
        }
    }
}

impl From<TooLarge> for Error {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}
