//! Finds the ends of lines in a chunk, 64 bytes at a time.
//!
//! Most lines are short, and a search for each end would cost more than the rest of the work for the line. So all ends
//! within 64 bytes are found at once, as the bits of a word, and then used one after the other. If some blocks have no
//! end, the line is long, and `memchr` searches on.
//!
//! The search finds all bytes up to CR, because one comparison is enough for that, and text has few such bytes other
//! than CR and LF. The byte itself is looked at when its bit is used.

use memchr::{memchr, memchr2};
#[cfg(all(feature = "std", target_arch = "x86_64"))]
use safe_arch::{cmp_eq_mask_i8_m128i, m128i, min_u8_m128i, move_mask_i8_m128i};
#[cfg(all(feature = "std", not(target_arch = "x86_64")))]
use wide::u8x16;

use super::span::Span;
use super::utf8;

/// How many bytes are searched at once, one for each bit of a word.
const BLOCK: usize = 64;

/// After this many further blocks without an end, `memchr` searches on.
const BLOCKS: usize = 3;

/// A chunk that is read line by line.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'i> {
    bytes: &'i [u8],
    /// The position of the next byte to read.
    at: usize,
    /// One bit for each of the `BLOCK` bytes before `searched`: whether it may end a line that has not been read.
    ends: u64,
    /// Up to here the ends of lines are known.
    searched: usize,
}

impl<'i> Chunk<'i> {
    #[inline]
    pub(crate) fn new(bytes: &'i [u8]) -> Self {
        Self { bytes, at: 0, ends: 0, searched: 0 }
    }

    /// Returns the bytes that have not been read.
    #[inline]
    pub(crate) fn rest(&self) -> &'i [u8] {
        &self.bytes[self.at..]
    }

    /// Reads the next byte, if it is `byte`. Call it only before the first line, when no ends are known yet.
    #[inline]
    pub(crate) fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads a line and its ending; CRLF is one ending. Returns `None` if the line does not end in the chunk.
    #[expect(
        clippy::inline_always,
        reason = "the loops that call it then keep its state in registers, which halves their time"
    )]
    #[inline(always)]
    pub(crate) fn line(&mut self) -> Option<Span> {
        let start = self.at;
        loop {
            if self.ends == 0 {
                let from = self.searched.max(start);
                if from >= self.bytes.len() {
                    return None;
                }
                (self.ends, self.searched) = search(self.bytes, from);
                if self.ends == 0 {
                    return None;
                }
            }
            let end = self.searched - BLOCK + self.take_end();
            match self.bytes[end] {
                b'\n' => self.at = end + 1,
                b'\r' => self.at = self.after_cr(end + 1),
                _ => continue,
            }
            return Some(Span { start, end });
        }
    }

    /// Returns where the next line begins after a CR. `next` is the position after the CR.
    #[inline]
    fn after_cr(&mut self, next: usize) -> usize {
        if self.bytes.get(next) != Some(&b'\n') {
            return next;
        }
        if next < self.searched {
            self.take_end();
        }
        next + 1
    }

    /// Takes the first byte that may be an end, as a position in the block.
    #[inline]
    fn take_end(&mut self) -> usize {
        let first = self.ends.trailing_zeros();
        self.ends &= self.ends - 1;
        first as usize
    }

    /// Reads the rest of the chunk, in which no line ends.
    #[inline]
    pub(crate) fn unended(&mut self) -> Span {
        let start = self.at;
        self.at = self.bytes.len();
        Span { start, end: self.at }
    }

    /// Returns the eight bytes from `at` on, or `None` if there are fewer.
    #[inline]
    pub(crate) fn word(&self, at: usize) -> Option<u64> {
        self.bytes.get(at..)?.first_chunk().map(|&word| u64::from_le_bytes(word))
    }

    /// Returns true if the span has a NUL.
    #[inline]
    pub(crate) fn has_nul(&self, span: Span) -> bool {
        // One word is enough for a short span. The bytes after the span are set to 0xFF.
        match self.word(span.start) {
            Some(word) if span.len() < 8 => has_zero(word | u64::MAX << (8 * span.len())),
            _ => memchr(0, self.bytes(span)).is_some(),
        }
    }

    #[inline]
    pub(crate) fn bytes(&self, span: Span) -> &'i [u8] {
        &self.bytes[span.start..span.end]
    }

    /// Returns the span as text, or `None` if it is not UTF-8.
    #[inline]
    pub(crate) fn text(&self, span: Span) -> Option<&'i str> {
        // Whole blocks are checked several times faster than parts of one. So the check goes on to the end of the last
        // block, unless that would cut a character.
        let whole = &self.bytes[span.start..];
        let len = span.len().next_multiple_of(utf8::BLOCK);
        let ends_a_character = whole.get(len).is_some_and(|byte| byte & 0xC0 != 0x80);
        let text = if ends_a_character { utf8::check(&whole[..len]) } else { None };
        text.and_then(|text| text.get(..span.len())).or_else(|| utf8::check(self.bytes(span)))
    }
}

/// Searches from `at` on for a block in which lines may end. Returns the bits of the ends, and the end of the block,
/// which may be after the last byte.
#[inline]
fn search(bytes: &[u8], at: usize) -> (u64, usize) {
    let Some(block) = bytes[at..].first_chunk() else { return search_few(bytes, at) };
    let found = ends(block);
    if found != 0 || bytes.len() == at + BLOCK { (found, at + BLOCK) } else { search_on(bytes, at + BLOCK) }
}

#[inline(never)]
fn search_few(bytes: &[u8], at: usize) -> (u64, usize) {
    (ends_of_few(&bytes[at..]), at + BLOCK)
}

/// Does the same as [`search`] after a block without an end.
#[inline(never)]
fn search_on(bytes: &[u8], mut at: usize) -> (u64, usize) {
    let blocks = bytes[at..].as_chunks().0;
    for block in blocks.iter().take(BLOCKS) {
        let found = ends(block);
        if found != 0 {
            return (found, at + BLOCK);
        }
        at += BLOCK;
    }
    if blocks.len() <= BLOCKS {
        return search_few(bytes, at);
    }
    let Some(length) = memchr2(b'\r', b'\n', &bytes[at..]) else { return (0, bytes.len()) };
    at += length;
    let found = bytes[at..].first_chunk().map_or_else(|| ends_of_few(&bytes[at..]), ends);
    (found, at + BLOCK)
}

/// Returns true if one of the bytes of a word is zero.
#[inline]
fn has_zero(word: u64) -> bool {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    word.wrapping_sub(LOW) & !word & HIGH != 0
}

/// Returns true if a line may end with this byte.
#[inline]
fn may_be_end(byte: u8) -> bool {
    byte <= b'\r'
}

/// Returns where lines may end in a block. It uses the vector instructions that every machine of the target has.
#[cfg(feature = "std")]
#[inline]
fn ends(block: &[u8; BLOCK]) -> u64 {
    let vectors = block.as_chunks::<16>().0.iter().rev();
    vectors.fold(0, |mask, &bytes| mask << 16 | ends_of_vector(bytes))
}

#[cfg(all(feature = "std", target_arch = "x86_64"))]
#[inline]
fn ends_of_vector(bytes: [u8; 16]) -> u64 {
    let bytes = m128i::from(bytes);
    let ends = cmp_eq_mask_i8_m128i(bytes, min_u8_m128i(bytes, m128i::from([b'\r'; 16])));
    move_mask_i8_m128i(ends).cast_unsigned().into()
}

#[cfg(all(feature = "std", not(target_arch = "x86_64")))]
#[inline]
fn ends_of_vector(bytes: [u8; 16]) -> u64 {
    let bytes = u8x16::new(bytes);
    bytes.simd_eq(bytes.min(u8x16::splat(b'\r'))).to_bitmask().into()
}

/// Returns where lines may end in a block. It compares eight bytes at a time.
#[cfg(not(feature = "std"))]
#[inline]
fn ends(block: &[u8; BLOCK]) -> u64 {
    let words = block.as_chunks::<8>().0.iter().rev();
    words.fold(0, |mask, &bytes| mask << 8 | ends_of_word(bytes))
}

/// Returns where lines may end in eight bytes.
#[inline]
fn ends_of_word(bytes: [u8; 8]) -> u64 {
    const LOW: u64 = 0x7F7F_7F7F_7F7F_7F7F;
    // The addend that sets the high bit of each byte above CR.
    const ABOVE_CR: u64 = u64::from_ne_bytes([0x7F - b'\r'; 8]);

    let word = u64::from_le_bytes(bytes);
    let ends = !(((word & LOW) + ABOVE_CR) | word) & !LOW;
    // The product moves bit 8n to bit 56 + n.
    (ends >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Returns where lines may end in less than a block. The last vector or word may overlap with the one before it.
#[inline]
fn ends_of_few(bytes: &[u8]) -> u64 {
    #[cfg(feature = "std")]
    if let Some(&last) = bytes.last_chunk::<16>() {
        let vectors = bytes.as_chunks::<16>().0.iter().enumerate();
        let found = vectors.fold(0, |mask, (number, &bytes)| mask | ends_of_vector(bytes) << (16 * number));
        return found | ends_of_vector(last) << (bytes.len() - last.len());
    }
    if let Some(&last) = bytes.last_chunk::<8>() {
        let words = bytes.as_chunks::<8>().0.iter().enumerate();
        let found = words.fold(0, |mask, (number, &bytes)| mask | ends_of_word(bytes) << (8 * number));
        return found | ends_of_word(last) << (bytes.len() - last.len());
    }
    bytes.iter().rev().fold(0, |mask, &byte| mask << 1 | u64::from(may_be_end(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Finds the lines by a search for each end.
    fn expected(mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|&byte| matches!(byte, b'\n' | b'\r')) {
            lines.push(&bytes[..end]);
            let ending = if bytes[end..].starts_with(b"\r\n") { 2 } else { 1 };
            bytes = &bytes[end + ending..];
        }
        (lines, bytes)
    }

    #[track_caller]
    fn check(bytes: &[u8]) {
        let (lines, rest) = expected(bytes);
        let mut chunk = Chunk::new(bytes);
        let mut found = Vec::new();
        while let Some(line) = chunk.line() {
            found.push(chunk.bytes(line));
        }
        assert_eq!(found, lines, "{}", bytes.escape_ascii());
        assert_eq!(chunk.rest(), rest);
        let unended = chunk.unended();
        assert_eq!(chunk.bytes(unended), rest);
        assert!(chunk.rest().is_empty());
    }

    fn dense() -> impl Strategy<Value = u8> {
        prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'\t'), Just(b'\x0E'), any::<u8>()]
    }

    proptest! {
        #[test]
        fn every_byte_of_a_block_that_may_be_an_end_is_found(bytes in prop::collection::vec(dense(), BLOCK)) {
            let mask = |bytes: &[u8]| bytes.iter().rev().fold(0, |mask, &byte| mask << 1 | u64::from(may_be_end(byte)));
            prop_assert_eq!(ends(bytes.first_chunk().unwrap()), mask(&bytes));
            for few in 0..BLOCK {
                prop_assert_eq!(ends_of_few(&bytes[..few]), mask(&bytes[..few]));
            }
        }

        #[test]
        fn short_lines_are_found(bytes in prop::collection::vec(dense(), 0..300)) {
            check(&bytes);
        }

        #[test]
        fn lines_of_any_length_are_found(
            lengths in prop::collection::vec(
                (prop_oneof![0usize..4, 60usize..70, 100usize..300], prop::sample::select(&["\n", "\r", "\r\n"][..])), 0..12,
            ),
            rest in 0usize..200,
        ) {
            let mut bytes = Vec::new();
            for (length, ending) in lengths {
                bytes.resize(bytes.len() + length, b'x');
                bytes.extend_from_slice(ending.as_bytes());
            }
            bytes.resize(bytes.len() + rest, b'y');
            check(&bytes);
        }
    }

    #[test]
    fn a_skipped_byte_belongs_to_no_line() {
        let mut chunk = Chunk::new(b"\na\nb");
        assert!(chunk.skip(b'\n'));
        assert!(!chunk.skip(b'\n'));
        assert_eq!(chunk.line(), Some(Span { start: 1, end: 2 }));
        assert!(chunk.line().is_none());
        assert_eq!(chunk.rest(), b"b");
    }

    #[track_caller]
    fn check_text(text: &[u8], after: &[u8]) {
        let bytes = [b"x", text, after].concat();
        let found = Chunk::new(&bytes).text(Span { start: 1, end: 1 + text.len() });
        assert_eq!(found, core::str::from_utf8(text).ok(), "{}", bytes.escape_ascii());
    }

    #[test]
    fn the_bytes_after_a_span_do_not_decide_whether_it_is_text() {
        let (ascii, even, odd) = ([b'x'; 200], "é".repeat(100), "xé".repeat(100));
        for after in [&b""[..], b"\xFF", &ascii, even.as_bytes(), odd.as_bytes()] {
            for text in
                [&b""[..], b"a", "é".as_bytes(), &even.as_bytes()[..80], b"\xFF", b"a\xE2\x82", &[0x80; 70]]
            {
                check_text(text, after);
            }
        }
        check_text(&even.as_bytes()[..33], &even.as_bytes()[33..]);
    }
}
