//! Recognizes a body that is compressed although no header says so, by its first bytes.
//!
//! A caller's client may decompress one coding, and then remove all `Content-Encoding` headers. If the stream was
//! compressed twice, only the bytes show it. No event stream begins with these bytes, because they are not UTF-8.

use reqwest::Response;

use crate::error::Refusal;

/// The first two bytes of gzip, compress, zstd, and of deflate in its usual settings. Brotli has no such bytes.
const STARTS: [[u8; 2]; 5] = [[0x1F, 0x8B], [0x1F, 0x9D], [0x28, 0xB5], [0x78, 0x9C], [0x78, 0xDA]];

/// The beginning of a body.
#[derive(Debug)]
pub(super) enum Start {
    /// It has not come, or only its first byte. The rest of the response is kept for the error.
    Awaited(Option<u8>, Box<Refusal>),
    Passed,
}

impl Start {
    /// Returns the start of the body of `response`, which has not come yet.
    pub(super) fn of(response: &Response) -> Self {
        Self::Awaited(None, Box::new(Refusal::without_body(response)))
    }

    /// Checks the next chunk, and returns the refusal if the body is compressed.
    #[inline]
    pub(super) fn compressed(&mut self, chunk: &[u8]) -> Option<Box<Refusal>> {
        let Self::Awaited(first, _) = self else { return None };
        let mut bytes = first.iter().chain(chunk).copied();
        match (bytes.next(), bytes.next()) {
            (Some(first), Some(second)) => match std::mem::replace(self, Self::Passed) {
                Self::Awaited(_, refusal) if STARTS.contains(&[first, second]) => Some(refusal),
                _ => None,
            },
            (byte, _) => {
                *first = byte;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Version;
    use reqwest::StatusCode;
    use reqwest::header::HeaderMap;

    use super::*;

    #[track_caller]
    fn check(body: &[u8], expected: bool) {
        for cut in 0..=body.len() {
            let refusal =
                Refusal::new(Version::HTTP_11, StatusCode::OK, HeaderMap::new(), Bytes::new(), true);
            let mut start = Start::Awaited(None, Box::new(refusal));
            let chunks = [&body[..cut], b"", &body[cut..]];
            let found = chunks.into_iter().any(|chunk| start.compressed(chunk).is_some());
            assert_eq!(found, expected, "{body:?} cut at {cut}");
        }
    }

    #[test]
    fn a_compressed_body_is_recognized_by_its_first_two_bytes() {
        for start in STARTS {
            check(&start, true);
            check(&[&start[..], b"data: 1"].concat(), true);
            check(&[b"\n", &start[..]].concat(), false);
            assert!(std::str::from_utf8(&start).is_err(), "no event stream begins with these bytes");
        }
        for text in ["", "d", "data: 1\n\n", "\u{feff}data: 1", "x", "\u{1f}", "(", "\u{1f}\u{1f}"] {
            check(text.as_bytes(), false);
        }
    }
}
