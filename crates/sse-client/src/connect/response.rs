//! The check of a response: status, content type and encoding (9.2.3).

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};

use super::refusal::read_refusal;
use crate::error::Error;

/// The response, if it is an event stream.
pub(crate) async fn check(response: Response) -> Result<Response, Error> {
    match Fault::of(&response) {
        None => Ok(response),
        Some(fault) => Err(fault.into_error(response).await),
    }
}

/// Why a response is no event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Status,
    ContentType,
    ContentEncoding,
}

impl Fault {
    /// What is wrong with `response`, if anything is.
    pub(crate) fn of(response: &Response) -> Option<Self> {
        if response.status() != StatusCode::OK {
            return Some(Self::Status);
        }
        Self::of_headers(response.headers())
    }

    /// The type counts whole and without case; its parameters don't count, whatever they say.
    fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let value = |name| headers.get(name).map(HeaderValue::as_bytes);
        let essence = value(CONTENT_TYPE).and_then(|value| value.split(|&byte| byte == b';').next());
        if !essence.is_some_and(|essence| is(essence, sse_codec::CONTENT_TYPE)) {
            return Some(Self::ContentType);
        }
        // reqwest takes the header away where it decompresses.
        let encoded = value(CONTENT_ENCODING).is_some_and(|encoding| !is(encoding, "identity"));
        encoded.then_some(Self::ContentEncoding)
    }

    /// The error, with the beginning of the body.
    pub(crate) async fn into_error(self, response: Response) -> Error {
        let refusal = Box::new(read_refusal(response).await);
        match self {
            Self::Status => Error::Status(refusal),
            Self::ContentType => Error::ContentType(refusal),
            Self::ContentEncoding => Error::ContentEncoding(refusal),
        }
    }
}

fn is(value: &[u8], expected: &str) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(expected.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_headers(headers: &[(&'static str, &'static str)], expected: Option<Fault>) {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers: HeaderMap = headers.collect();
        assert_eq!(Fault::of_headers(&headers), expected, "{headers:?}");
    }

    #[test]
    fn an_event_stream_is_recognised() {
        for value in [
            "text/event-stream",
            "text/event-stream;charset=utf-8",
            "text/event-stream; charset=latin1",
            "TEXT/Event-Stream",
            " text/event-stream ; x",
            "text/event-stream;",
        ] {
            check_headers(&[("content-type", value)], None);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for value in [
            "text/html",
            "text/event-streamx",
            "text/event-stream x",
            "text/event",
            "",
            ";",
            "application/json, text/event-stream",
        ] {
            check_headers(&[("content-type", value)], Some(Fault::ContentType));
        }
        check_headers(&[], Some(Fault::ContentType));
    }

    #[test]
    fn a_body_that_is_still_compressed_is_refused() {
        for (encoding, expected) in [
            ("identity", None),
            (" Identity ", None),
            ("gzip", Some(Fault::ContentEncoding)),
            ("br", Some(Fault::ContentEncoding)),
        ] {
            check_headers(&[("content-type", "text/event-stream"), ("content-encoding", encoding)], expected);
        }
    }
}
