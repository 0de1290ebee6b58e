//! The head of a response, as `curl -i` prints it.

use std::fmt;

use sse_client::Refusal;
use sse_client::reqwest::header::HeaderMap;
use sse_client::reqwest::{StatusCode, Version};

use crate::visible::Visible;

/// The status line, the headers, and an empty line.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) version: Version,
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> From<&'a Refusal> for Head<'a> {
    fn from(refusal: &'a Refusal) -> Self {
        Self { version: refusal.version(), status: refusal.status(), headers: refusal.headers() }
    }
}

impl fmt::Display for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As they are written on the wire.
        let version = match self.version {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2",
            Version::HTTP_3 => "HTTP/3",
            _ => "HTTP/1.1",
        };
        writeln!(f, "{version} {}", self.status)?;
        for (name, value) in self.headers {
            writeln!(f, "{name}: {}", Visible(&String::from_utf8_lossy(value.as_bytes())))?;
        }
        writeln!(f)
    }
}
