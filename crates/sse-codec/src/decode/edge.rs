//! Skips the bytes before the first line of a chunk (9.2.5): a byte order mark, or the LF of a CRLF that was cut.
//!
//! - A CR ends its line at once. An LF right after it belongs to the same ending, even in a later chunk.
//! - A byte order mark is dropped only as the first three bytes of the stream.

use super::chunk::Chunk;

const BOM: &[u8; 3] = b"\xEF\xBB\xBF";

/// The place in the stream where the next chunk begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// At the start, after this many bytes of a byte order mark.
    Start(usize),
    /// After a CR, which has ended its line.
    AfterCr,
    /// At any other place.
    Within,
}

impl Edge {
    /// The start of a stream.
    pub(crate) const START: Self = Self::Start(0);

    /// Skips the bytes that belong to no line. Returns skipped bytes that turned out not to be a whole mark; the first
    /// line begins with them.
    #[inline]
    pub(crate) fn pass(&mut self, chunk: &mut Chunk<'_>) -> &'static [u8] {
        match *self {
            Self::Within => b"",
            _ if chunk.rest().is_empty() => b"",
            Self::AfterCr => {
                *self = Self::Within;
                chunk.skip(b'\n');
                b""
            }
            Self::Start(dropped) => self.pass_mark(dropped, chunk),
        }
    }

    #[cold]
    fn pass_mark(&mut self, mut dropped: usize, chunk: &mut Chunk<'_>) -> &'static [u8] {
        while dropped < BOM.len() && chunk.skip(BOM[dropped]) {
            dropped += 1;
        }
        if chunk.rest().is_empty() {
            *self = Self::Start(dropped);
            return b"";
        }
        *self = Self::Within;
        Self::Start(dropped).mark()
    }

    /// Returns the bytes that were skipped as the start of a mark, if the mark is not whole and the stream ends here.
    pub(crate) fn mark(self) -> &'static [u8] {
        match self {
            Self::Start(dropped) if dropped < BOM.len() => &BOM[..dropped],
            _ => b"",
        }
    }

    /// Notes that all of `chunk` but `rest` has been read.
    #[inline]
    pub(crate) fn leave(&mut self, chunk: &[u8], rest: &[u8]) {
        // An LF at the start of the next chunk belongs to this CR.
        if rest.is_empty() && chunk.last() == Some(&b'\r') {
            *self = Self::AfterCr;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Reads `chunks` one after the other and compares the lines. An unfinished line at the end is dropped.
    #[track_caller]
    fn check(chunks: &[&[u8]], expected: &[&[u8]]) {
        let mut edge = Edge::START;
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut line = Vec::new();
        for input in chunks.iter().copied() {
            let mut chunk = Chunk::new(input);
            line.extend_from_slice(edge.pass(&mut chunk));
            while let Some(piece) = chunk.line() {
                line.extend_from_slice(chunk.bytes(piece));
                found.push(core::mem::take(&mut line));
            }
            let unended = chunk.unended();
            line.extend_from_slice(chunk.bytes(unended));
            edge.leave(input, chunk.rest());
        }
        assert_eq!(found, expected, "{chunks:?}");
    }

    #[test]
    fn each_ending_ends_one_line() {
        check(&[b"a\nb\rc\r\nd\n\re\n"], &[b"a", b"b", b"c", b"d", b"", b"e"]);
        check(&[b"\r\r\n\n\r\n"], &[b"", b"", b"", b""]);
    }

    #[test]
    fn crlf_is_one_ending_over_chunks() {
        check(&[b"a\r", b"\nb\n"], &[b"a", b"b"]);
        check(&[b"a\r", b"", b"\nb\n"], &[b"a", b"b"]);
        check(&[b"a\r", b"b\n"], &[b"a", b"b"]);
        check(&[b"a\r", b"\n", b"\n"], &[b"a", b""]);
    }

    #[test]
    fn the_mark_is_dropped_only_at_the_start() {
        check(&[b"\xEF\xBB\xBFa\n\xEF\xBB\xBFb\n"], &[b"a", b"\xEF\xBB\xBFb"]);
        check(&[b"\xEF", b"\xBB", b"\xBFa\n"], &[b"a"]);
        check(&[b"\xEF\xBB\xBF\xEF\xBB\xBFa\n"], &[b"\xEF\xBB\xBFa"]);
        check(&[b"\xEF\xBB\xBF\n"], &[b""]);
    }

    #[test]
    fn a_part_of_the_mark_is_text() {
        check(&[b"\xEF\xBBa\n"], &[b"\xEF\xBBa"]);
        check(&[b"\xEF", b"\nb\n"], &[b"\xEF", b"b"]);
        check(&[b"\xEF\xBB", b"\r", b"\n\n"], &[b"\xEF\xBB", b""]);
        check(&[b"\xEF\xEF\xBB\xBFa\n"], &[b"\xEF\xEF\xBB\xBFa"]);
    }

    #[test]
    fn nothing_else_ends_a_line() {
        check(
            &["a\u{b}\u{c}\0\u{85}\u{2028}\u{2029}b\n".as_bytes()],
            &["a\u{b}\u{c}\0\u{85}\u{2028}\u{2029}b".as_bytes()],
        );
    }

    #[test]
    fn an_unfinished_line_is_not_a_line() {
        check(&[b"a\nb"], &[b"a"]);
        check(&[b""], &[]);
    }
}
