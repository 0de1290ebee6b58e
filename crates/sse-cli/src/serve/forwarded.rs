//! What proxies add to a request: the address of the client, and the host.
//!
//! It is parsed here because the crates for `Forwarded` split quoted values at their commas.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use axum::http::header::{FORWARDED, HeaderName};
use axum::http::{HeaderMap, HeaderValue};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The addresses that the proxies give, that of the nearest proxy first. `None` stands for an address that is missing
/// or can't be read.
pub(crate) type Hops = Vec<Option<IpAddr>>;

/// Reads `X-Forwarded-For`, if it is there.
pub(crate) fn x_forwarded_for(headers: &HeaderMap) -> Option<Hops> {
    let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().collect();
    let hops = lines.iter().rev().flat_map(|line| match line.to_str() {
        Ok(line) => line.rsplit(',').map(address).collect(),
        Err(_) => vec![None],
    });
    (!lines.is_empty()).then(|| hops.collect())
}

/// Reads `Forwarded` (RFC 7239), if it is there.
pub(crate) fn forwarded(headers: &HeaderMap) -> Option<Hops> {
    let lines: Vec<_> = headers.get_all(FORWARDED).iter().collect();
    let hops = lines.iter().rev().flat_map(|line| match elements(line) {
        Some(elements) => elements.into_iter().rev().map(|element| address(&element.sender?)).collect(),
        // A client may have opened a quoted string to hide what a proxy adds after it.
        None => vec![None],
    });
    (!lines.is_empty()).then(|| hops.collect())
}

/// Returns the hosts that a request was sent to, according to the proxies.
pub(crate) fn hosts(headers: &HeaderMap) -> Vec<String> {
    let lines = headers.get_all(X_FORWARDED_HOST).iter().filter_map(|line| line.to_str().ok());
    let values = lines.flat_map(|line| line.split(',')).map(|host| host.trim().to_owned());
    let elements = headers.get_all(FORWARDED).iter().filter_map(elements).flatten();
    values.chain(elements.filter_map(|element| element.host)).collect()
}

/// The name of a header that only a proxy adds, if there is one.
pub(crate) fn sign_of_a_proxy(headers: &HeaderMap) -> Option<&HeaderName> {
    headers.keys().find(|name| is_added_by_a_proxy(name.as_str()))
}

/// Returns whether only proxies, load balancers and content delivery networks add a header of this name.
fn is_added_by_a_proxy(name: &str) -> bool {
    const NAMES: [&str; 14] = [
        "cdn-loop",
        "forwarded",
        "forwarded-for",
        "front-end-https",
        "rndr-id",
        "via",
        "x-cloud-trace-context",
        "x-host",
        "x-real-ip",
        "x-remote-addr",
        "x-request-start",
        "x-rewrite-url",
        "x-scheme",
        "x-varnish",
    ];
    /// The beginnings of the headers of one product: of Akamai, Amazon, Azure, Cloudflare, Envoy, Fastly, Fly, Google
    /// and others.
    const PREFIXES: [&str; 21] = [
        "ali-cdn-",
        "akamai-",
        "cf-",
        "cloudfront-",
        "fastly-",
        "fly-",
        "incap-",
        "tailscale-",
        "x-akamai-",
        "x-amz-cf-",
        "x-amzn-",
        "x-appengine-",
        "x-appgw-",
        "x-arr-",
        "x-azure-",
        "x-envoy-",
        "x-forwarded",
        "x-goog-",
        "x-nf-",
        "x-original-",
        "x-vercel-",
    ];
    /// The ends of the names of headers with the address of a client, such as `True-Client-IP` and `X-ProxyUser-Ip`.
    const SUFFIXES: [&str; 9] = [
        "client-ip",
        "clientip",
        "connecting-ip",
        "forwarded-for",
        "originating-ip",
        "proxyuser-ip",
        "real-ip",
        "remote-ip",
        "user-ip",
    ];

    NAMES.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// One proxy's part of a `Forwarded` header.
#[derive(Debug, Default, PartialEq, Eq)]
struct Element {
    /// `for`
    sender: Option<String>,
    host: Option<String>,
}

/// The elements of a header, from left to right; `None` if it is malformed.
fn elements(line: &HeaderValue) -> Option<Vec<Element>> {
    split(line.to_str().ok()?, ',')?.into_iter().map(element).collect()
}

fn element(text: &str) -> Option<Element> {
    let mut element = Element::default();
    for pair in split(text, ';')?.into_iter().map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?.into_owned();
        match () {
            () if name.eq_ignore_ascii_case("for") => element.sender = Some(value),
            () if name.eq_ignore_ascii_case("host") => element.host = Some(value),
            () => {}
        }
    }
    Some(element)
}

/// Splits where the separator is not quoted; `None` if a quoted string does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut from) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, char) in text.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if char == separator && !is_quoted => {
                parts.push(&text[from..at]);
                from = at + char.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    (!is_quoted).then_some(parts)
}

/// A value without its quotes; `None` if only a part of it is quoted.
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(quoted) = value.strip_prefix('"') else {
        return (!value.contains('"')).then_some(value.into());
    };
    let quoted = quoted.strip_suffix('"')?;
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(char) = chars.next() {
        text.push(match char {
            '\\' => chars.next()?,
            '"' => return None,
            char => char,
        });
    }
    Some(text.into())
}

/// An address, which may be in brackets and have a port: some proxies write it so.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    // One address has one form.
    Some(address.ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let line = |&(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        lines.iter().map(line).collect()
    }

    #[track_caller]
    fn check_hops(
        hops: impl Fn(&HeaderMap) -> Option<Hops>,
        lines: &[(&'static str, &str)],
        expected: &[&str],
    ) {
        let found = hops(&headers(lines)).unwrap();
        let shown = |hop: Option<IpAddr>| hop.map_or("-".to_owned(), |hop| hop.to_string());
        assert_eq!(found.into_iter().map(shown).collect::<Vec<_>>(), expected, "{lines:?}");
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let check = |line: &str, expected: &[&str]| {
            check_hops(x_forwarded_for, &[("x-forwarded-for", line)], expected);
        };
        check("203.0.113.7", &["203.0.113.7"]);
        check("203.0.113.7, 10.0.0.1,10.0.0.2", &["10.0.0.2", "10.0.0.1", "203.0.113.7"]);
        check("203.0.113.7:4711", &["203.0.113.7"]);
        check("2001:db8::1, [2001:db8::2], [2001:db8::3]:80", &["2001:db8::3", "2001:db8::2", "2001:db8::1"]);
        check("::ffff:203.0.113.7", &["203.0.113.7"]);
        for garbage in ["", "unknown", "evil", "203.0.113", "203.0.113.7.8", "é", "[", "[]", "2001:db8::1]"]
        {
            check(garbage, &["-"]);
        }
        let lines = [("x-forwarded-for", "1.1.1.1, 2.2.2.2"), ("x-forwarded-for", "3.3.3.3")];
        check_hops(x_forwarded_for, &lines, &["3.3.3.3", "2.2.2.2", "1.1.1.1"]);
        assert_eq!(x_forwarded_for(&HeaderMap::new()), None);
    }

    #[test]
    fn forwarded_is_read_as_its_standard_says() {
        let check = |line: &str, expected: &[&str]| check_hops(forwarded, &[("forwarded", line)], expected);
        check("for=192.0.2.60;proto=http;by=203.0.113.43", &["192.0.2.60"]);
        check("For=\"[2001:db8:cafe::17]:4711\"", &["2001:db8:cafe::17"]);
        check("for=192.0.2.43, FOR=198.51.100.17;host=a", &["198.51.100.17", "192.0.2.43"]);
        check("for=\"192.0.2.1\\:80\"", &["192.0.2.1"]);
        check("host=\"a,b;for=1.1.1.1\";for=2.2.2.2", &["2.2.2.2"]);
        for hidden in ["for=unknown", "for=_hidden", "proto=http", "for=", "by=1.1.1.1", ""] {
            check(hidden, &["-"]);
        }
        for malformed in
            ["for", "for=1.1.1.1;host", "for=\"1.1.1.1", "for=1.1\".1.1\"", "for=1.1.1.1, for=\"a"]
        {
            check(malformed, &["-"]);
        }
        // What a client sends can't swallow what the proxy adds after it.
        check("for=\"9.9.9.9, for=2.2.2.2", &["-"]);
        check("for=\"9.9.9.9, for=\"[2001:db8::1]\"", &["-"]);
        check("for=\"9.9.9.9\\, for=\"[2001:db8::1]\"", &["-"]);
        check_hops(forwarded, &[("forwarded", "for=\"9"), ("forwarded", "for=2.2.2.2")], &["2.2.2.2", "-"]);
        assert_eq!(forwarded(&HeaderMap::new()), None);
    }

    #[test]
    fn hosts_are_those_that_any_proxy_tells() {
        let lines = [
            ("x-forwarded-host", "a.example, b.example:8443"),
            ("forwarded", "for=1.1.1.1;host=\"c.example:80\", host=d.example"),
        ];
        assert_eq!(hosts(&headers(&lines)), ["a.example", "b.example:8443", "c.example:80", "d.example"]);
    }

    #[test]
    fn a_proxy_is_told_by_what_it_adds() {
        for name in [
            "ali-cdn-real-ip",
            "cdn-loop",
            "cf-connecting-ip",
            "cf-connecting-ipv6",
            "cf-ray",
            "client-ip",
            "cloudfront-viewer-address",
            "do-connecting-ip",
            "fastly-client-ip",
            "fly-client-ip",
            "forwarded",
            "front-end-https",
            "incap-client-ip",
            "proxy-client-ip",
            "tailscale-user-login",
            "true-client-ip",
            "via",
            "wl-proxy-client-ip",
            "x-amz-cf-id",
            "x-amzn-trace-id",
            "x-appengine-user-ip",
            "x-appgw-trace-id",
            "x-arr-log-id",
            "x-azure-clientip",
            "x-azure-fdid",
            "x-client-ip",
            "x-cluster-client-ip",
            "x-envoy-external-address",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-nf-client-connection-ip",
            "x-original-forwarded-for",
            "x-originating-ip",
            "x-proxyuser-ip",
            "x-proxy-user-ip",
            "x-real-ip",
            "x-remote-addr",
            "x-remote-ip",
            "x-scheme",
            "x-vercel-forwarded-for",
        ] {
            let headers = headers(&[("accept", "a"), (name, "a")]);
            assert_eq!(sign_of_a_proxy(&headers).map(HeaderName::as_str), Some(name));
        }
        // What programs, browsers and their tracing send themselves.
        let own = [
            "accept",
            "accept-encoding",
            "authorization",
            "baggage",
            "cache-control",
            "cookie",
            "host",
            "last-event-id",
            "origin",
            "priority",
            "referer",
            "sec-fetch-site",
            "traceparent",
            "user-agent",
            "x-b3-traceid",
            "x-correlation-id",
            "x-request-id",
            "x-requested-with",
        ];
        assert_eq!(sign_of_a_proxy(&headers(&own.map(|name| (name, "a")))), None);
    }
}
