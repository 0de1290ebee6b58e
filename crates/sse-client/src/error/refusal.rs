//! A refusal: a response that is no event stream, with what it says.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

/// A response that is no event stream: its status, its headers, and the beginning of its body.
#[derive(Clone)]
pub struct Refusal {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Refusal {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The body: its first 8 KiB at most, and what came of it within 5 s.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The [body](Self::body) as text; what is not UTF-8 becomes U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    pub(crate) fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body }
    }
}

/// As the end of an error's text: the body's first line, 200 characters of it at most.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        match text.lines().map(str::trim).find(|line| !line.is_empty()) {
            None => Ok(()),
            Some(line) => {
                f.write_str(": ")?;
                let printable = |char: &char| !char.is_control();
                line.chars().filter(printable).take(200).try_for_each(|char| fmt::Write::write_char(f, char))
            }
        }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body", &self.text())
            .finish()
    }
}
