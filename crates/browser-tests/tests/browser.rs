//! A real browser and a small server: tests for each statement of the front page.

use browser_tests::{Browser, ColorScheme, Error, EventSourceMessage, Page, Request};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, thread};

const TIMEOUT: Duration = Duration::from_secs(30);

const PAGE: &str = "<!doctype html><title>Three events</title>
<style>body { background: white } @media (prefers-color-scheme: dark) { body { background: black } }</style>
<ol></ol>
<script>
    const list = document.querySelector('ol');
    const show = (event) => list.append(Object.assign(document.createElement('li'), { textContent: event.data }));
    const source = new EventSource('/events');
    source.onmessage = show;
    source.addEventListener('tick', show);
</script>";

/// The stream ends after the last event, so the browser reconnects at once.
const EVENTS: &str =
    "retry: 1\ndata: one\n\nevent: tick\nid: 7\ndata: two\ndata: lines\n\nevent: unheard\ndata: é\n\n";

#[test]
fn a_page_receives_events_and_reconnects() {
    let browser = Browser::launch().unwrap();
    let url = serve();
    let page = browser.open(&url).unwrap();

    assert_eq!(page.wait_for("document.title", TIMEOUT).unwrap(), "Three events");
    assert_eq!(
        page.evaluate("new Promise((done) => done({ a: [1, null] }))").unwrap(),
        json!({ "a": [1, null] })
    );

    let shown = page.wait_for("list.children.length >= 2 && list.children[1].textContent", TIMEOUT).unwrap();
    assert_eq!(shown, "two\nlines");

    let expected = [("message", "", "one"), ("tick", "7", "two\nlines"), ("unheard", "7", "é")];
    assert_eq!(next_messages(&page), expected.map(message));

    // The browser keeps the last event ID over the reconnection, and sends it.
    let expected = [("message", "7", "one"), ("tick", "7", "two\nlines"), ("unheard", "7", "é")];
    assert_eq!(next_messages(&page), expected.map(message));
    assert_eq!(page.next_request(TIMEOUT).unwrap().map(|request| request.url), Some(url));
    assert_eq!(next_stream(&page).header("last-event-id"), None);
    assert_eq!(next_stream(&page).header("last-event-id"), Some("7"));
}

#[test]
fn errors_of_a_page_are_recorded() {
    let browser = Browser::launch().unwrap();
    let page = browser.page().unwrap();
    assert_eq!(page.take_errors(), Vec::<String>::new());
    page.evaluate("console.log('fine'), console.error('not', 1, new Error('fine'))").unwrap();
    page.evaluate("new Promise((thrown) => setTimeout(() => { thrown(); throw new Error('thrown'); }))")
        .unwrap();
    // A later reply comes after everything that the page has reported before.
    page.evaluate("new Promise((later) => setTimeout(later))").unwrap();
    let errors = page.take_errors();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("not 1 Error: fine") && errors[1].contains("Error: thrown"), "{errors:?}");
    assert_eq!(page.take_errors(), Vec::<String>::new());
}

#[test]
fn keys_go_to_the_element_with_the_focus() {
    let browser = Browser::launch().unwrap();
    let page = browser.open("data:text/html,<form><input><textarea></textarea></form>").unwrap();
    page.wait_for("document.forms[0]", TIMEOUT).unwrap();
    let keys = "window.pressed = [], addEventListener('keydown', ({ key, ctrlKey }) => pressed.push([key, ctrlKey]))";
    page.evaluate(keys).unwrap();
    page.press("Tab").unwrap();
    page.press("a").unwrap();
    page.write("é, at once").unwrap();
    page.press("ArrowLeft").unwrap();
    page.press("Backspace").unwrap();
    page.press("Tab").unwrap();
    page.press("Enter").unwrap();
    page.press("Control+Enter").unwrap();
    let texts = page.evaluate("[...document.forms[0].elements].map((element) => element.value)").unwrap();
    assert_eq!(texts, json!(["aé, at one", "\n"]));
    let pressed = page.evaluate("pressed.slice(-2)").unwrap();
    assert_eq!(pressed, json!([["Enter", false], ["Enter", true]]));
}

#[test]
fn a_page_without_events_is_not_an_error() {
    let browser = Browser::launch().unwrap();
    let page = browser.page().unwrap();
    assert_eq!(page.next_message(Duration::ZERO).unwrap(), None);
    assert_eq!(page.next_request(Duration::ZERO).unwrap(), None);
    assert_eq!(page.take_messages(), []);
}

#[test]
fn exceptions_and_timeouts_name_the_expression() {
    let browser = Browser::launch().unwrap();
    let page = browser.page().unwrap();

    let error = page.evaluate("missing.name").unwrap_err().to_string();
    assert!(error.starts_with("`missing.name` threw ReferenceError: missing is not defined"), "{error}");
    let error = page.evaluate("Promise.reject('no')").unwrap_err().to_string();
    assert_eq!(error, "`Promise.reject('no')` threw \"no\"");
    let error = page.evaluate("'\\ud800'").unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    let error = page.wait_for("1 +", TIMEOUT).unwrap_err();
    assert!(matches!(error, Error::Exception { .. }), "{error}");

    let error = page.wait_for("false // ever", Duration::from_millis(1)).unwrap_err().to_string();
    assert_eq!(error, "waited 1ms in vain for `false // ever`");
    let error = page.wait_for("missing.name", Duration::from_millis(1)).unwrap_err().to_string();
    assert!(error.ends_with("at last: ReferenceError: missing is not defined"), "{error}");
}

#[test]
fn waiting_goes_on_when_the_page_goes_elsewhere() {
    let browser = Browser::launch().unwrap();
    let url = serve();
    let page = browser.open(&url).unwrap();
    page.evaluate(&format!("void setTimeout(() => location = '{url}?again', 50)")).unwrap();
    assert_eq!(page.wait_for("location.search", TIMEOUT).unwrap(), "?again");
}

#[test]
fn a_screenshot_has_the_size_and_the_scheme() {
    let browser = Browser::launch().unwrap();
    let pages = [(); 2].map(|()| browser.open(&serve()).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.png");

    // Also of a page that isn't the newest.
    for page in &pages {
        for (scheme, query) in [(ColorScheme::Dark, "dark"), (ColorScheme::Light, "light")] {
            page.screenshot(&path, 320, 200, scheme).unwrap();
            let png = fs::read(&path).unwrap();
            // The signature; a chunk's length and name; width and height.
            assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
            assert_eq!(png[16..24], [0, 0, 1, 64, 0, 0, 0, 200]);
            assert_eq!(
                page.evaluate(&format!("matchMedia('(prefers-color-scheme: {query})').matches")).unwrap(),
                true
            );
        }
    }
}

#[test]
fn an_address_that_opens_no_page_is_an_error() {
    // Browsers refuse the ports of protocols other than HTTP; tcpmux is one.
    let error = Browser::launch().unwrap().open("http://127.0.0.1:1/").unwrap_err().to_string();
    assert_eq!(error, "can't open http://127.0.0.1:1/: net::ERR_UNSAFE_PORT");
}

#[test]
fn the_output_of_a_program_that_is_not_a_browser_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(folder.path(), "echo no screen >&2");
    let error = Browser::launch_program(&program).unwrap_err().to_string();
    assert_eq!(error, "the browser has ended; the last that it said:\nno screen");
}

#[test]
fn the_end_of_the_browser_ends_all_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let chromium = Browser::find().unwrap();
    let program =
        script(folder.path(), &format!("echo $$ >\"$0.pid\"\nexec '{}' \"$@\"", chromium.display()));
    let browser = Browser::launch_program(&program).unwrap();
    let page = browser.page().unwrap();

    thread::scope(|threads| {
        let waiting = [
            threads.spawn(|| page.evaluate("new Promise(() => {})").map(drop)),
            threads.spawn(|| page.wait_for("false", TIMEOUT).map(drop)),
            threads.spawn(|| page.next_message(TIMEOUT).map(drop)),
        ];
        shell("kill -9 $(cat \"$0.pid\")", &program);
        for thread in waiting {
            let error = thread.join().unwrap().unwrap_err();
            assert!(matches!(error, Error::Ended { .. }), "{error}");
        }
    });
    assert!(matches!(browser.page(), Err(Error::Ended { .. })));
}

#[test]
fn a_page_keeps_its_browser() {
    let page = Browser::launch().unwrap().page().unwrap();
    assert_eq!(page.evaluate("1 + 1").unwrap(), 2);
}

fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("the port"));
    thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            thread::spawn(|| answer(connection));
        }
    });
    url
}

/// Answers one request and closes the connection. The browser may have closed it before.
fn answer(mut connection: TcpStream) {
    let mut lines = BufReader::new(&connection).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    // The head ends with an empty line.
    lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
    let (kind, body) = match request.split(' ').nth(1) {
        Some("/events") => ("text/event-stream", EVENTS),
        _ => ("text/html", PAGE),
    };
    let _ = write!(connection, "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n{body}");
}

/// Returns the path of a program with these lines.
///
/// A shell writes it. A file that this process has open for writing could be inherited by another test's child, and a
/// program that is open for writing can't be started.
fn script(folder: &Path, lines: &str) -> PathBuf {
    let program = folder.join("program");
    shell(&format!("cat >\"$0\" <<'END' && chmod +x \"$0\"\n#!/bin/sh\n{lines}\nEND"), &program);
    program
}

/// Runs a shell's commands, with a path as `$0`.
fn shell(commands: &str, path: &Path) {
    let status = Command::new("sh").arg("-c").arg(commands).arg(path).status().expect("a shell");
    assert!(status.success(), "{commands}: {status}");
}

fn next_messages(page: &Page) -> [EventSourceMessage; 3] {
    [(); 3].map(|()| page.next_message(TIMEOUT).expect("a browser").expect("a message in time"))
}

/// Takes requests up to one for the event stream. The page itself and its icon are requested, too.
fn next_stream(page: &Page) -> Request {
    loop {
        let request = page.next_request(TIMEOUT).expect("a browser").expect("a request in time");
        if request.url.ends_with("/events") {
            return request;
        }
    }
}

fn message((event_name, event_id, data): (&str, &str, &str)) -> EventSourceMessage {
    EventSourceMessage { event_name: event_name.into(), event_id: event_id.into(), data: data.into() }
}
