//! Bytes to lines (9.2.5): the byte order mark, CR, LF and CRLF, over any cut into chunks.
//!
//! - A CR ends its line at once; an LF that follows belongs to it, in a later chunk too.
//! - A byte order mark is dropped as the first three bytes of the stream only.
//! - No byte is stored: a line that a chunk cuts comes as several pieces.

use crate::chunk::Chunk;

const BOM: &[u8; 3] = b"\xEF\xBB\xBF";

/// A line without its ending, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'i> {
    pub(crate) bytes: &'i [u8],
    /// The line ends with this piece.
    pub(crate) ends: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    /// How many bytes of the mark have been dropped; all of it once the stream's start is behind.
    bom: usize,
    /// CRLF is one line ending: after the CR that ended a line, an LF is not another one.
    after_cr: bool,
}

impl Lines {
    /// Takes the next piece from the chunk; `None` when that is used up.
    #[inline]
    pub(crate) fn next<'i>(&mut self, chunk: &mut Chunk<'i>) -> Option<Piece<'i>> {
        if self.bom < BOM.len()
            && let Some(bytes) = self.drop_bom(chunk)
        {
            return Some(Piece { bytes, ends: false });
        }
        if chunk.rest().is_empty() {
            return None;
        }
        if self.after_cr {
            self.after_cr = false;
            chunk.skip(b'\n');
        }
        let (bytes, end) = chunk.line();
        if bytes.is_empty() && end.is_none() {
            return None;
        }
        self.after_cr = end == Some(b'\r');
        Some(Piece { bytes, ends: end.is_some() })
    }

    /// Drops the mark, or what of it the chunk holds. Bytes that only began like one are returned: they begin the
    /// first line.
    fn drop_bom(&mut self, chunk: &mut Chunk<'_>) -> Option<&'static [u8]> {
        while chunk.skip(BOM[self.bom]) {
            self.bom += 1;
            if self.bom == BOM.len() {
                return None;
            }
        }
        if chunk.rest().is_empty() {
            return None;
        }
        let begun = &BOM[..self.bom];
        self.bom = BOM.len();
        Some(begun).filter(|begun| !begun.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Reads `chunks` one after the other and compares the whole lines (an unfinished one at the end is dropped).
    #[track_caller]
    fn check(chunks: &[&[u8]], expected: &[&[u8]]) {
        let mut lines = Lines::default();
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut line = Vec::new();
        for input in chunks.iter().copied() {
            let mut chunk = Chunk::new(input);
            while let Some(piece) = lines.next(&mut chunk) {
                line.extend_from_slice(piece.bytes);
                if piece.ends {
                    found.push(core::mem::take(&mut line));
                }
            }
            assert!(chunk.rest().is_empty());
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
    fn the_mark_is_dropped_at_the_start_only() {
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
    fn the_rest_after_the_last_ending_is_no_line() {
        check(&[b"a\nb"], &[b"a"]);
        check(&[b""], &[]);
    }
}
