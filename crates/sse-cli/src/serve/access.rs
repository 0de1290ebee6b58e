//! Which requests are answered at all.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use super::rejection::Rejection;
use super::tokens::{Denial, Right, Tokens};

/// Which origins, other than the hub's own page, may read and publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Any,
    Of(HeaderValue),
}

/// An origin, as browsers write it.
pub(crate) fn origin(text: &str) -> Result<Origin, String> {
    if text == "*" {
        return Ok(Origin::Any);
    }
    let uri = text.parse::<Uri>().ok();
    let is_origin = |uri: &Uri| {
        uri.scheme().is_some() && uri.path() == "/" && uri.query().is_none() && !text.ends_with('/')
    };
    match uri.filter(is_origin).and_then(|_| HeaderValue::from_str(&text.to_lowercase()).ok()) {
        Some(origin) => Ok(Origin::Of(origin)),
        None => Err("write an origin as https://app.example.com, without a path, or * for any".to_owned()),
    }
}

/// Decides who is answered.
#[derive(Clone)]
pub(crate) struct Access {
    tokens: Tokens,
    origins: Vec<Origin>,
    /// Only programs of this machine are meant to come, and nobody has a token.
    is_open: bool,
}

impl Access {
    /// Everybody on this machine, without tokens, or those with tokens.
    pub(crate) fn new(tokens: Option<Tokens>, origins: Vec<Origin>) -> Self {
        let is_open = tokens.is_none();
        Self { tokens: tokens.unwrap_or_else(Tokens::none), origins, is_open }
    }

    /// Refuses what a page of another origin sends by way of a user's browser.
    pub(crate) fn check_origin(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Rejection> {
        // HTTP/2 has it in the URI.
        let host = uri.authority().map(Authority::as_str).map(str::as_bytes);
        let host = host.or(headers.get(HOST).map(HeaderValue::as_bytes));
        if self.is_open && !host.is_none_or(is_this_machine) {
            // A page may have its own name point to this machine, and so be of the same origin.
            let text =
                "without tokens, the hub answers to 127.0.0.1, [::1] and localhost only; use --token-file";
            return Err(Rejection::new(StatusCode::FORBIDDEN, text));
        }
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let is_allowed = self.origins.iter().any(|allowed| match allowed {
            Origin::Any => true,
            Origin::Of(allowed) => allowed == origin,
        });
        if is_allowed || host.is_some_and(|host| is_same(origin, host)) {
            return Ok(());
        }
        let origin = origin.to_str().unwrap_or("that is no text");
        Err(Rejection::new(
            StatusCode::FORBIDDEN,
            format!("pages of the origin {origin} may not use this hub; allow it with --cors"),
        ))
    }

    /// Refuses who has no token for it.
    pub(crate) fn check_token(&self, right: Right, head: &Parts) -> Result<(), Rejection> {
        let header = head.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
        let bearer = header.and_then(|value| {
            let (scheme, token) = value.split_at_checked(7)?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
        });
        // An `EventSource` of a browser sets no headers.
        let mut query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let parameter = query.find(|(key, _)| key == "access_token").map(|(_, token)| token.into_owned());
        let token = bearer.or(parameter.as_deref().map(str::as_bytes));
        let (name, other) = match right {
            Right::Publish => ("publish", "subscribe"),
            Right::Subscribe => ("subscribe", "publish"),
        };
        self.tokens.check(right, token).map_err(|denial| match denial {
            Denial::Unknown => Rejection::new(
                StatusCode::UNAUTHORIZED,
                format!("a token is needed to {name}; send it as `Authorization: Bearer TOKEN`, or as ?access_token="),
            ),
            Denial::OtherRight => Rejection::new(
                StatusCode::FORBIDDEN,
                format!("this token may {other} only; to {name}, another one is needed"),
            ),
        })
    }
}

/// Whether a host is one by which only this machine can be meant.
fn is_this_machine(host: &[u8]) -> bool {
    let Ok(host) = Authority::try_from(host) else { return false };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether an origin is that of the host. The scheme may differ: a proxy may have ended TLS.
fn is_same(origin: &HeaderValue, host: &[u8]) -> bool {
    let origin = Uri::try_from(origin.as_bytes()).ok().and_then(|origin| origin.into_parts().authority);
    let host = Authority::try_from(host).ok();
    origin.is_some() && origin == host
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[track_caller]
    fn check_origin(access: &Access, host: Option<&str>, from: Option<&str>, is_allowed: bool) {
        let mut headers = HeaderMap::new();
        headers.extend(host.map(|host| (HOST, host.parse().unwrap())));
        headers.extend(from.map(|from| (ORIGIN, from.parse().unwrap())));
        let found = access.check_origin(&Uri::from_static("/topics/a"), &headers).is_ok();
        assert_eq!(found, is_allowed, "{host:?} {from:?}");
        // As HTTP/2 has it.
        let Some(Ok(uri)) = host.map(|host| format!("http://{host}/topics/a").parse()) else { return };
        headers.remove(HOST);
        assert_eq!(access.check_origin(&uri, &headers).is_ok(), is_allowed, "{uri} {from:?}");
    }

    #[test]
    fn without_tokens_only_this_machine_is_answered() {
        let access = Access::new(None, Vec::new());
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.3.2.1"] {
            check_origin(&access, Some(host), None, true);
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example:8080", "", "@"]
        {
            check_origin(&access, Some(host), None, false);
        }
        check_origin(&access, None, None, true);
    }

    #[test]
    fn pages_of_other_origins_must_be_allowed() {
        let access = Access::new(None, Vec::new());
        let host = Some("localhost:8080");
        check_origin(&access, host, Some("http://localhost:8080"), true);
        for other in ["http://localhost:3000", "http://evil.example", "null", "http://localhost"] {
            check_origin(&access, host, Some(other), false);
        }
        let access = Access::new(Some(Tokens::none()), vec![origin("https://App.example.com").unwrap()]);
        let host = Some("hub.example.com");
        check_origin(&access, host, Some("https://hub.example.com"), true);
        check_origin(&access, host, Some("https://app.example.com"), true);
        check_origin(&access, host, Some("http://app.example.com"), false);
        check_origin(&access, None, Some("https://hub.example.com"), false);
        let access = Access::new(Some(Tokens::none()), vec![Origin::Any]);
        check_origin(&access, host, Some("null"), true);
    }

    #[test]
    fn an_origin_has_no_path() {
        assert_eq!(origin("*"), Ok(Origin::Any));
        for right in ["https://a", "http://localhost:3000", "chrome-extension://abcdef"] {
            assert!(matches!(origin(right), Ok(Origin::Of(_))), "{right}");
        }
        for wrong in ["a", "https://a/", "https://a/b", "https://a?b", "", "https://", "a.example:80"] {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
    }

    #[track_caller]
    fn check_token(uri: &str, authorization: Option<&str>, expected: Option<u16>) {
        let tokens = Tokens::parse("publish aaaaaaaaaaaaaaaa\nsubscribe bbbbbbbbbbbbbbbb").unwrap();
        let mut request = Request::post(uri);
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let found = Access::new(Some(tokens), Vec::new()).check_token(Right::Publish, &head);
        assert_eq!(found.err().map(|rejection| rejection.status().as_u16()), expected);
    }

    #[test]
    fn a_token_comes_by_header_or_by_query() {
        check_token("/", Some("Bearer aaaaaaaaaaaaaaaa"), None);
        check_token("/", Some("bearer  aaaaaaaaaaaaaaaa"), None);
        check_token("/?access_token=aaaaaaaaaaaaaaaa", None, None);
        check_token("/?access_token=aaaaaaaaaaaaaaaa", Some("Basic bbbb"), None);
        check_token("/", Some("Bearer bbbbbbbbbbbbbbbb"), Some(403));
        check_token("/?access_token=bbbbbbbbbbbbbbbb", None, Some(403));
        for unknown in [None, Some("Bearer"), Some("Bearer "), Some("Bearer a"), Some("aaaaaaaaaaaaaaaa")] {
            check_token("/", unknown, Some(401));
        }
    }
}
