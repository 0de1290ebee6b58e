//! A response over HTTP/1.1 that is read as it comes, in whatever pieces.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

/// What has come of a response with a chunked body, or with none.
#[derive(Debug, Default)]
pub struct Response {
    /// Zero until the head is whole.
    pub status: u16,
    /// Whether the body has come to its end, and was not just cut.
    pub is_whole: bool,
    /// The line that is being read, of the head or of a chunk's size.
    line: Vec<u8>,
    /// How much of the chunk is still to come.
    chunk: usize,
}

impl Response {
    /// Returns what `bytes` hold of the body.
    ///
    /// # Panics
    ///
    /// If this is no response, or no chunked body.
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
