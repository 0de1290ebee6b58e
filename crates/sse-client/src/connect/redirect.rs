//! Follows redirects: where they lead, and which headers are sent there (Fetch Standard, "HTTP-redirect fetch").
//!
//! Only headers that describe the request are sent to another origin, because any other header may be a secret.

use reqwest::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE,
    HeaderMap, HeaderName, LOCATION, PRAGMA, TRANSFER_ENCODING, USER_AGENT,
};
use reqwest::{Method, Request, StatusCode, Url};

use super::request::LAST_EVENT_ID;

/// How many redirects are followed (Fetch Standard).
pub(crate) const MAX_REDIRECTS: u32 = 20;

const HARMLESS: [HeaderName; 7] =
    [ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_TYPE, LAST_EVENT_ID, PRAGMA, USER_AGENT];

const ABOUT_THE_BODY: [HeaderName; 5] =
    [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING];

/// Returns the request that follows a redirect. Returns `None` if the response is not a redirect, or if its `Location`
/// is missing or not an HTTP URL. `url` is that of the response, which is not that of `request` if the client has
/// followed redirects itself.
pub(crate) fn follow(
    mut request: Request,
    url: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Request> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let target = target(url, headers)?;
    if loses_body(request.method(), status) {
        *request.method_mut() = Method::GET;
        *request.body_mut() = None;
        for name in ABOUT_THE_BODY {
            request.headers_mut().remove(name);
        }
    }
    let origin = request.url().origin();
    if target.origin() != origin || url.origin() != origin {
        let all = std::mem::take(request.headers_mut());
        for name in HARMLESS {
            for value in all.get_all(&name) {
                request.headers_mut().append(&name, value.clone());
            }
        }
    }
    *request.url_mut() = target;
    Some(request)
}

fn target(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let location = std::str::from_utf8(headers.get(LOCATION)?.as_bytes()).ok()?;
    url.join(location).ok().filter(|target| matches!(target.scheme(), "http" | "https"))
}

/// Returns true if the redirect is followed by a GET without the body: after a 303, and for a POST after a 301 or 302.
fn loses_body(method: &Method, status: StatusCode) -> bool {
    match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => !matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [&str; 9] = [
        "accept",
        "authorization",
        "cache-control",
        "content-length",
        "content-type",
        "cookie",
        "last-event-id",
        "user-agent",
        "x-api-key",
    ];

    fn request(method: Method, url: &str) -> Request {
        let mut request = Request::new(method, url.parse().unwrap());
        *request.body_mut() = Some("body".into());
        for name in HEADERS {
            request.headers_mut().insert(name, "value".parse().unwrap());
        }
        request
    }

    fn redirect(request: Request, status: u16, location: &str) -> Option<Request> {
        let headers = HeaderMap::from_iter([(LOCATION, location.parse().unwrap())]);
        let url = request.url().clone();
        follow(request, &url, StatusCode::from_u16(status).unwrap(), &headers)
    }

    #[track_caller]
    fn check_url(location: &str, expected: Option<&str>) {
        let found = redirect(request(Method::GET, "https://a.example/x/y?z#f"), 307, location);
        assert_eq!(found.map(|request| request.url().to_string()).as_deref(), expected, "{location:?}");
    }

    #[test]
    fn a_location_is_resolved() {
        check_url("z", Some("https://a.example/x/z"));
        check_url("/z?q", Some("https://a.example/z?q"));
        check_url("//b.example", Some("https://b.example/"));
        check_url("http://b.example:81/", Some("http://b.example:81/"));
        for nowhere in ["ftp://a.example/", "javascript:0", "http://", "http://[", "data:text/event-stream,"]
        {
            check_url(nowhere, None);
        }
        let request = request(Method::GET, "http://a.example/");
        let url = request.url().clone();
        assert!(follow(request, &url, StatusCode::FOUND, &HeaderMap::new()).is_none(), "no `Location`");
    }

    #[test]
    fn five_statuses_are_redirects() {
        for status in 100..=599 {
            let leads = matches!(status, 301 | 302 | 303 | 307 | 308);
            let found = redirect(request(Method::GET, "http://a.example/"), status, "/b");
            assert_eq!(found.is_some(), leads, "{status}");
        }
    }

    #[track_caller]
    fn check_method(method: &Method, status: u16, expected: &Method) {
        let found = redirect(request(method.clone(), "http://a.example/"), status, "/b").unwrap();
        assert_eq!(found.method(), expected, "{method} {status}");
        assert_eq!(found.body().is_some(), method == expected, "{method} {status}");
        assert_eq!(found.headers().contains_key("content-type"), method == expected, "{method} {status}");
        assert_eq!(found.headers().contains_key("content-length"), method == expected, "{method} {status}");
        assert!(found.headers().contains_key("x-api-key"), "the origin is the same");
    }

    #[test]
    fn the_method_is_kept_or_becomes_get() {
        for status in [301, 302, 303, 307, 308] {
            check_method(&Method::GET, status, &Method::GET);
            check_method(&Method::HEAD, status, &Method::HEAD);
            let [post, put] = if status >= 307 {
                [Method::POST, Method::PUT]
            } else if status == 303 {
                [Method::GET, Method::GET]
            } else {
                [Method::GET, Method::PUT]
            };
            check_method(&Method::POST, status, &post);
            check_method(&Method::PUT, status, &put);
        }
    }

    #[track_caller]
    fn check_secrets(from: &str, to: &str, kept: bool) {
        let found = redirect(request(Method::GET, from), 307, to).unwrap();
        let names: Vec<_> = HEADERS.iter().filter(|name| found.headers().contains_key(**name)).collect();
        let harmless = ["accept", "cache-control", "content-type", "last-event-id", "user-agent"];
        let expected: Vec<_> = HEADERS.iter().filter(|name| kept || harmless.contains(name)).collect();
        assert_eq!(names, expected, "{from} -> {to}");
    }

    #[test]
    fn secrets_stay_with_their_origin() {
        check_secrets("http://a.example/", "http://a.example:80/b", true);
        check_secrets("https://a.example/", "/b", true);
        check_secrets("https://a.example/", "http://a.example/", false);
        check_secrets("http://a.example/", "https://a.example/", false);
        check_secrets("http://a.example/", "http://a.example:8080/", false);
        check_secrets("http://a.example/", "http://b.a.example/", false);
        check_secrets("http://b.a.example/", "http://a.example/", false);
        check_secrets("http://a.example/", "http://a.example./", false);
    }

    #[test]
    fn secrets_stay_with_their_origin_also_after_redirects_of_the_client() {
        let request = request(Method::GET, "http://a.example/");
        let elsewhere = "http://b.example/".parse().unwrap();
        let location = HeaderMap::from_iter([(LOCATION, "/c".parse().unwrap())]);
        let found = follow(request, &elsewhere, StatusCode::FOUND, &location).unwrap();
        assert_eq!(found.url().as_str(), "http://b.example/c");
        assert!(!found.headers().contains_key("authorization"));
    }
}
