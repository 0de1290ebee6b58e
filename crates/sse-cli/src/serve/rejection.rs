//! Refusals of requests.

use std::fmt;
use std::time::Duration;

use axum::http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::refusal::{self, Refusal};
use crate::visible::Visible;

/// A status, and one line that says what is wrong and what to do.
#[derive(Debug)]
pub(crate) struct Rejection {
    status: StatusCode,
    text: String,
    /// For programs, why nothing was published.
    refusal: Option<Refusal>,
    /// After how many seconds the request may be sent again.
    retry_after: Option<u64>,
    /// A header that its status asks for.
    header: Option<(HeaderName, HeaderValue)>,
}

/// What clients are told of the token that is needed (RFC 6750, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// None has come.
    Bearer,
    InvalidToken,
    InsufficientScope,
}

impl Challenge {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Bearer => "Bearer",
            Self::InvalidToken => "Bearer error=\"invalid_token\"",
            Self::InsufficientScope => "Bearer error=\"insufficient_scope\"",
        })
    }
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        // Clients that are refused together must not come back together.
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then(|| fastrand::u64(5..=10));
        // Parts of the text may come from the request.
        Self { status, text: Visible(&text.into()).to_string(), refusal: None, retry_after, header: None }
    }

    /// Adds a header.
    pub(crate) fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    #[cfg(test)]
    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.retry_after
    }

    #[cfg(test)]
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// The request is wrong.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// Nothing was published, for a reason that programs can tell from others.
    pub(crate) fn unpublished(status: StatusCode, refusal: Refusal, text: impl Into<String>) -> Self {
        Self { refusal: Some(refusal), ..Self::new(status, text) }
    }

    /// The request needs a token, or another one.
    pub(crate) fn challenge(self, challenge: Challenge) -> Self {
        self.header(WWW_AUTHENTICATE, challenge.header())
    }

    /// The request may be done later.
    pub(crate) fn unavailable(text: impl fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text.to_string())
    }

    /// The client has reached a limit, and may try again after this time.
    pub(crate) fn too_many(text: impl Into<String>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let retry_after = Some(seconds.max(1));
        Self { retry_after, ..Self::new(StatusCode::TOO_MANY_REQUESTS, text) }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.text + "\n").into_response();
        let headers = response.headers_mut();
        if let Some(refusal) = self.refusal {
            let value = HeaderValue::from_static(refusal.name());
            headers.insert(HeaderName::from_static(refusal::HEADER), value);
        }
        headers.extend(self.header);
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
