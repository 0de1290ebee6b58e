//! What can go wrong. Every other file may use this one; it uses none of them.

mod boxed;
mod decode;
mod excerpt;
mod redact;
mod refusal;
mod status;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use sse_codec::{Event, TooLarge};

pub use self::boxed::BoxError;
pub use self::decode::DecodeError;
pub(crate) use self::decode::EventStart;
use self::excerpt::Excerpt;
pub(crate) use self::redact::{redact, redacted_text};
pub use self::refusal::Refusal;
pub(crate) use self::refusal::version_of;
use self::status::Named;

/// What went wrong with an event stream.
///
/// Its text says what to do; `{:#}` adds its causes, as a log wants them. What a server said is a part of the
/// text: its beginning in one line, with control characters escaped. The query of a URL, where many APIs take a token, is
/// not.
#[non_exhaustive]
pub enum Error {
    /// The request can't succeed: its URL is not valid or not one of HTTP, a header is invalid, the client has no TLS
    /// for `https`, or its own redirects never end.
    Request(BoxError),
    /// The body of the request is a stream, which can't be sent again for a reconnect.
    BodyNotRepeatable,
    /// The caller's [`on_attempt`](crate::EventSourceBuilder::on_attempt) gave no request.
    Attempt(BoxError),
    /// There was no response: the server could not be reached, the connection broke, or what came is not HTTP that the
    /// client can read.
    Connect(reqwest::Error),
    /// The server was reached, and is not to be trusted: its certificate is not valid here, or it does not speak TLS
    /// where `https` was asked for.
    Tls(reqwest::Error),
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
    /// `none`, changes nothing: the body is read as it is. A body that was compressed twice, or that no header calls
    /// compressed, is known by its first bytes.
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
    /// An event, or a comment ([`WithComments`](crate::WithComments)), was larger than the limit and was skipped. The stream
    /// goes on with the next one.
    TooLarge(TooLarge),
    /// An event is not what the caller's type expects, and was skipped. The stream goes on with the next one.
    Decode(Box<DecodeError>),
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
        let error = redact::redacted(error);
        if error.is_builder() || error.is_redirect() || lacks_tls(&error) {
            Self::Request(error.into())
        } else if is_untrusted(&error) || is_no_tls(&error) {
            Self::Tls(error)
        } else {
            Self::Connect(error)
        }
    }

    /// What broke a body.
    pub(crate) fn from_reading(error: reqwest::Error) -> Self {
        Self::Read(redact::redacted(error))
    }

    /// What is wrong with the client's own request.
    pub(crate) fn from_building(error: reqwest::Error) -> Self {
        Self::Request(redact::redacted(error).into())
    }
}

/// Whether `https` was asked of a client without TLS. hyper says so by text alone.
fn lacks_tls(error: &(dyn StdError + 'static)) -> bool {
    is_because(error, &["scheme is not http"])
}

/// Whether the server's certificate is not valid here. The words are those of rustls and of OpenSSL; what a program's own
/// TLS says is not known.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    is_because(error, &["invalid peer certificate", "certificate verify failed"])
}

/// Whether the server answered a TLS handshake with something else.
fn is_no_tls(error: &(dyn StdError + 'static)) -> bool {
    is_because(error, &["received corrupt message of type", "wrong version number"])
}

fn is_because(error: &(dyn StdError + 'static), words: &[&str]) -> bool {
    causes(error).any(|cause| {
        let text = cause.to_string();
        words.iter().any(|words| text.contains(words))
    })
}

/// Whether there was a response that is not HTTP, or more of it than the client takes.
#[cfg(not(target_family = "wasm"))]
fn is_unreadable(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

/// Whether there was a connection, which ended before there was a response.
#[cfg(not(target_family = "wasm"))]
fn is_broken(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// `fetch` does not say.
#[cfg(target_family = "wasm")]
fn is_unreadable(_: &reqwest::Error) -> bool {
    false
}

/// `fetch` does not say.
#[cfg(target_family = "wasm")]
fn is_broken(_: &reqwest::Error) -> bool {
    false
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
            Self::Request(error) => match error.downcast_ref::<InvalidUrl>() {
                Some(error) => write!(f, "{error}"),
                None if lacks_tls(&**error) => f.write_str("the client has no TLS, which an https URL needs"),
                None => f.write_str("the request can't succeed as it is; check its URL and headers"),
            },
            Self::BodyNotRepeatable => f.write_str(
                "the request can't be sent again, because its body is a stream; give it bytes or text",
            ),
            Self::Attempt(error) => write!(f, "the request for the next attempt could not be made: {error}"),
            Self::Connect(error) if is_unreadable(error) => {
                f.write_str("the server's response can't be read: it is not HTTP, or its head is too large")
            }
            Self::Connect(error) if is_broken(error) => {
                f.write_str("the connection broke before there was a response")
            }
            Self::Connect(_) => f.write_str("the server could not be reached"),
            Self::Tls(error) if is_untrusted(error) => {
                f.write_str("the server's certificate is not trusted; is this the right host, and is its authority known here?")
            }
            Self::Tls(_) => f.write_str("the server does not speak TLS; does its URL begin with http://?"),
            Self::ResponseTimeout { after } => write!(f, "the server did not answer within {after:?}"),
            Self::TooManyRedirects { limit } => {
                write!(f, "there were more than {limit} redirects; do they lead in a circle?")
            }
            Self::Status(refusal) => {
                let status = Named(refusal.status());
                write!(f, "the server answered {status} instead of 200 with an event stream{refusal}")
            }
            Self::ContentType(refusal) => match found(refusal, "content-type") {
                None => {
                    write!(f, "the response names no Content-Type; it must be {}{refusal}", sse_codec::CONTENT_TYPE)
                }
                Some(found) => write!(
                    f,
                    "the response is of the type `{}`, not {}; is this the URL of an event stream?{refusal}",
                    Excerpt(&found),
                    sse_codec::CONTENT_TYPE
                ),
            },
            Self::ContentEncoding(refusal) => match found(refusal, "content-encoding") {
                Some(found) => write!(
                    f,
                    "the response is compressed (`{}`), which the client can't read; {}",
                    Excerpt(&found),
                    advice(&found)
                ),
                None => f.write_str(
                    "the response is compressed twice, or compressed without a word in its headers; let the server \
                    send event streams as they are",
                ),
            },
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
            Self::Event(event) => write!(f, "the server sent an error: {}", Excerpt(event.data())),
            Self::TooLarge(error) => write!(f, "{error}"),
            Self::Decode(error) => write!(f, "{error}"),
            #[cfg(feature = "blocking")]
            Self::Runtime(error) => write!(f, "{error}"),
        }
    }
}

/// As the variants are written, but for what a server sent: that is cut as in the text.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tuple = |name: &str, field: &dyn fmt::Debug| f.debug_tuple(name).field(field).finish();
        match self {
            Self::Request(error) => tuple("Request", error),
            Self::BodyNotRepeatable => f.write_str("BodyNotRepeatable"),
            Self::Attempt(error) => tuple("Attempt", error),
            Self::Connect(error) => tuple("Connect", error),
            Self::Tls(error) => tuple("Tls", error),
            Self::ResponseTimeout { after } => {
                f.debug_struct("ResponseTimeout").field("after", after).finish()
            }
            Self::TooManyRedirects { limit } => {
                f.debug_struct("TooManyRedirects").field("limit", limit).finish()
            }
            Self::Status(refusal) => tuple("Status", refusal),
            Self::ContentType(refusal) => tuple("ContentType", refusal),
            Self::ContentEncoding(refusal) => tuple("ContentEncoding", refusal),
            Self::Read(error) => tuple("Read", error),
            Self::IdleTimeout { after } => f.debug_struct("IdleTimeout").field("after", after).finish(),
            Self::GaveUp => f.write_str("GaveUp"),
            Self::Incomplete => f.write_str("Incomplete"),
            Self::Event(event) => f
                .debug_struct("Event")
                .field("event_type", &Excerpt(event.event_type()))
                .field("data", &Excerpt(event.data()))
                .finish_non_exhaustive(),
            Self::TooLarge(error) => tuple("TooLarge", error),
            Self::Decode(error) => tuple("Decode", error),
            #[cfg(feature = "blocking")]
            Self::Runtime(error) => tuple("Runtime", error),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connect(error) | Self::Tls(error) | Self::Read(error) => Some(error),
            Self::Request(error) if !error.is::<InvalidUrl>() => Some(&**error),
            // Their text is this one's already.
            Self::Attempt(error) => error.source(),
            Self::Decode(error) => error.source(),
            Self::TooLarge(error) => error.source(),
            #[cfg(feature = "blocking")]
            Self::Runtime(error) => error.source(),
            _ => None,
        }
    }
}

/// Text that is not the URL of an event stream.
#[derive(Debug)]
pub(crate) struct InvalidUrl {
    /// Without what may be secret.
    url: String,
    fault: String,
}

impl InvalidUrl {
    pub(crate) fn new(url: &str, fault: impl Into<String>) -> Self {
        Self { url: Excerpt(&redacted_text(url)).to_string(), fault: fault.into() }
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a valid URL: {}", self.url, self.fault)
    }
}

impl StdError for InvalidUrl {}

impl From<TooLarge> for Error {
    fn from(error: TooLarge) -> Self {
        Self::TooLarge(error)
    }
}
