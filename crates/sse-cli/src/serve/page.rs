//! The live page and its files. What is in them comes from the hub alone.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

const FILES: [(&str, &str, &str); 17] = [
    ("/", HTML, include_str!("page/page.html")),
    ("/page.css", CSS, include_str!("page/page.css")),
    ("/page.js", JAVASCRIPT, include_str!("page/page.js")),
    ("/connection.js", JAVASCRIPT, include_str!("page/connection.js")),
    ("/copy.js", JAVASCRIPT, include_str!("page/copy.js")),
    ("/events.js", JAVASCRIPT, include_str!("page/events.js")),
    ("/figures.js", JAVASCRIPT, include_str!("page/figures.js")),
    ("/focus.js", JAVASCRIPT, include_str!("page/focus.js")),
    ("/follow.js", JAVASCRIPT, include_str!("page/follow.js")),
    ("/plot.js", JAVASCRIPT, include_str!("page/plot.js")),
    ("/publish.js", JAVASCRIPT, include_str!("page/publish.js")),
    ("/risen.js", JAVASCRIPT, include_str!("page/risen.js")),
    ("/status.js", JAVASCRIPT, include_str!("page/status.js")),
    ("/stream.js", JAVASCRIPT, include_str!("page/stream.js")),
    ("/text.js", JAVASCRIPT, include_str!("page/text.js")),
    ("/tokens.js", JAVASCRIPT, include_str!("page/tokens.js")),
    ("/topics.js", JAVASCRIPT, include_str!("page/topics.js")),
];

/// The paths of the files.
pub(crate) fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.into_iter().fold(Router::new(), |router, (path, content_type, text)| {
        let headers = [
            (CONTENT_TYPE, content_type),
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"),
        ];
        router.route(path, get(move || async move { (headers, text) }))
    })
}
