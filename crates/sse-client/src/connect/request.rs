//! The request, which the caller makes once and each attempt sends.

use std::fmt;

use reqwest::Request;
use reqwest::header::{ACCEPT, CACHE_CONTROL, HeaderName, HeaderValue};
use sse_codec::EventId;

use crate::error::{Error, redact};

pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The request that each attempt repeats.
pub(crate) struct Template(Request);

impl Template {
    /// Adds the headers of 9.2.3 that the caller has not set. A `Last-Event-ID` is removed and returned, because it
    /// changes with the events.
    pub(crate) fn new(mut request: Request) -> Result<(Self, Option<EventId<'static>>), Error> {
        let last_event_id = take_last_event_id(&mut request);
        let headers = request.headers_mut();
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static(sse_codec::CONTENT_TYPE));
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
        if request.try_clone().is_none() {
            return Err(Error::BodyNotRepeatable);
        }
        Ok((Self(request), last_event_id))
    }

    /// Returns true if its method is safe to repeat (RFC 9110, 9.2.1).
    pub(crate) fn is_safe(&self) -> bool {
        self.0.method().is_safe()
    }

    /// Returns the request of the next attempt. It has the last event ID, unless that is empty or can't be sent in a
    /// header.
    pub(super) fn request(&self, last_event_id: &str) -> Result<Request, Error> {
        let mut request = self.0.try_clone().ok_or(Error::BodyNotRepeatable)?;
        if let Some(id) = header_value(last_event_id).filter(|id| !id.is_empty()) {
            request.headers_mut().insert(LAST_EVENT_ID, id);
        }
        Ok(request)
    }
}

/// Debug output of a request without its headers and other parts that may be secret.
pub(crate) struct ShownRequest<'r>(pub(crate) &'r Request);

impl fmt::Debug for ShownRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.0.url().clone();
        redact(&mut url);
        write!(f, "{} {url}", self.0.method())
    }
}

/// Returns true if this id can be sent in a header.
pub(crate) fn fits_header(last_event_id: &str) -> bool {
    header_value(last_event_id).is_some()
}

fn header_value(last_event_id: &str) -> Option<HeaderValue> {
    HeaderValue::from_bytes(last_event_id.as_bytes()).ok()
}

/// Removes the id that the caller has set as a header, and returns it.
fn take_last_event_id(request: &mut Request) -> Option<EventId<'static>> {
    let id = request.headers_mut().remove(LAST_EVENT_ID)?;
    EventId::try_from(String::from_utf8_lossy(id.as_bytes()).into_owned()).ok()
}
