//! The notices of an event source, and its observer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Version;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use crate::error::Error;

/// What an [`EventSource`](crate::EventSource) tells its [observer](crate::EventSourceBuilder::on_notice).
///
/// Its text is for people: "connected", or "the server could not be reached: …; trying again in 1.2 s".
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A good response has come. The events that follow come from this connection.
    #[non_exhaustive]
    Opened {
        /// The version of HTTP. It is always HTTP/1.1 in a browser, which does not tell the version.
        version: Version,
        /// The status.
        status: StatusCode,
        /// The headers of the response, which may hold a session ID or the rest of a quota.
        headers: &'a HeaderMap,
        /// The URL of the response. After redirects it is not that of the request.
        url: &'a Url,
    },
    /// Bytes have come, before they are decoded. The events in them follow. To see comments, decode the bytes with a
    /// [`LineDecoder`](crate::LineDecoder) that you reset at [`Opened`](Self::Opened).
    Received(&'a [u8]),
    /// The last event ID has changed. The next connection sends it. If the ID came with an event, the source returns
    /// that event next.
    LastEventId(&'a str),
    /// The last event ID has control characters, which a header can't have. The request is sent without it, so that the
    /// server does not know where to resume.
    LastEventIdNotSent(&'a str),
    /// The connection or the attempt has ended, and another attempt follows.
    #[non_exhaustive]
    Waiting {
        /// The time until the next attempt.
        delay: Duration,
        /// The error that ended the connection or the attempt, or `None` if the response ended without an error.
        cause: Option<&'a Error>,
    },
    /// The source has ended. The error is the one that the source returns next. It is `None` if the stream is over or
    /// was [closed](crate::EventSource::close).
    Closed(Option<&'a Error>),
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { .. } => f.write_str("connected"),
            Self::Received(bytes) => write!(f, "received {} bytes", bytes.len()),
            Self::LastEventId(id) => write!(f, "the last event ID is {id:?}"),
            Self::LastEventIdNotSent(id) => {
                write!(
                    f,
                    "the last event ID {id:?} can't be sent in a header: events may be missing or come twice"
                )
            }
            Self::Waiting { delay, cause } => {
                match cause {
                    None => f.write_str("the stream ended")?,
                    Some(error) => write!(f, "{error:#}")?,
                }
                write!(f, "; trying again in {:.1} s", delay.as_secs_f64())
            }
            Self::Closed(None) => f.write_str("the stream is over"),
            Self::Closed(Some(error)) => write!(f, "{error:#}"),
        }
    }
}

/// The caller's observer, if there is one.
#[derive(Clone, Default)]
pub(super) struct Observer {
    callback: Option<Callback>,
    /// The last event ID that the observer knows.
    last_event_id: String,
}

/// The closure of an observer, which the sources of one builder share.
type Callback = Arc<Mutex<dyn FnMut(Notice<'_>) + Send>>;

impl Observer {
    pub(super) fn new(callback: impl FnMut(Notice<'_>) + Send + 'static) -> Self {
        Self { callback: Some(Arc::new(Mutex::new(callback))), last_event_id: String::new() }
    }

    /// Notes the id with which the stream starts. The caller has set it, so the observer is not told.
    pub(super) fn start_at(&mut self, last_event_id: &str) {
        last_event_id.clone_into(&mut self.last_event_id);
    }

    pub(super) fn tell(&self, notice: Notice<'_>) {
        if let Some(callback) = &self.callback {
            (callback.lock().unwrap_or_else(PoisonError::into_inner))(notice);
        }
    }

    /// Tells the observer the last event ID, if it has changed.
    pub(super) fn tell_last_event_id(&mut self, id: &str) {
        if self.callback.is_some() && self.last_event_id != id {
            id.clone_into(&mut self.last_event_id);
            self.tell(Notice::LastEventId(id));
        }
    }
}
