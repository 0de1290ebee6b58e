//! What an event source tells its observer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Version;
use reqwest::header::HeaderMap;
use reqwest::{StatusCode, Url};

use crate::error::Error;

/// What an [`EventSource`](crate::EventSource) tells its [observer](crate::EventSourceBuilder::on_notice).
///
/// Its text says it for a person: "connected", or "the server could not be reached: …; trying again in 1.2 s".
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// There is a good response: the events that follow come from a new connection.
    #[non_exhaustive]
    Opened {
        /// The version of HTTP; in a browser, which does not tell it, HTTP/1.1.
        version: Version,
        /// The status.
        status: StatusCode,
        /// The headers, such as those that name a session or count what is left of a quota.
        headers: &'a HeaderMap,
        /// Where the response came from: after redirects, another URL than that of the request.
        url: &'a Url,
    },
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

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { .. } => f.write_str("connected"),
            Self::Received(bytes) => write!(f, "received {} bytes", bytes.len()),
            Self::LastEventId(id) => write!(f, "the last event ID is {id:?}"),
            Self::LastEventIdNotSent(id) => {
                write!(f, "no header can hold the last event ID {id:?}: events may be missing or come twice")
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

/// The sources of one builder share it.
type Callback = Arc<Mutex<dyn FnMut(Notice<'_>) + Send>>;

impl Observer {
    pub(super) fn new(callback: impl FnMut(Notice<'_>) + Send + 'static) -> Self {
        Self { callback: Some(Arc::new(Mutex::new(callback))), last_event_id: String::new() }
    }

    /// The stream starts with this id, which the caller has set and knows.
    pub(super) fn start_at(&mut self, last_event_id: &str) {
        last_event_id.clone_into(&mut self.last_event_id);
    }

    pub(super) fn tell(&self, notice: Notice<'_>) {
        if let Some(callback) = &self.callback {
            (callback.lock().unwrap_or_else(PoisonError::into_inner))(notice);
        }
    }

    /// Tells the last event ID, if it is another one now. It may have come without an event.
    pub(super) fn tell_last_event_id(&mut self, id: &str) {
        if self.callback.is_some() && self.last_event_id != id {
            id.clone_into(&mut self.last_event_id);
            self.tell(Notice::LastEventId(id));
        }
    }
}
