//! A response over HTTP/1.1, as the bytes of a connection.

/// Reads a response over HTTP/1.1 from bytes that come in any pieces, for tests that have a connection and no client:
/// over a pipe in a simulation, or over a socket that stalls. The body comes in chunks, or there is none.
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
    /// Zero until the head is whole.
    status: u16,
    is_whole: bool,
    /// The line that is being read, of the head or of a chunk's size.
    line: Vec<u8>,
    /// How much of the chunk is still to come.
    chunk: usize,
}

impl ChunkedResponse {
    /// A response of which nothing has come.
    pub fn new() -> Self {
        Self::default()
    }

    /// The status; `None` until the head has come as a whole.
    pub fn status(&self) -> Option<u16> {
        (self.status != 0).then_some(self.status)
    }

    /// Whether the body has come to its end. A body that was cut is not whole.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Returns what `bytes`, the next of the connection, hold of the body.
    ///
    /// # Panics
    ///
    /// If the bytes are no response, or its body does not come in chunks.
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
            // An empty line ends a chunk, or the body.
            self.chunk =
                usize::from_str_radix(line, 16).unwrap_or_else(|_| panic!("a chunk's size: {line:?}"));
            self.is_whole = self.chunk == 0;
        }
    }
}
