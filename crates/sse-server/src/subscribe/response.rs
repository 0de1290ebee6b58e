//! The responses to a request for a stream.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};

use super::body::Body;
use super::subscriber::Denied;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Returns the response 204, which tells a client that there is nothing more to come, and not to reconnect (9.2.2).
///
/// ```
/// use sse_server::{Body, Route};
/// use http::{Request, Response};
///
/// fn events(build: Option<&Route>, request: &Request<()>) -> Response<Body> {
///     match build {
///         Some(route) => route.respond(request),
///         None => sse_server::no_content(),
///     }
/// }
/// # assert_eq!(events(None, &Request::new(())).status(), 204);
/// ```
pub fn no_content() -> Response<Body> {
    status(StatusCode::NO_CONTENT)
}

pub(crate) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Returns the response 200 with the headers that browsers and proxies need: no cache, no transformation, and no
/// buffering unless `proxy_headers` is `false`.
pub(crate) fn event_stream(body: Body, proxy_headers: bool) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(sse_codec::CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    if proxy_headers {
        // nginx and some other proxies know the first header; RFC 10036 defines the second.
        headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
        headers.insert(HeaderName::from_static("incremental"), HeaderValue::from_static("?1"));
    }
    response
}

/// Returns the response 405.
pub(crate) fn method_not_allowed() -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "use GET to read an event stream\n");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// Returns the response 503 for a limit of the server, or 429 for a limit of one client, with the time after which the
/// client may try again.
pub(crate) fn try_later(denied: Denied, wait: Duration) -> Response<Body> {
    let mut response = match denied {
        Denied::ClientFull => text(
            StatusCode::TOO_MANY_REQUESTS,
            "you have too many event streams; close one or try again later\n",
        ),
        Denied::Full | Denied::Over => {
            text(StatusCode::SERVICE_UNAVAILABLE, "too many event streams; try again later\n")
        }
    };
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

fn text(code: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = status(code);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    *response.body_mut() = text.into();
    response
}

/// Returns the last event ID of a request, or an empty text. The standard sends it as UTF-8 (9.2.3). The header comes
/// before the query parameter, because it is newer if both exist.
pub(crate) fn last_event_id<'r, B>(request: &'r Request<B>, query_parameter: Option<&str>) -> Cow<'r, str> {
    let header = request.headers().get(LAST_EVENT_ID).map_or(&[][..], HeaderValue::as_bytes);
    // Not every HTTP server has trimmed the value.
    let header = header.trim_ascii();
    if !header.is_empty() {
        return String::from_utf8_lossy(header);
    }
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let mut parameters = form_urlencoded::parse(query);
    let value = query_parameter.and_then(|name| parameters.find(|(key, _)| key == name));
    value.map_or(Cow::Borrowed(""), |(_, value)| value)
}
