//! Checks that apply to every request.

use axum::extract::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Version};

use super::rejection::Rejection;

/// Refuses requests that HTTP does not allow.
pub(crate) fn check(request: &Request) -> Result<(), Rejection> {
    check_host(request.version(), request.headers())
}

/// A request of HTTP/1.1 has one `Host` (RFC 9112, 3.2). If there were several, two programs could use different ones.
fn check_host(version: Version, headers: &HeaderMap) -> Result<(), Rejection> {
    let mut hosts = headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
    let problem = match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => "two or more",
        (None, _) if version == Version::HTTP_11 => "no",
        (Some(host), None) if !host.is_empty() && Authority::try_from(host).is_err() => "an invalid",
        _ => return Ok(()),
    };
    Err(Rejection::bad(format!("the request has {problem} Host; send one, as `Host: hub.example.com`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(version: Version, hosts: &[&'static str], expected: Result<(), &str>) {
        let headers = hosts.iter().map(|host| (HOST, HeaderValue::from_static(host))).collect();
        let found = check_host(version, &headers);
        let found = found.as_ref().map_err(Rejection::text);
        assert_eq!(found.is_ok(), expected.is_ok(), "{hosts:?}");
        assert!(
            found.err().zip(expected.err()).is_none_or(|(found, text)| found.contains(text)),
            "{found:?}"
        );
    }

    #[test]
    fn a_request_of_http_1_1_has_one_host() {
        for right in ["hub.example", "hub.example:8080", "[::1]:8080", "127.0.0.1", ""] {
            check(Version::HTTP_11, &[right], Ok(()));
        }
        check(Version::HTTP_11, &[], Err("has no Host; send one"));
        check(Version::HTTP_11, &["a", "a"], Err("has two or more Host"));
        check(Version::HTTP_11, &["a b"], Err("has an invalid Host"));
        check(Version::HTTP_10, &[], Ok(()));
        check(Version::HTTP_10, &["a", "b"], Err("two or more"));
        check(Version::HTTP_2, &[], Ok(()));
    }
}
