//! The check of a response: status, content type and encoding (9.2.3).

use reqwest::header::HeaderMap;
#[cfg(test)]
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Response, StatusCode};

use super::refusal::{read_refusal, refusal_without_body};
use super::{content_encoding, content_type};
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

    fn of_headers(headers: &HeaderMap) -> Option<Self> {
        if !content_type::is_event_stream(headers) {
            return Some(Self::ContentType);
        }
        // reqwest removes the header if it decompresses the body.
        content_encoding::is_compressed(headers).then_some(Self::ContentEncoding)
    }

    /// The error, with the beginning of the body if it can be read.
    pub(crate) async fn into_error(self, response: Response) -> Error {
        match self {
            Self::Status => Error::Status(Box::new(read_refusal(response).await)),
            Self::ContentType => Error::ContentType(Box::new(read_refusal(response).await)),
            // Nobody can read the body, so that it is not waited for.
            Self::ContentEncoding => Error::ContentEncoding(Box::new(refusal_without_body(&response))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_checked_before_the_encoding() {
        for (content_type, encoding, expected) in [
            ("text/event-stream", "identity", None),
            ("text/event-stream", "gzip", Some(Fault::ContentEncoding)),
            ("text/html", "gzip", Some(Fault::ContentType)),
        ] {
            let headers = [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, encoding)];
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
            assert_eq!(Fault::of_headers(&HeaderMap::from_iter(headers)), expected);
        }
    }
}
