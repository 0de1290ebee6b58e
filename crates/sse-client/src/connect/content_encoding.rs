//! Reads `Content-Encoding`: whether a body is compressed (Fetch Standard, "handle content codings").
//!
//! - Only known codings count. Servers send other values, such as `none`, to keep middleware from compressing a stream.
//!   Their bodies are read as they are, as browsers do.
//! - All headers and all members of their lists count: `identity, gzip` is compressed.

use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// The known codings, with their old names (RFC 9110, 8.4.1).
const CODINGS: [&str; 7] = ["gzip", "x-gzip", "deflate", "br", "zstd", "compress", "x-compress"];

/// Returns true if the body is compressed.
pub(super) fn is_compressed(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONTENT_ENCODING).iter();
    let mut members = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    members.any(is_coding)
}

fn is_coding(member: &[u8]) -> bool {
    let name = member.trim_ascii();
    CODINGS.iter().any(|coding| name.eq_ignore_ascii_case(coding.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&'static str], expected: bool) {
        let headers = values.iter().map(|value| (CONTENT_ENCODING, value.parse().unwrap()));
        assert_eq!(is_compressed(&headers.collect()), expected, "{values:?}");
    }

    #[test]
    fn a_coding_is_recognized_by_its_name() {
        for coding in CODINGS.into_iter().chain(["GZIP", " Br ", "X-GZip\t"]) {
            check(&[coding], true);
        }
    }

    #[test]
    fn a_value_that_is_not_a_coding_is_ignored() {
        for value in
            ["none", "None", "identity", " Identity ", "", ",", "utf-8", "UTF8", "chunked", "text", "gzipped"]
        {
            check(&[value], false);
        }
        check(&[], false);
    }

    #[test]
    fn every_member_of_every_header_counts() {
        for values in [
            &["identity, gzip"][..],
            &["gzip, identity"],
            &["identity,gzip"],
            &[",,br,"],
            &["identity", "gzip"],
            &["gzip", "none"],
            &["none", "", "zstd"],
        ] {
            check(values, true);
        }
        check(&["none, identity", "utf-8"], false);
    }
}
