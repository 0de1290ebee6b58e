//! How the bytes of a stream are framed in the body of an HTTP/1 response.

use bytes::{BufMut, Bytes, BytesMut};

/// How the end of a body is marked (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Each piece is a chunk, and an empty chunk ends the body (7.1).
    Chunked,
    /// The end of the connection ends the body, for HTTP/1.0.
    Close,
}

/// The last chunk, and no trailers.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// One piece of a body, in both forms of framing.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    chunk: Bytes,
    /// The index of the first byte of the content in the chunk. After the content, there is a line end.
    head: usize,
}

impl Piece {
    /// Returns a piece of at least one byte, because an empty chunk would end the body.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        debug_assert!(!bytes.is_empty(), "an empty chunk ends the body");
        let mut chunk = head(bytes.len(), bytes.len() + 2);
        let head = chunk.len();
        chunk.put_slice(bytes);
        chunk.put_slice(b"\r\n");
        Self { chunk: chunk.freeze(), head }
    }

    /// Returns how many bytes of the body it has.
    pub(crate) fn len(&self) -> usize {
        self.framed(Framing::Close).len()
    }

    /// Returns the bytes that are sent.
    pub(crate) fn framed(&self, framing: Framing) -> &[u8] {
        let chunk = &self.chunk;
        match framing {
            Framing::Chunked => chunk,
            Framing::Close => &chunk[self.head..chunk.len() - 2],
        }
    }

    /// Returns the bytes that are left to send, after `sent` of them.
    pub(crate) fn rest(&self, framing: Framing, sent: usize) -> Bytes {
        self.chunk.slice_ref(&self.framed(framing)[sent..])
    }
}

impl Framing {
    /// Returns the parts of a piece, in their order, without a copy of its bytes.
    pub(crate) fn parts(self, bytes: Bytes) -> Vec<Bytes> {
        match self {
            Self::Chunked => {
                vec![head(bytes.len(), 0).freeze(), bytes, Bytes::from_static(b"\r\n")]
            }
            Self::Close => vec![bytes],
        }
    }

    /// Returns the bytes that end a body.
    pub(crate) fn end(self) -> Bytes {
        match self {
            Self::Chunked => Bytes::from_static(LAST_CHUNK),
            Self::Close => Bytes::new(),
        }
    }
}

/// Returns the first bytes of a chunk of this length, with capacity for `room` more.
fn head(len: usize, room: usize) -> BytesMut {
    let digits = (usize::BITS - len.leading_zeros()).div_ceil(4).max(1);
    // At most 16 digits.
    let mut head = BytesMut::with_capacity(18 + room);
    for digit in (0..digits).rev() {
        head.put_u8(b"0123456789abcdef"[(len >> (4 * digit)) & 0xf]);
    }
    head.put_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(len: usize, header: &str) {
        let bytes = vec![b'x'; len];
        let piece = Piece::new(&bytes);
        let chunk = [header.as_bytes(), b"\r\n", &bytes, b"\r\n"].concat();
        assert_eq!(piece.framed(Framing::Chunked), chunk);
        assert_eq!(piece.framed(Framing::Close), bytes);
        let parts = |framing: Framing| framing.parts(Bytes::copy_from_slice(&bytes)).concat();
        assert_eq!((parts(Framing::Chunked), parts(Framing::Close)), (chunk.clone(), bytes.clone()));
        for sent in [0, 1, len] {
            assert_eq!(piece.rest(Framing::Chunked, sent), chunk[sent..]);
            assert_eq!(piece.rest(Framing::Close, sent), bytes[sent..]);
        }
    }

    #[test]
    fn a_piece_is_a_chunk_with_its_length_in_hexadecimal_digits() {
        check(1, "1");
        check(9, "9");
        check(10, "a");
        check(15, "f");
        check(16, "10");
        check(255, "ff");
        check(256, "100");
        check(4095, "fff");
        check(4096, "1000");
        check(0x1_2345, "12345");
    }

    #[test]
    fn the_end_is_an_empty_chunk_or_nothing() {
        assert_eq!(Framing::Chunked.end(), "0\r\n\r\n");
        assert_eq!(Framing::Close.end(), "");
    }
}
