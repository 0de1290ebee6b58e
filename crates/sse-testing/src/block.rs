//! Finds the ends of the blocks of a stream.

use std::fmt;

/// The bytes of a block that has not ended.
#[derive(Default)]
pub(crate) struct Blocks {
    rest: Vec<u8>,
    /// Whether the last byte was a CR that ended a block. An LF after it belongs to the same line end.
    ended_by_cr: bool,
}

impl Blocks {
    /// Returns the blocks that these bytes complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Vec<String> {
        if bytes.is_empty() {
            return Vec::new();
        }
        if self.ended_by_cr {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        self.rest.extend_from_slice(bytes);
        let (mut blocks, mut start) = (Vec::new(), 0);
        while let Some(length) = block_length(&self.rest[start..]) {
            let block = &self.rest[start..start + length];
            blocks.push(str::from_utf8(block).expect("an event stream is UTF-8").to_owned());
            start += length;
        }
        self.ended_by_cr = start > 0 && self.rest[start - 1..] == *b"\r";
        self.rest.drain(..start);
        blocks
    }

    /// Returns whether a block has begun and not ended.
    pub(crate) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.rest), f)
    }
}

/// Returns how many bytes the first block has, including the empty line at its end; `None` if it does not end here.
fn block_length(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut line_is_empty) = (0, true);
    while let Some(&byte) = bytes.get(at) {
        let is_crlf = bytes[at..].starts_with(b"\r\n");
        at += if is_crlf { 2 } else { 1 };
        match byte {
            b'\n' | b'\r' if line_is_empty => return Some(at),
            b'\n' | b'\r' => line_is_empty = true,
            _ => line_is_empty = false,
        }
    }
    None
}

/// Returns the value of a field in the text of a block, from the first line of this name. There must be a colon and a
/// space after the name, as `sse-server` writes it.
///
/// ```
/// let block = "event: tick\ndata: 1\nid: 7\n\n";
/// assert_eq!(sse_testing::field(block, "id"), Some("7"));
/// assert_eq!(sse_testing::field(block, "retry"), None);
/// ```
pub fn field<'b>(block: &'b str, name: &str) -> Option<&'b str> {
    block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuts;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let blocks = cuts::check(text.as_bytes(), |chunks| {
            let mut blocks = Blocks::default();
            let found: Vec<_> = chunks.iter().flat_map(|chunk| blocks.feed(chunk)).collect();
            assert!(!blocks.has_rest());
            // If a CR and its LF come separately, the LF is skipped.
            found.iter().map(|block| block.trim_end().to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(blocks, expected, "{text:?}");
    }

    #[test]
    fn a_block_ends_with_an_empty_line_in_every_cut() {
        check("a\n\nb\nc\n\n", &["a", "b\nc"]);
        check("a\r\n\r\nb\r\n\r\n", &["a", "b"]);
        check("a\r\rb\r\r", &["a", "b"]);
        check("a\r\n\rb\n\r\n", &["a", "b"]);
        check("ü\n\n日本\n\n", &["ü", "日本"]);
        check("\n\na\n\n", &["", "", "a"]);
    }
}
