//! Where lines end in a chunk, 64 bytes at a time.
//!
//! Most lines are short: finding each end by a search of its own would cost more than the line. So the ends within 64
//! bytes are found at once, as bits of a word, and used up one after the other. Where there are none, the line is long,
//! and `memchr` goes on.

use memchr::memchr2;

/// How many bytes a word of ends covers.
const BLOCK: usize = 64;

/// A chunk as it is read, line by line.
#[derive(Clone, Debug)]
pub(crate) struct Chunk<'i> {
    bytes: &'i [u8],
    /// Where reading goes on.
    at: usize,
    /// Bit n is set if byte `block + n` ends a line and has not been read.
    ends: u64,
    block: usize,
}

impl<'i> Chunk<'i> {
    #[inline]
    pub(crate) fn new(bytes: &'i [u8]) -> Self {
        Self { bytes, at: 0, ends: 0, block: 0 }
    }

    /// What has not been read.
    #[inline]
    pub(crate) fn rest(&self) -> &'i [u8] {
        &self.bytes[self.at..]
    }

    /// Reads the next byte, if it is this one.
    #[inline]
    pub(crate) fn skip(&mut self, byte: u8) -> bool {
        let is_next = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads a line and the byte that ends it. Without an end, it is the rest of the chunk.
    #[inline]
    pub(crate) fn line(&mut self) -> (&'i [u8], Option<u8>) {
        let start = self.at;
        let Some(end) = self.end() else {
            self.at = self.bytes.len();
            return (&self.bytes[start..], None);
        };
        self.at = end + 1;
        (&self.bytes[start..end], Some(self.bytes[end]))
    }

    /// Where the next line ends.
    #[inline]
    fn end(&mut self) -> Option<usize> {
        // Every other line is empty: no need to look further.
        if self.bytes.get(self.at).copied().is_some_and(is_end) {
            return Some(self.at);
        }
        while let Some(end) = self.known_end() {
            // The ends of empty lines have been read already.
            if end >= self.at {
                return Some(end);
            }
        }
        self.look()
    }

    /// Takes the next end that was found in the block.
    #[inline]
    fn known_end(&mut self) -> Option<usize> {
        if self.ends == 0 {
            return None;
        }
        let end = self.block + self.ends.trailing_zeros() as usize;
        self.ends &= self.ends - 1;
        Some(end)
    }

    /// Looks for the end of the next line in the bytes from here on.
    #[inline]
    fn look(&mut self) -> Option<usize> {
        let rest = self.rest();
        let Some(block) = rest.first_chunk::<BLOCK>() else {
            return memchr2(b'\r', b'\n', rest).map(|end| self.at + end);
        };
        self.block = self.at;
        self.ends = ends(block);
        self.known_end().or_else(|| memchr2(b'\r', b'\n', &rest[BLOCK..]).map(|end| self.at + BLOCK + end))
    }
}

#[inline]
fn is_end(byte: u8) -> bool {
    byte == b'\n' || byte == b'\r'
}

/// The ends of lines in a block: the bytes are compared by vectors, and the results gathered eight at a time.
#[inline]
fn ends(block: &[u8; BLOCK]) -> u64 {
    let found = block.map(|byte| u8::from(is_end(byte)));
    let words = found.as_chunks::<8>().0.iter().rev();
    words.fold(0, |mask, &word| mask << 8 | gather(u64::from_le_bytes(word)))
}

/// The low bits of eight bytes as eight bits: the product moves bit 8n to bit 56 + n.
#[inline]
const fn gather(bytes: u64) -> u64 {
    bytes.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_ends_of_a_block_are_found(bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], BLOCK)) {
            let expected = bytes.iter().rev().fold(0, |mask, &byte| mask << 1 | u64::from(is_end(byte)));
            prop_assert_eq!(ends(bytes.first_chunk().unwrap()), expected);
        }

        #[test]
        fn lines_are_those_between_the_ends(
            lengths in prop::collection::vec(prop_oneof![0usize..4, 60usize..70, 100usize..300], 0..12), rest in 0usize..200,
        ) {
            let mut bytes = Vec::new();
            for length in &lengths {
                bytes.resize(bytes.len() + length, b'x');
                bytes.push(b'\n');
            }
            bytes.resize(bytes.len() + rest, b'y');
            let mut chunk = Chunk::new(&bytes);
            for length in lengths {
                let (line, end) = chunk.line();
                prop_assert_eq!((line.len(), end), (length, Some(b'\n')));
            }
            let (line, end) = chunk.line();
            prop_assert_eq!((line.len(), end), (rest, None));
        }
    }

    #[test]
    fn a_byte_that_was_skipped_ends_no_line() {
        let mut chunk = Chunk::new(b"a\r\n\r\nb");
        assert_eq!(chunk.line(), (&b"a"[..], Some(b'\r')));
        assert!(chunk.skip(b'\n'));
        assert_eq!(chunk.line(), (&b""[..], Some(b'\r')));
        assert!(chunk.skip(b'\n'));
        assert!(!chunk.skip(b'\n'));
        assert_eq!(chunk.line(), (&b"b"[..], None));
    }
}
