//! A real browser's `EventSource` through restarts of the server.

mod common;

use browser_tests::{Browser, Page};
use common::{SOON, Server, html};
use http::{Request, Response};
use hyper::body::Incoming;
use sse_server::{Body, Message, Route};
use std::time::Duration;

const PAGE: &str =
    "<!doctype html><title>test</title><script>const source = new EventSource('/events')</script>";

fn route() -> Route {
    Route::builder().history(8).reconnection_time(Duration::from_millis(50)).build()
}

fn service(route: &Route) -> impl Fn(&Request<Incoming>) -> Response<Body> + Clone + Send + 'static {
    let route = route.clone();
    move |request| if request.uri().path() == "/events" { route.respond(request) } else { html(PAGE) }
}

fn publish(route: &Route, data: impl IntoIterator<Item = u32>) {
    for data in data {
        route.publish(&Message::new(data.to_string())).unwrap();
    }
}

/// Returns the data of the next events; for a gap event, `gap` and its data.
fn read(page: &Page, count: usize) -> Vec<String> {
    (0..count)
        .map(|_| {
            let message = page.next_message(SOON).unwrap().expect("an event");
            if message.event_name == "gap" { format!("gap {}", message.data) } else { message.data }
        })
        .collect()
}

/// Returns the `Last-Event-ID` of the next request for the stream.
fn next_stream_request(page: &Page) -> Option<String> {
    loop {
        let request = page.next_request(SOON).unwrap().expect("a request");
        if request.url.ends_with("/events") {
            return request.header("last-event-id").map(str::to_owned);
        }
    }
}

fn wait_until_open(page: &Page) {
    page.wait_for("source.readyState === EventSource.OPEN", SOON).unwrap();
}

#[test]
fn a_browser_resumes_and_misses_nothing_that_the_history_kept() {
    let route = route();
    let mut server = Server::start(service(&route));
    let browser = Browser::launch().unwrap();
    let page = browser.open(&server.url("/")).unwrap();
    wait_until_open(&page);
    assert_eq!(next_stream_request(&page), None);
    publish(&route, 1..=3);
    assert_eq!(read(&page, 3), ["1", "2", "3"]);

    server.stop();
    publish(&route, 4..=6);
    server.go_on(service(&route));
    publish(&route, 7..=7);
    assert_eq!(read(&page, 4), ["4", "5", "6", "7"]);
    assert!(next_stream_request(&page).is_some_and(|id| id.ends_with("-3")));

    // More than the history keeps.
    server.stop();
    publish(&route, 8..=20);
    server.go_on(service(&route));
    assert_eq!(read(&page, 2), [r#"gap {"missed":5}"#, "13"]);
    assert_eq!(read(&page, 7), ["14", "15", "16", "17", "18", "19", "20"]);
    publish(&route, 21..=21);
    assert_eq!(read(&page, 1), ["21"]);

    // A new route with another history.
    server.stop();
    let route = self::route();
    publish(&route, 101..=102);
    server.go_on(service(&route));
    assert_eq!(read(&page, 3), [r#"gap {"missed":null}"#, "101", "102"]);
    assert_eq!(page.take_messages(), []);
}

#[test]
fn a_browser_that_has_seen_no_event_resumes_at_its_first_position() {
    let route = route();
    publish(&route, 1..=1);
    let mut server = Server::start(service(&route));
    let browser = Browser::launch().unwrap();
    let page = browser.open(&server.url("/")).unwrap();
    wait_until_open(&page);
    server.stop();
    publish(&route, 2..=2);
    server.go_on(service(&route));
    assert_eq!(read(&page, 1), ["2"]);
    assert_eq!(next_stream_request(&page), None);
    assert!(
        next_stream_request(&page).is_some_and(|id| id.ends_with("-1")),
        "by an id that came without an event"
    );
}

#[test]
fn a_browser_stops_when_the_route_is_closed() {
    let route = route();
    let server = Server::start(service(&route));
    let browser = Browser::launch().unwrap();
    let page = browser.open(&server.url("/")).unwrap();
    wait_until_open(&page);
    publish(&route, 1..=2);
    route.close();
    assert_eq!(read(&page, 2), ["1", "2"]);
    page.wait_for("source.readyState === EventSource.CLOSED", SOON).unwrap();
}
