//! Decompresses a body, chunk by chunk.

use std::io::{self, Write as _};
use std::mem;

use bytes::Bytes;
use flate2::write::MultiGzDecoder;

/// How many compressed bytes are decompressed at once. The result has at most 1 MiB, because deflate compresses at most to a
/// thousandth.
const STEP: usize = 1024;

/// Decompresses gzip as it comes: each chunk is decompressed as far as its bytes allow.
#[derive(Debug)]
pub(super) struct Gunzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    /// Compressed bytes that have not been decompressed yet.
    input: Bytes,
    has_begun: bool,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Vec::new()), input: Bytes::new(), has_begun: false }
    }

    /// Takes the next chunk. All of the chunk before it must have been decompressed.
    pub(super) fn push(&mut self, chunk: Bytes) {
        debug_assert!(self.input.is_empty());
        self.has_begun |= !chunk.is_empty();
        self.input = chunk;
    }

    /// Returns the next decompressed bytes, or `None` if the next chunk is needed.
    ///
    /// # Errors
    ///
    /// If the bytes are not gzip.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        while !self.input.is_empty() {
            let step = self.input.split_to(self.input.len().min(STEP));
            self.decoder.write_all(&step)?;
            self.decoder.flush()?;
            let output = mem::take(self.decoder.get_mut());
            if !output.is_empty() {
                return Ok(Some(output.into()));
            }
        }
        Ok(None)
    }

    /// Ends the body. An empty body is valid.
    ///
    /// # Errors
    ///
    /// If the body ends within a gzip stream, or has a wrong checksum.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.has_begun { self.decoder.try_finish() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// Decompresses `body` in chunks of this length.
    fn gunzip(body: &[u8], length: usize) -> io::Result<Vec<u8>> {
        let (mut gunzip, mut text) = (Gunzip::new(), Vec::new());
        for chunk in body.chunks(length) {
            gunzip.push(Bytes::copy_from_slice(chunk));
            while let Some(bytes) = gunzip.next()? {
                assert!(bytes.len() <= 1200 * STEP, "{}", bytes.len());
                text.extend_from_slice(&bytes);
            }
        }
        gunzip.finish()?;
        Ok(text)
    }

    #[test]
    fn a_body_is_decompressed_in_any_chunks() {
        let large = vec![b'x'; 5_000_000];
        for text in [&b""[..], b"data: 1\n\n", &large] {
            for length in [1, 2, 7, 1400, 1_000_000] {
                assert_eq!(gunzip(&gzip(text), length).unwrap(), text, "{length}");
            }
        }
        let two = [gzip(b"data: 1\n\n"), gzip(b"data: 2\n\n")].concat();
        for length in 1..two.len() {
            assert_eq!(gunzip(&two, length).unwrap(), b"data: 1\n\ndata: 2\n\n", "{length}");
        }
        assert_eq!(gunzip(b"", 1).unwrap(), b"");
    }

    #[test]
    fn a_body_that_is_cut_or_not_gzip_is_an_error() {
        let whole = gzip(b"data: 1\n\n");
        for length in 1..whole.len() {
            assert!(gunzip(&whole[..length], 1400).is_err(), "cut after {length} bytes");
        }
        let mut damaged = whole.clone();
        *damaged.last_mut().unwrap() ^= 1;
        for body in [&b"data: 1\n\n"[..], b"\x1f\x8b", &damaged, &[&whole[..], b"x"].concat()] {
            assert!(gunzip(body, 1400).is_err(), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn flushed_bytes_are_returned_before_the_end() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut gunzip = Gunzip::new();
        for number in 0..100 {
            let event = format!("data: {number}\n\n");
            encoder.write_all(event.as_bytes()).unwrap();
            encoder.flush().unwrap();
            gunzip.push(mem::take(encoder.get_mut()).into());
            let mut text = Vec::new();
            while let Some(bytes) = gunzip.next().unwrap() {
                text.extend_from_slice(&bytes);
            }
            assert_eq!(text, event.as_bytes());
        }
    }
}
