//! The check of a response: status and content type (9.2.3).

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};

use crate::error::Error;

/// A response that is an event stream.
pub(crate) fn check(response: Response) -> Result<Response, Error> {
    if response.status() != StatusCode::OK {
        return Err(Error::Status { status: response.status() });
    }
    check_content_type(response.headers())?;
    Ok(response)
}

/// The type counts whole and without case; its parameters don't count, whatever they say.
fn check_content_type(headers: &HeaderMap) -> Result<(), Error> {
    let found = headers.get(CONTENT_TYPE);
    let essence = found.map(HeaderValue::as_bytes).and_then(|value| value.split(|&byte| byte == b';').next());
    if essence
        .is_some_and(|essence| essence.trim_ascii().eq_ignore_ascii_case(sse_codec::CONTENT_TYPE.as_bytes()))
    {
        return Ok(());
    }
    Err(Error::ContentType { found: found.cloned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: Option<&str>, expected: bool) {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
        }
        assert_eq!(check_content_type(&headers).is_ok(), expected, "{value:?}");
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
            check(Some(value), true);
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
            check(Some(value), false);
        }
        check(None, false);
    }

    #[test]
    fn the_error_names_the_type() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        let error = check_content_type(&headers).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the response is of the type `text/html`, not text/event-stream; is this the URL of an event stream?"
        );
    }
}
