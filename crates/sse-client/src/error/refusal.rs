//! A refusal: a response that is not an event stream.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use http::Version;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode};

use super::excerpt::Excerpt;

/// A response that is not an event stream, with its status, its headers and the beginning of its body.
#[derive(Clone)]
pub struct Refusal {
    version: Version,
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    is_text: bool,
}

impl Refusal {
    /// Returns the version of HTTP. It is always HTTP/1.1 in a browser, which does not tell the version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns the headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the beginning of the body: at most 8 KiB, as far as they came within 5 s.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Returns the [body](Self::body) as text, with U+FFFD for bytes that are not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// Returns the beginning of the body for an error's text, if it is text and not empty.
    fn excerpt(&self) -> Option<String> {
        Some(Excerpt(&self.text()).to_string()).filter(|text| self.is_text && !text.is_empty())
    }

    /// Creates a refusal. `is_text` is false if the body can't be shown, because it is compressed.
    pub(crate) fn new(
        version: Version,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
        is_text: bool,
    ) -> Self {
        Self { version, status, headers, body, is_text }
    }

    /// Creates a refusal from `response`, without its body.
    pub(crate) fn without_body(response: &Response) -> Self {
        Self::new(version_of(response), response.status(), response.headers().clone(), Bytes::new(), true)
    }
}

/// Returns the version of HTTP of a response.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn version_of(response: &Response) -> Version {
    response.version()
}

/// Returns HTTP/1.1, because a browser does not tell the version.
#[cfg(target_family = "wasm")]
pub(crate) fn version_of(_: &Response) -> Version {
    Version::HTTP_11
}

/// The end of an error's text: a colon and the beginning of the body in one line, of at most 200 characters.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.excerpt() {
            None => Ok(()),
            Some(excerpt) => write!(f, ": {excerpt}"),
        }
    }
}

/// The body is shortened as in the text of an error. Of the headers only the content type is shown, because others may
/// hold secrets.
impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content_type =
            self.headers.get(CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
        f.debug_struct("Refusal")
            .field("status", &self.status.as_u16())
            .field("content_type", &content_type.as_deref().map(Excerpt))
            .field("body", &Excerpt(&self.text()))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &'static str)], body: &'static str, text: &str, debug: &str) {
        let is_text = !body.contains("gibberish");
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let refusal = Refusal::new(
            Version::HTTP_11,
            StatusCode::NOT_FOUND,
            headers.collect(),
            Bytes::from_static(body.as_bytes()),
            is_text,
        );
        assert_eq!(refusal.to_string(), text);
        assert_eq!(format!("{refusal:?}"), debug);
    }

    #[test]
    fn the_body_is_shown_in_one_line() {
        check(&[], "", "", "Refusal { status: 404, content_type: None, body: ``, .. }");
        check(
            &[("content-type", "application/json"), ("set-cookie", "secret")],
            "{\n  \"error\": {\n    \"message\": \"no\u{1b}\"\n  }\n}\n",
            ": { \"error\": { \"message\": \"no\\u{1b}\" } }",
            "Refusal { status: 404, content_type: Some(`application/json`), \
             body: `{ \"error\": { \"message\": \"no\\u{1b}\" } }`, .. }",
        );
        check(
            &[],
            "\u{1}gibberish",
            "",
            "Refusal { status: 404, content_type: None, body: `\\u{1}gibberish`, .. }",
        );
    }

    #[test]
    fn both_texts_are_short() {
        let page = Bytes::from("<p>Hello\n</p>".repeat(600));
        let refusal = Refusal::new(Version::HTTP_11, StatusCode::OK, HeaderMap::new(), page, true);
        assert!(refusal.to_string().starts_with(": <p>Hello </p><p>Hello"));
        assert!(refusal.to_string().ends_with('…'));
        assert!(refusal.to_string().len() < 210 && format!("{refusal:?}").len() < 290, "{refusal:?}");
    }
}
