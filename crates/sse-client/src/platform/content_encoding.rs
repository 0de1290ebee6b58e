//! Reads `Content-Encoding`: how a body is compressed (Fetch Standard, "handle content codings").
//!
//! - Only known codings count. Servers send other values, such as `none`, to keep middleware from compressing a stream.
//!   Their bodies are read as they are, as browsers do.
//! - All headers and all members of their lists count: `identity, gzip` is compressed.

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// The known codings, with their old names (RFC 9110, 8.4.1).
const CODINGS: [&str; 7] = ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"];

/// How a body is compressed, as its headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    /// Not at all.
    None,
    /// Once, by gzip.
    Gzip,
    /// In another way, or several times.
    Other,
}

impl Compression {
    /// Returns the compression of a body with these headers.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(CONTENT_ENCODING).iter();
        let members = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
        let mut codings = members.filter_map(coding);
        match (codings.next(), codings.next()) {
            (None, _) => Self::None,
            (Some("gzip" | "x-gzip"), None) => Self::Gzip,
            _ => Self::Other,
        }
    }
}

/// Returns the known coding with this name.
fn coding(name: &[u8]) -> Option<&'static str> {
    let name = name.trim_ascii();
    CODINGS.into_iter().find(|coding| name.eq_ignore_ascii_case(coding.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&'static str], expected: Compression) {
        let headers = values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap()));
        assert_eq!(Compression::of(&headers.collect()), expected, "{values:?}");
    }

    #[test]
    fn a_coding_is_recognized_by_its_name() {
        for coding in ["gzip", "x-gzip", "GZIP", "X-GZip\t"] {
            check(&[coding], Compression::Gzip);
        }
        for coding in ["deflate", "br", " Br ", "zstd", "compress", "x-compress"] {
            check(&[coding], Compression::Other);
        }
    }

    #[test]
    fn a_value_that_is_not_a_coding_is_ignored() {
        for value in
            ["none", "None", "identity", " Identity ", "", ",", "utf-8", "UTF8", "chunked", "text", "gzipped"]
        {
            check(&[value], Compression::None);
            check(&[value, "gzip"], Compression::Gzip);
            check(&["br", value], Compression::Other);
        }
        check(&[], Compression::None);
        check(&["none, identity", "utf-8"], Compression::None);
    }

    #[test]
    fn every_member_of_every_header_counts() {
        for values in [&["identity, gzip"][..], &["gzip, identity"], &["identity,gzip"], &[",,gzip,"]] {
            check(values, Compression::Gzip);
        }
        for values in
            [&["gzip", "br"][..], &["br", "gzip"], &["gzip, br"], &["gzip", "gzip"], &["none", "", "zstd"]]
        {
            check(values, Compression::Other);
        }
    }
}
