//! Checks a response: its status, content type and content encoding (9.2.3).

use reqwest::header::HeaderMap;
#[cfg(test)]
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::{Response, StatusCode};

use super::content_type;
use super::refusal::read_refusal;
use crate::error::{Error, Refusal};
use crate::platform::stays_compressed;

/// Which responses are read as event streams.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accepted {
    any_content_type: bool,
}

impl Accepted {
    pub(crate) fn set_any_content_type(&mut self) {
        self.any_content_type = true;
    }

    /// Returns the response, or the error that it is.
    pub(crate) async fn check(self, response: Response) -> Result<Response, Error> {
        match self.fault_of(&response) {
            None => Ok(response),
            Some(fault) => Err(fault.into_error(response).await),
        }
    }

    /// Returns the reason why `response` is not an event stream, or `None` if it is one.
    pub(crate) fn fault_of(self, response: &Response) -> Option<Fault> {
        if response.status() != StatusCode::OK {
            return Some(Fault::Status);
        }
        self.fault_of_headers(response.headers())
    }

    fn fault_of_headers(self, headers: &HeaderMap) -> Option<Fault> {
        if !self.any_content_type && !content_type::is_event_stream(headers) {
            return Some(Fault::ContentType);
        }
        // A caller's client may have decompressed the body. Then it has removed the header.
        stays_compressed(headers).then_some(Fault::ContentEncoding)
    }
}

/// The reason why a response is not an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Status,
    ContentType,
    ContentEncoding,
}

impl Fault {
    /// Returns the error, with the beginning of the body if the body can be read.
    pub(crate) async fn into_error(self, response: Response) -> Error {
        match self {
            Self::Status => Error::Status(Box::new(read_refusal(response).await)),
            Self::ContentType => Error::ContentType(Box::new(read_refusal(response).await)),
            // Nobody can read the compressed body, so it is not waited for.
            Self::ContentEncoding => Error::ContentEncoding(Box::new(Refusal::without_body(&response))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_is_checked_before_the_encoding() {
        let any = Accepted { any_content_type: true };
        for (accepted, content_type, encoding, expected) in [
            (Accepted::default(), "text/event-stream", "identity", None),
            (Accepted::default(), "text/event-stream", "br", Some(Fault::ContentEncoding)),
            (Accepted::default(), "text/html", "br", Some(Fault::ContentType)),
            (any, "text/html", "none", None),
            (any, "text/html", "br", Some(Fault::ContentEncoding)),
        ] {
            let headers = [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, encoding)];
            let headers = headers.map(|(name, value)| (name, value.parse().unwrap()));
            assert_eq!(accepted.fault_of_headers(&HeaderMap::from_iter(headers)), expected);
        }
    }
}
