//! Which requests are answered at all.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderValue, StatusCode};

use super::client::Client;
use super::forwarded;
use super::rejection::Rejection;

/// The origins, other than the hub's own page, that may read and publish.
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

/// Decides which requests are answered.
#[derive(Clone)]
pub(crate) struct Access {
    origins: Vec<Origin>,
    /// There are no tokens, so only programs of this machine are served.
    is_open: bool,
}

impl Access {
    /// Allows requests of these origins; if the hub is open, of this machine only.
    pub(crate) fn new(is_open: bool, origins: Vec<Origin>) -> Self {
        Self { origins, is_open }
    }

    /// Refuses requests that a page of another origin sends through a user's browser. If the hub serves this machine
    /// only, it also refuses requests that came through a proxy.
    pub(crate) fn check_origin(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        client: &Client,
    ) -> Result<(), Rejection> {
        // With HTTP/2, it is in the URI.
        let host = uri.authority().map(Authority::as_str).map(str::as_bytes);
        let host = host.or(headers.get(HOST).map(HeaderValue::as_bytes));
        if self.is_open {
            check_open(host, headers)?;
        }
        let origin = headers.get(ORIGIN);
        if self.allows(origin) {
            return Ok(());
        }
        match (SecFetchSite::of(headers), origin) {
            (SecFetchSite::Own, _) | (SecFetchSite::Unknown, None) => Ok(()),
            // An image, for example: the browser does not name the page, but says that it is of another site.
            (SecFetchSite::Other, None) => Err(Rejection::new(
                StatusCode::FORBIDDEN,
                "pages of other sites may not use this hub; allow their origin with --cors, and let them use fetch or \
                 EventSource",
            )),
            (SecFetchSite::Other, Some(origin)) => Err(foreign(origin, None)),
            (SecFetchSite::Unknown, Some(origin)) => {
                let told = if client.is_proxied() { forwarded::hosts(headers) } else { Vec::new() };
                let mut hosts = host.into_iter().chain(told.iter().map(String::as_bytes));
                if hosts.any(|host| is_same(origin, host)) { Ok(()) } else { Err(foreign(origin, host)) }
            }
        }
    }

    /// Returns whether pages of this origin may use the hub. Without an origin: whether pages of every origin may.
    fn allows(&self, origin: Option<&HeaderValue>) -> bool {
        self.origins.iter().any(|allowed| match allowed {
            Origin::Any => true,
            Origin::Of(allowed) => Some(allowed) == origin,
        })
    }
}

/// What a browser says about the page that sends a request (Fetch Metadata). A page can't set it. Browsers send it to
/// https and to this machine only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SecFetchSite {
    /// The hub's own page, or the user.
    Own,
    Other,
    /// The browser does not say.
    Unknown,
}

impl SecFetchSite {
    fn of(headers: &HeaderMap) -> Self {
        match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"same-origin" | b"none") => Self::Own,
            Some(b"same-site" | b"cross-site") => Self::Other,
            _ => Self::Unknown,
        }
    }
}

/// Refuses a request to a hub without tokens if it may come from another machine.
fn check_open(host: Option<&[u8]>, headers: &HeaderMap) -> Result<(), Rejection> {
    if !host.is_none_or(is_this_machine) {
        // A page's own host name may point to this machine (DNS rebinding), so that its origin is the hub's.
        let text = "without tokens, the hub answers to 127.0.0.1, [::1] and localhost only; use --token-file";
        return Err(Rejection::new(StatusCode::FORBIDDEN, text));
    }
    // Many proxies set `Host` to the hub's own address, whichever client sent the request.
    let Some(sign) = forwarded::sign_of_a_proxy(headers) else { return Ok(()) };
    Err(Rejection::new(
        StatusCode::FORBIDDEN,
        format!(
            "without tokens, the hub serves only programs on this machine, and this request came through a proxy (it \
             has the header {sign}); use --token-file, whose lines may be `publish *` and `subscribe *`"
        ),
    ))
}

/// Returns the answer to a page of an unknown origin. `host` is the hub's, if the comparison with it decided.
fn foreign(origin: &HeaderValue, host: Option<&[u8]>) -> Rejection {
    let authority = authority(origin.as_bytes());
    let text = origin.to_str().unwrap_or("that is no text");
    let mut text = format!("pages of the origin {text} may not use this hub; allow it with --cors");
    if let (Some(authority), Some(host)) = (authority, host) {
        // `$host` lacks the port.
        let variable = if authority.port().is_some() { "$http_host" } else { "$host" };
        text += &format!(
            ". If it is the hub's own page: the proxy before the hub asked for `{}`, and must pass on the name that \
             it was asked for (nginx: `proxy_set_header Host {variable};`)",
            String::from_utf8_lossy(host)
        );
    }
    Rejection::new(StatusCode::FORBIDDEN, text)
}

/// Returns whether a host name can only stand for this machine.
fn is_this_machine(host: &[u8]) -> bool {
    let Ok(host) = Authority::try_from(host) else { return false };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns whether an origin and a host are the same. The scheme is not compared, because a proxy may have ended TLS.
fn is_same(origin: &HeaderValue, host: &[u8]) -> bool {
    let Some(own) = authority(origin.as_bytes()) else { return false };
    let Ok(host) = Authority::try_from(host) else { return false };
    // An origin leaves out the default port, but some proxies write it.
    let usual = if origin.as_bytes().starts_with(b"https:") { 443 } else { 80 };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(usual);
    own.host().eq_ignore_ascii_case(host.host()) && port(&own) == port(&host)
}

fn authority(origin: &[u8]) -> Option<Authority> {
    Uri::try_from(origin).ok().and_then(|origin| origin.into_parts().authority)
}

#[cfg(test)]
mod tests {
    use axum::http::header::HeaderName;

    use super::*;
    use crate::serve::client::{TrustedProxies, TrustedProxy};

    /// A request with these headers, given as `name: value`, through a trusted proxy or not.
    #[track_caller]
    fn check_from(access: &Access, is_proxied: bool, lines: &[&str], expected: Result<(), &str>) {
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let proxies = TrustedProxies::new(is_proxied.then_some(TrustedProxy::Unix).into_iter().collect());
        let client = proxies.client(None, &headers);
        let found = access.check_origin(&Uri::from_static("/topics/a"), &headers, &client);
        match (&found, expected) {
            (Ok(()), Ok(())) => {}
            (Err(found), Err(expected)) if found.text().contains(expected) => {}
            _ => panic!("{lines:?}: {found:?}"),
        }
        // The same with HTTP/2.
        let Some(host) = headers.remove(HOST) else { return };
        let Ok(uri) = format!("http://{}/topics/a", host.to_str().unwrap()).parse() else { return };
        assert_eq!(access.check_origin(&uri, &headers, &client).is_ok(), found.is_ok(), "{uri} {lines:?}");
    }

    const REFUSED: Result<(), &str> = Err("");

    #[test]
    fn without_tokens_only_this_machine_is_answered() {
        let access = Access::new(true, Vec::new());
        let check = |lines: &[&str], expected| check_from(&access, false, lines, expected);
        for host in ["127.0.0.1:8080", "localhost", "LOCALHOST:1", "[::1]:8080", "127.3.2.1"] {
            check(&[&format!("host: {host}")], Ok(()));
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "localhost.evil.example:8080", "", "@"]
        {
            check(&[&format!("host: {host}")], Err("answers to 127.0.0.1, [::1] and localhost only"));
            check(&[&format!("host: {host}"), "sec-fetch-site: same-origin"], REFUSED);
        }
        check(&[], Ok(()));
        let proxied =
            "this request came through a proxy (it has the header x-forwarded-for); use --token-file";
        check(&["host: localhost", "x-forwarded-for: 127.0.0.1"], Err(proxied));
        check_from(&access, true, &["host: localhost", "x-forwarded-for: 127.0.0.1"], Err(proxied));
        for sign in ["forwarded: for=1.1.1.1", "via: 1.1 a", "x-real-ip: 1.1.1.1", "x-forwarded-proto: https"]
        {
            check(&["host: localhost", sign, "sec-fetch-site: same-origin"], Err("came through a proxy"));
        }
    }

    #[test]
    fn pages_of_other_origins_must_be_allowed() {
        let access = Access::new(true, Vec::new());
        let check = |lines: &[&str], expected| check_from(&access, false, lines, expected);
        check(&["host: localhost:8080", "origin: http://localhost:8080"], Ok(()));
        for other in ["http://localhost:3000", "http://evil.example", "null", "http://localhost"] {
            check(&["host: localhost:8080", &format!("origin: {other}")], Err("may not use this hub"));
        }
        let access = Access::new(false, vec![origin("https://App.example.com").unwrap()]);
        let check = |lines: &[&str], expected| check_from(&access, false, lines, expected);
        check(&["host: hub.example.com", "origin: https://hub.example.com"], Ok(()));
        check(&["host: HUB.example.com:443", "origin: https://hub.example.com"], Ok(()));
        check(&["host: hub.example.com:80", "origin: https://hub.example.com"], REFUSED);
        check(&["host: hub.example.com", "origin: https://app.example.com"], Ok(()));
        check(&["host: hub.example.com", "origin: http://app.example.com"], REFUSED);
        check(&["origin: https://hub.example.com"], REFUSED);
        check(&["host: a", "origin: https://app.example.com", "sec-fetch-site: cross-site"], Ok(()));
        // It may be any page.
        check(&["host: a", "sec-fetch-site: cross-site"], Err("pages of other sites may not use this hub"));
        let access = Access::new(false, vec![Origin::Any]);
        for lines in [["host: a", "origin: null"], ["host: a", "sec-fetch-site: cross-site"]] {
            check_from(&access, false, &lines, Ok(()));
        }
    }

    #[test]
    fn sec_fetch_site_decides() {
        let access = Access::new(false, Vec::new());
        let check = |lines: &[&str], expected| check_from(&access, false, lines, expected);
        let (ours, rewritten) = ("origin: https://hub.example", "host: 127.0.0.1:8080");
        check(&[rewritten, ours, "sec-fetch-site: same-origin"], Ok(()));
        check(&[rewritten, "sec-fetch-site: none"], Ok(()));
        for other in ["same-site", "cross-site"] {
            let site = format!("sec-fetch-site: {other}");
            check(&[rewritten, &site], Err("let them use fetch or EventSource"));
            check(&[rewritten, "origin: http://127.0.0.1:8080", &site], Err("allow it with --cors"));
        }
        check(&[rewritten, ours, "sec-fetch-site: new-word"], REFUSED);
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_a_refusal_names_the_line_that_it_lacks() {
        let access = Access::new(false, Vec::new());
        let (ours, rewritten) = ("origin: http://hub.example", "host: 127.0.0.1:8080");
        for told in ["x-forwarded-host: hub.example", "forwarded: for=1.1.1.1;host=hub.example"] {
            check_from(&access, true, &[rewritten, ours, told], Ok(()));
            // Anybody can write it.
            check_from(&access, false, &[rewritten, ours, told], REFUSED);
        }
        check_from(&access, true, &[rewritten, ours, "x-forwarded-host: other.example"], REFUSED);
        let line = "asked for `127.0.0.1:8080`, and must pass on the name that it was asked for (nginx: \
                    `proxy_set_header Host $host;`)";
        check_from(&access, false, &[rewritten, ours], Err(line));
        let with_port = "(nginx: `proxy_set_header Host $http_host;`)";
        check_from(&access, false, &[rewritten, "origin: http://hub.example:8443"], Err(with_port));
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
}
