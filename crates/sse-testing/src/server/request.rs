//! A request to a test server.

use std::fmt;
use std::io::{BufRead, Read as _};

/// A request that came to a [`Server`](super::Server).
#[derive(Clone, Debug)]
pub struct Request {
    head: String,
    body: String,
    pub(super) number: usize,
    connection: usize,
}

impl Request {
    /// Returns the method, such as `GET`.
    pub fn method(&self) -> &str {
        self.head.split(' ').next().unwrap_or_default()
    }

    /// Returns the path and the query, as the client has sent them.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).unwrap_or_default()
    }

    /// Returns the value of a header, without white space around it; the first value, if there are several. `name` must
    /// be in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
    }

    /// Returns the request line and the headers, including the empty line, for comparisons with text. The names of
    /// headers are in lower case, whatever the client has sent. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// Returns the body as text. Bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// Returns how many requests came to the server before this one.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Returns how many connections were accepted before the connection of this request.
    pub fn connection(&self) -> usize {
        self.connection
    }

    /// Reads a request. Returns `None` if the connection ends before the request does.
    ///
    /// The body has the length of `content-length`. A body in chunks is not read.
    pub(super) fn read(reader: &mut impl BufRead, connection: usize) -> Option<Self> {
        let mut head = String::new();
        loop {
            let mut line = Vec::new();
            if reader.read_until(b'\n', &mut line).ok()? == 0 {
                return None;
            }
            let line = String::from_utf8_lossy(&line);
            match line.split_once(':') {
                Some((name, value)) if !head.is_empty() => {
                    head += &format!("{}:{value}", name.to_ascii_lowercase());
                }
                _ => head += &line,
            }
            if line.trim_end().is_empty() {
                break;
            }
        }
        let mut request = Self { head, body: String::new(), number: 0, connection };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = Vec::new();
        // The length may be wrong, so it is not allocated at once.
        reader.take(length).read_to_end(&mut body).ok()?;
        if (body.len() as u64) < length {
            return None;
        }
        request.body = String::from_utf8_lossy(&body).into_owned();
        Some(request)
    }
}

/// Shows the request as text: the [head](Self::head) and the [body](Self::body).
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.head, self.body)
    }
}
