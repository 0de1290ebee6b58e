//! Where the token of a request is.

use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

/// The cookies of a token, as Mercure's applications set them: before its version 1, and since.
const COOKIES: [&str; 2] = ["mercureAuthorization", "mercureAccessToken"];

/// The token of a request: that of its header, or else of its query, or else of a cookie.
pub(crate) fn of_request(head: &Parts) -> Option<Vec<u8>> {
    let token = bearer(&head.headers).map(<[u8]>::to_vec);
    let token = token.or_else(|| of_query(head.uri.query().unwrap_or_default()));
    // A browser sends cookies whichever page makes the request. So they do not prove that the user wants to publish.
    let may_have_cookie = matches!(head.method, Method::GET | Method::HEAD);
    token.or_else(|| of_cookies(&head.headers).filter(|_| may_have_cookie).map(<[u8]>::to_vec))
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// A browser's `EventSource` can't set headers. Mercure calls the parameter `authorization`.
fn of_query(query: &str) -> Option<Vec<u8>> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let (_, token) = pairs.find(|(key, _)| key == "access_token" || key == "authorization")?;
    Some(token.into_owned().into_bytes())
}

fn of_cookies(headers: &HeaderMap) -> Option<&[u8]> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
    pairs.into_iter().find_map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        COOKIES.iter().any(|cookie| cookie.as_bytes() == name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[track_caller]
    fn check(method: &str, uri: &str, headers: &[(&str, &str)], expected: Option<&str>) {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(of_request(&head).as_deref(), expected.map(str::as_bytes), "{method} {uri} {headers:?}");
    }

    #[test]
    fn a_token_comes_by_header_by_query_or_by_cookie() {
        check("POST", "/", &[("authorization", "Bearer abc")], Some("abc"));
        check("POST", "/", &[("authorization", "bearer  abc ")], Some("abc"));
        check("POST", "/?access_token=a%2Bc", &[], Some("a+c"));
        check("GET", "/?authorization=abc", &[], Some("abc"));
        check("GET", "/?topic=a&access_token=query", &[("authorization", "Bearer header")], Some("header"));
        check("GET", "/?access_token=query", &[("authorization", "Basic abc")], Some("query"));
        check("GET", "/", &[("cookie", "a=b; mercureAuthorization=a.b.c; d")], Some("a.b.c"));
        check("GET", "/", &[("cookie", "a=b"), ("cookie", "mercureAccessToken=a.b.c")], Some("a.b.c"));
        check("GET", "/?access_token=query", &[("cookie", "mercureAuthorization=cookie")], Some("query"));
        check("POST", "/", &[("cookie", "mercureAuthorization=a.b.c")], None);
        check("GET", "/", &[("cookie", "xmercureAuthorization=a; mercureAuthorization")], None);
        for without in ["Bearer", "abc", "", "Basic abcdefg"] {
            check("GET", "/", &[("authorization", without)], None);
        }
    }
}
