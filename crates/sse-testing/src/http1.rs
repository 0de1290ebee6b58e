//! A response over HTTP/1.1, as the bytes of a connection.

/// Reads a response over HTTP/1.1 from the bytes of a connection, which may come in any pieces. It is for tests without
/// a client, over a pipe in a simulation or over a socket that stalls. The body must have chunks, or be missing.
///
/// ```
/// let mut response = sse_testing::ChunkedResponse::new();
/// assert_eq!(response.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chu"), b"");
/// assert_eq!(response.status(), None);
/// assert_eq!(response.feed(b"nked\r\n\r\n9\r\ndata:"), b"data:");
/// assert_eq!(response.status(), Some(200));
/// assert_eq!(response.feed(b" 1\n\n\r\n0\r\n\r\n"), b" 1\n\n");
/// assert!(response.is_whole());
/// ```
#[derive(Debug, Default)]
pub struct ChunkedResponse {
    /// Zero until the head is complete.
    status: u16,
    is_whole: bool,
    /// The line that is being read, of the head or of the size of a chunk.
    line: Vec<u8>,
    /// How many bytes of the chunk have not come yet.
    chunk: usize,
}

impl ChunkedResponse {
    /// Returns a response before its first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the status, or `None` until the head has come completely.
    pub fn status(&self) -> Option<u16> {
        (self.status != 0).then_some(self.status)
    }

    /// Returns whether the body has come to its end. A body that was cut is not whole.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns the part of the body in `bytes`, which are the next bytes of the connection.
    ///
    /// # Panics
    ///
    /// If the bytes are not a response, or its body does not have chunks.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(bytes.len());
        while let Some(&byte) = bytes.first() {
            if self.chunk > 0 {
                let (data, rest) = bytes.split_at(self.chunk.min(bytes.len()));
                body.extend_from_slice(data);
                self.chunk -= data.len();
                bytes = rest;
                continue;
            }
            bytes = &bytes[1..];
            self.line.push(byte);
            let end: &[u8] = if self.status == 0 { b"\r\n\r\n" } else { b"\r\n" };
            if self.line.ends_with(end) {
                let line = String::from_utf8(std::mem::take(&mut self.line)).expect("text");
                self.apply(line.trim());
            }
        }
        body
    }

    fn apply(&mut self, line: &str) {
        if self.status == 0 {
            let status = line.strip_prefix("HTTP/1.1 ").and_then(|line| line.get(..3));
            self.status = status.and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{line:?}"));
        } else if !line.is_empty() {
            // An empty line ends a chunk or the body.
            self.chunk =
                usize::from_str_radix(line, 16).unwrap_or_else(|_| panic!("a chunk's size: {line:?}"));
            self.is_whole = self.chunk == 0;
        }
    }
}
