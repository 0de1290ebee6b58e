//! Compressed bodies of requests.

use std::io::{self, Read};

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use flate2::bufread::{GzDecoder, ZlibDecoder};

use super::rejection::Rejection;

/// How the body of a request is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

/// Why a body can't be decoded.
#[derive(Debug)]
pub(crate) enum Undecoded {
    TooLarge,
    Broken(io::Error),
    /// It has more members than are read.
    ManyParts,
}

/// How many members a gzip body may have. Each costs time to begin, however small it is.
const MAX_PARTS: usize = 100;

impl Encoding {
    /// Returns the encoding of a request's body.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Rejection> {
        let mut lines = headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
        let (first, more) =
            (lines.next().unwrap_or_default().trim_ascii().to_ascii_lowercase(), lines.next());
        match (&first[..], more) {
            (b"" | b"identity", None) => Ok(Self::Identity),
            (b"gzip" | b"x-gzip", None) => Ok(Self::Gzip),
            (b"deflate", None) => Ok(Self::Deflate),
            _ => {
                let text = "the body is compressed in a way that the hub can't read; send it as it is, or as gzip or deflate";
                let accepted = HeaderValue::from_static("gzip, deflate, identity");
                Err(Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
                    .header(ACCEPT_ENCODING, accepted))
            }
        }
    }

    /// The body as it was, if it is not larger than the limit.
    pub(crate) fn decode(self, body: Bytes, limit: usize) -> Result<Bytes, Undecoded> {
        match self {
            Self::Identity => Ok(body),
            Self::Gzip => read_gzip(&body, limit),
            Self::Deflate => read(ZlibDecoder::new(&*body), limit),
        }
    }
}

/// Reads the gzip members one after the other, within the limits.
fn read_gzip(mut rest: &[u8], limit: usize) -> Result<Bytes, Undecoded> {
    let mut body = Vec::new();
    for _ in 0..MAX_PARTS {
        let mut decoder = GzDecoder::new(rest);
        append(&mut decoder, &mut body, limit)?;
        rest = decoder.into_inner();
        if rest.is_empty() {
            return Ok(body.into());
        }
    }
    Err(Undecoded::ManyParts)
}

fn read(decoder: impl Read, limit: usize) -> Result<Bytes, Undecoded> {
    let mut body = Vec::new();
    append(decoder, &mut body, limit)?;
    Ok(body.into())
}

/// Reads no more than the limit, however small the compressed body was.
fn append(decoder: impl Read, body: &mut Vec<u8>, limit: usize) -> Result<(), Undecoded> {
    let most = u64::try_from(limit - body.len()).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(most).read_to_end(body).map_err(Undecoded::Broken)?;
    if body.len() > limit { Err(Undecoded::TooLarge) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn deflate(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn check(lines: &[&'static str], body: Vec<u8>, expected: Result<&[u8], &str>) {
        let headers = lines.iter().map(|line| (CONTENT_ENCODING, HeaderValue::from_static(line))).collect();
        let decoded = match Encoding::of(&headers) {
            Ok(encoding) => encoding.decode(body.into(), 1000).map_err(|error| format!("{error:?}")),
            Err(rejection) => Err(rejection.text().to_owned()),
        };
        match (&decoded, expected) {
            (Ok(decoded), Ok(expected)) => assert_eq!(decoded, expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            _ => panic!("{lines:?}: {decoded:?}"),
        }
    }

    #[test]
    fn a_compressed_body_is_read_within_its_bound() {
        check(&[], b"Hello".to_vec(), Ok(b"Hello"));
        check(&["identity"], b"Hello".to_vec(), Ok(b"Hello"));
        check(&[" GZIP "], gzip(b"Hello"), Ok(b"Hello"));
        check(&["gzip"], [gzip(b"Hel"), gzip(b"lo")].concat(), Ok(b"Hello"));
        check(&["gzip"], [gzip(b"Hello"), gzip(b"").repeat(99)].concat(), Ok(b"Hello"));
        check(&["gzip"], gzip(b"").repeat(101), Err("ManyParts"));
        check(&["gzip"], [gzip(&[b'a'; 600]), gzip(&[b'a'; 600])].concat(), Err("TooLarge"));
        check(&["gzip"], [gzip(b"Hello"), b"more".to_vec()].concat(), Err("Broken"));
        check(&["deflate"], deflate(b"Hello"), Ok(b"Hello"));
        check(&["gzip"], gzip(&[b'a'; 1000]), Ok(&[b'a'; 1000]));
        check(&["gzip"], gzip(&vec![b'a'; 10 << 20]), Err("TooLarge"));
        check(&["deflate"], deflate(&vec![b'a'; 10 << 20]), Err("TooLarge"));
        for broken in [b"Hello".to_vec(), gzip(b"Hello")[..15].to_vec(), Vec::new()] {
            check(&["gzip"], broken, Err("Broken"));
        }
        for unknown in [&["br"][..], &["zstd"], &["gzip, gzip"], &["gzip", "gzip"], &["none"]] {
            check(unknown, Vec::new(), Err("send it as it is, or as gzip or deflate"));
        }
    }
}
