//! The request, as curl's flags say it.

use std::fs::File;
use std::io::{self, Read as _};

use sse_client::reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use sse_client::reqwest::redirect::Policy;
use sse_client::reqwest::{Method, Url};
use sse_client::{EventSource, EventSourceBuilder};

use crate::failure::Failure;
use crate::transport::Transport;

/// How large a body may be.
const MAX_BODY: u64 = 16 * 1024 * 1024;

/// How many redirects are followed, without credentials where they lead elsewhere.
const MAX_REDIRECTS: u32 = 10;

/// What is asked of the server: by POST, if there is a body and no other method is named.
pub(crate) fn source(
    transport: &Transport,
    url: Url,
    method: Option<Method>,
    headers: HeaderMap,
    body: Option<&str>,
) -> Result<EventSourceBuilder, Failure> {
    let method = method.unwrap_or(if body.is_some() { Method::POST } else { Method::GET });
    let client = transport.client_builder()?.redirect(Policy::none()).build();
    let client = client.map_err(|error| Failure::failed(format!("there is no HTTP client: {error}")))?;
    // The builder takes `user:password@` out of the URL, for a header.
    let request = client.request(method, url).headers(headers).build();
    let mut request =
        request.map_err(|error| Failure::usage(format!("the request can't be made: {error}")))?;
    if let Some(body) = body.map(read_body).transpose()? {
        request.headers_mut().entry(CONTENT_TYPE).or_insert(content_type(&body));
        *request.body_mut() = Some(body.into());
    }
    Ok(EventSource::builder(client, request).max_redirects(MAX_REDIRECTS))
}

/// The body, from where it is said to be.
fn read_body(body: &str) -> Result<Vec<u8>, Failure> {
    let Some(file) = body.strip_prefix('@') else { return Ok(body.as_bytes().to_vec()) };
    let failure = |what: &dyn std::fmt::Display| Failure::usage(format!("-d @{file}: {what}"));
    let mut bytes = Vec::new();
    let read = match file {
        "-" => io::stdin().take(MAX_BODY + 1).read_to_end(&mut bytes),
        _ => File::open(file).and_then(|file| file.take(MAX_BODY + 1).read_to_end(&mut bytes)),
    };
    read.map_err(|error| failure(&error))?;
    if bytes.len() as u64 > MAX_BODY {
        return Err(failure(&format_args!("it is larger than {MAX_BODY} bytes")));
    }
    Ok(bytes)
}

/// JSON, if it is some; else what curl says.
fn content_type(body: &[u8]) -> HeaderValue {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    HeaderValue::from_static(if is_json { "application/json" } else { "application/x-www-form-urlencoded" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_json_is_sent_as_such() {
        for (body, expected) in [
            (r#"{"stream":true}"#, "application/json"),
            ("[]", "application/json"),
            ("a=1&b=2", "application/x-www-form-urlencoded"),
            ("", "application/x-www-form-urlencoded"),
            (r#"{"stream":"#, "application/x-www-form-urlencoded"),
        ] {
            assert_eq!(content_type(body.as_bytes()), expected, "{body}");
        }
    }
}
