//! Answers to requests that are not done.

use std::fmt;

use axum::http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::visible::Visible;

/// A status, and one line that says what is wrong and what to do.
#[derive(Debug)]
pub(crate) struct Rejection {
    status: StatusCode,
    text: String,
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        // The request may have had a part in it.
        Self { status, text: Visible(&text.into()).to_string() }
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The request is wrong.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    /// The request may be done later.
    pub(crate) fn unavailable(text: impl fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text.to_string())
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        let (name, value): (HeaderName, _) = match self.status {
            StatusCode::UNAUTHORIZED => (WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            // Those who are sent away together shall not come back together.
            StatusCode::SERVICE_UNAVAILABLE => (RETRY_AFTER, HeaderValue::from(fastrand::u16(5..=10))),
            status => return (status, self.text + "\n").into_response(),
        };
        (self.status, [(name, value)], self.text + "\n").into_response()
    }
}
