//! The errors of event streams. All other files of the crate may use this one, and it uses none of them.

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

/// An error of an event stream.
///
/// Its text says what to do. `{:#}` adds the causes, for a log. The text quotes the beginning of a server's response in
/// one line, with control characters escaped. It never has the query of a URL, where many APIs expect a token.
#[non_exhaustive]
pub enum Error {
    /// The request can't succeed: its URL is not valid or not an HTTP URL, a header is invalid, the client has no TLS
    /// for `https`, or the client has followed too many redirects.
    Request(BoxError),
    /// The body of the request is a stream, which can't be sent again when the source reconnects.
    BodyNotRepeatable,
    /// The caller's [`on_attempt`](crate::EventSourceBuilder::on_attempt) returned this error.
    Attempt(BoxError),
    /// There was no response: the server could not be reached, the connection broke, or the client can't read the
    /// response as HTTP.
    Connect(reqwest::Error),
    /// The server was reached but can't be trusted: its certificate is not valid here, or it does not speak TLS
    /// although the URL has `https`.
    Tls(reqwest::Error),
    /// There was no response within the
    /// [`response_timeout`](crate::EventSourceBuilder::response_timeout).
    #[non_exhaustive]
    ResponseTimeout {
        /// The time-out.
        after: Duration,
    },
    /// There were more redirects than [`max_redirects`](crate::EventSourceBuilder::max_redirects) allows.
    #[non_exhaustive]
    TooManyRedirects {
        /// How many redirects are followed.
        limit: u32,
    },
    /// The response's status is not 200.
    Status(Box<Refusal>),
    /// The response is not of the type `text/event-stream`.
    ContentType(Box<Refusal>),
    /// The response is compressed (`Content-Encoding`), and the client can't read it. The [`Refusal`] has no body.
    ///
    /// With the feature `gzip`, the client reads `gzip` if it is the only coding. A value that is not a coding, such as
    /// `none`, is ignored, and the body is read as it is. A body that was compressed twice, or that is compressed
    /// although no header says so, is recognized by its first bytes.
    ContentEncoding(Box<Refusal>),
    /// The connection broke within the response, or a compressed response was cut or damaged.
    Read(BoxError),
    /// The connection brought nothing, not even a comment, for the
    /// [`idle_timeout`](crate::EventSourceBuilder::idle_timeout), or before its first event for the
    /// [`initial_idle_timeout`](crate::EventSourceBuilder::initial_idle_timeout).
    #[non_exhaustive]
    IdleTimeout {
        /// The time-out.
        after: Duration,
    },
    /// There were more failures in a row than [`Reconnect::max_retries`](crate::Reconnect::max_retries) allows, or they
    /// lasted longer than [`Reconnect::max_elapsed`](crate::Reconnect::max_elapsed). The last failure was a stream that
    /// ended before it brought an event; after other failures, the source ends with the error of the last one.
    GaveUp,
    /// The stream ended before the event that ends it ([`end_at`](crate::EventSourceBuilder::end_at)), so that the
    /// answer is not complete.
    Incomplete,
    /// The server sent an event that reports a failure ([`fail_at`](crate::EventSourceBuilder::fail_at),
    /// [`end_at`](crate::EventSourceBuilder::end_at)).
    Event(Box<Event>),
    /// An event, or a comment ([`WithComments`](crate::WithComments)), was larger than its limit and was skipped. The
    /// stream goes on.
    TooLarge(TooLarge),
    /// An event could not be converted to the caller's type, and was skipped. The stream goes on.
    Decode(Box<DecodeError>),
    /// A blocking iterator was used within an async runtime, or could not create its own runtime.
    #[cfg(feature = "blocking")]
    Runtime(std::io::Error),
}

impl Error {
    /// Returns true if the stream has ended. That is so after each error but [`TooLarge`](Self::TooLarge) and
    /// [`Decode`](Self::Decode), which say that one event was skipped.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::TooLarge(_) | Self::Decode(_))
    }

    /// Returns the status of the response, if the response was not an event stream.
    pub fn status(&self) -> Option<StatusCode> {
        self.refusal().map(Refusal::status)
    }

    /// Returns the response with the beginning of its body, if the response was not an event stream.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Status(refusal) | Self::ContentType(refusal) | Self::ContentEncoding(refusal) => {
                Some(refusal)
            }
            _ => None,
        }
    }

    /// Converts an error of sending a request, which is about the request, TLS or the network.
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

    /// Converts an error of reading a body.
    pub(crate) fn from_reading(error: reqwest::Error) -> Self {
        Self::Read(redact::redacted(error).into())
    }

    /// Converts an error of decompressing a body.
    #[cfg(all(feature = "gzip", not(target_family = "wasm")))]
    pub(crate) fn from_decompressing(error: std::io::Error) -> Self {
        Self::Read(error.into())
    }

    /// Converts an error of building a client or a request.
    pub(crate) fn from_building(error: reqwest::Error) -> Self {
        Self::Request(redact::redacted(error).into())
    }
}

/// Returns true if the URL has `https` and the client has no TLS. Only hyper's text says so.
fn lacks_tls(error: &(dyn StdError + 'static)) -> bool {
    is_because(error, &["scheme is not http"])
}

/// Returns true if the server's certificate is not valid here. These are the words of rustls and OpenSSL; those of
/// other TLS libraries are not known.
fn is_untrusted(error: &(dyn StdError + 'static)) -> bool {
    is_because(error, &["invalid peer certificate", "certificate verify failed"])
}

/// Returns true if the server's answer to a TLS handshake was not TLS.
fn is_no_tls(error: &(dyn StdError + 'static)) -> bool {
    is_because(error, &["received corrupt message of type", "wrong version number"])
}

fn is_because(error: &(dyn StdError + 'static), words: &[&str]) -> bool {
    causes(error).any(|cause| {
        let text = cause.to_string();
        words.iter().any(|words| text.contains(words))
    })
}

/// Returns true if the response was not HTTP, or had a larger head than the client accepts.
#[cfg(not(target_family = "wasm"))]
fn is_unreadable(error: &reqwest::Error) -> bool {
    causes(error).filter_map(|cause| cause.downcast_ref::<hyper::Error>()).any(hyper::Error::is_parse)
}

/// Returns true if a connection ended before there was a response.
#[cfg(not(target_family = "wasm"))]
fn is_broken(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// Returns false, because `fetch` does not tell.
#[cfg(target_family = "wasm")]
fn is_unreadable(_: &reqwest::Error) -> bool {
    false
}

/// Returns false, because `fetch` does not tell.
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

/// Returns the advice about a body with these codings.
fn advice(content_encoding: &str) -> &'static str {
    let is_named = |coding: &str, names: &[&str]| names.iter().any(|name| coding.eq_ignore_ascii_case(name));
    let mut codings = content_encoding.split(',').map(str::trim);
    let mut next = || codings.find(|coding| !is_named(coding, &["", "identity", "none"]));
    let is_gzip = next().is_some_and(|coding| is_named(coding, &["gzip", "x-gzip"])) && next().is_none();
    if is_gzip && cfg!(not(feature = "gzip")) {
        "turn on the feature `gzip` of sse-client, or configure the server not to compress event streams"
    } else {
        "configure the server not to compress event streams"
    }
}

/// Iterates over the causes of an error, the nearest first.
fn causes<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

impl Error {
    fn say(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All headers with the name, joined to one list.
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
                "the request can't be sent again, because its body is a stream; use a body of bytes or text",
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
                f.write_str("the server's certificate is not trusted; check the host name, and whether this system trusts its issuer")
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
                    write!(f, "the response has no Content-Type; it must be {}{refusal}", sse_codec::CONTENT_TYPE)
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
                    "the response is compressed twice, or is compressed although no header says so; configure the \
                    server not to compress event streams",
                ),
            },
            Self::Read(_) => f.write_str("the connection broke in the middle of the stream"),
            Self::IdleTimeout { after } => {
                write!(f, "the connection brought nothing for {after:?}, not even a comment")
            }
            Self::GaveUp => {
                f.write_str("too many attempts failed in a row; in the last one, the server ended the stream before it sent an event")
            }
            Self::Incomplete => f.write_str(
                "the stream ended before the event that ends it; the answer is not complete, so send the request again",
            ),
            Self::Event(event) => write!(f, "the server sent an error: {}", Excerpt(event.data())),
            Self::TooLarge(error) => write!(f, "{error}"),
            Self::Decode(error) => write!(f, "{error}"),
            #[cfg(feature = "blocking")]
            Self::Runtime(error) => write!(f, "{error}"),
        }
    }
}

/// Like the derived output, except that texts of a server are shortened as in the error's text.
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
            Self::Connect(error) | Self::Tls(error) => Some(error),
            Self::Read(error) => Some(&**error),
            Self::Request(error) if !error.is::<InvalidUrl>() => Some(&**error),
            // The text of these errors is a part of this error's text.
            Self::Attempt(error) => error.source(),
            Self::Decode(error) => error.source(),
            Self::TooLarge(error) => error.source(),
            #[cfg(feature = "blocking")]
            Self::Runtime(error) => error.source(),
            _ => None,
        }
    }
}

/// A text that can't be the URL of an event stream.
#[derive(Debug)]
pub(crate) struct InvalidUrl {
    /// The text, without parts that may be secret.
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
