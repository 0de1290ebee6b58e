//! The events of each case of the codec's `cases.txt`, as a real browser's `EventSource` dispatches them.
//!
//! Reconnection times and an id that no event follows don't show in a browser's events; those are compared with the
//! standard only, in the codec's own tests.

#[path = "../../sse-codec/tests/common/cases.rs"]
#[allow(unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod cases;
mod common;
#[path = "../../sse-codec/tests/common/oracle.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod oracle;

use browser_tests::{Browser, EventSourceMessage};
use common::{Server, html};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use sse_server::Body;

/// Where Chromium stands aside from the standard; `docs/standard.md` says how.
const DIFFERENT: [&str; 1] = ["P4 P10 a line may end right after the mark"];

#[test]
fn a_browser_sees_what_the_standard_says() {
    let server = Server::start(respond);
    let browser = Browser::launch().unwrap();
    let page = browser.open(&server.url("/")).unwrap();
    let mut differences = Vec::new();
    let cases = cases::all();
    for (number, case) in cases.iter().enumerate() {
        // The error comes with the end of the body, behind all events.
        let read_all = format!(
            "new Promise((done) => {{
                const source = new EventSource('/{number}');
                source.onerror = () => {{ source.close(); done(true); }};
            }})"
        );
        page.evaluate(&read_all).unwrap();
        let seen: Vec<_> = page.take_messages().into_iter().map(tuple).collect();
        if (seen != case.outcome.events) != DIFFERENT.contains(&&*case.title) {
            let stream = case.stream.escape_ascii();
            let standard = &case.outcome.events;
            differences.push(format!(
                "{}\n  stream   {stream}\n  browser  {seen:?}\n  standard {standard:?}",
                case.title
            ));
        }
    }
    let count = differences.len();
    assert!(count == 0, "{count} of {} cases are not as expected:\n{}", cases.len(), differences.join("\n"));
    println!("{} cases, {} with a known difference", cases.len(), DIFFERENT.len());
}

fn tuple(message: EventSourceMessage) -> (String, String, String) {
    (message.event_name, message.data, message.event_id)
}

/// `/` is an empty page, `/N` the stream of case N.
fn respond(request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    if path == "/" {
        return html("<!doctype html><title>test</title>");
    }
    let case = path[1..].parse().ok().and_then(|number: usize| cases::all().into_iter().nth(number));
    let mut response = Response::new(Body::empty());
    match case {
        Some(case) => {
            response.headers_mut().insert("content-type", sse_codec::CONTENT_TYPE.parse().unwrap());
            *response.body_mut() = hyper::body::Bytes::from(case.stream).into();
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}
