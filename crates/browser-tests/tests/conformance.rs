//! Compares the events of a real browser's `EventSource` with the standard: for each case of `cases.txt`, and for
//! random streams of pieces that often cause trouble.
//!
//! Reconnection times, and an id without a following event, don't show in a browser's events. Only the codec's own
//! tests compare them with the standard.

#[path = "../../sse-codec/tests/common/cases.rs"]
#[allow(unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod cases;
mod common;
#[path = "../../sse-codec/tests/common/oracle.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod oracle;
#[path = "../../sse-codec/tests/common/trouble.rs"]
#[allow(unreachable_pub, missing_docs, reason = "it belongs to another test")]
mod trouble;

use std::sync::{Arc, Mutex};

use browser_tests::{Browser, Page};
use common::{Server, html};
use http::{Request, Response};
use hyper::body::{Bytes, Incoming};
use oracle::interpret;
use sse_server::Body;
use trouble::PIECES;

/// The differences of Chromium from the standard; see `docs/standard.md`.
const DIFFERENT: [&str; 1] = ["P4 P10 a line may end right after the mark"];

/// How many random streams there are, unless `CONFORMANCE_STREAMS` sets another number.
const STREAMS: u64 = 3000;

/// Type, data and last event ID of events.
type Events = Vec<(String, String, String)>;

#[test]
fn a_browser_follows_the_standard() {
    let judge = Judge::start();
    let mut differences = Vec::new();
    let cases = cases::all();
    for case in &cases {
        let seen = judge.events(&case.stream);
        if (seen != case.outcome.events) != DIFFERENT.contains(&&*case.title) {
            differences.push(format!("{}\n{}", case.title, difference(&case.stream, &seen)));
        }
    }
    let count = differences.len();
    assert!(count == 0, "{count} of {} cases are not as expected:\n{}", cases.len(), differences.join("\n"));
    println!("{} cases, {} with a known difference", cases.len(), DIFFERENT.len());
}

#[test]
fn a_browser_and_the_oracle_agree_on_random_streams() {
    let judge = Judge::start();
    let asked = std::env::var("CONFORMANCE_STREAMS").ok();
    let streams = asked.map_or(STREAMS, |asked| asked.parse().expect("CONFORMANCE_STREAMS is a number"));
    let mut events = 0;
    for seed in 0..streams {
        let pieces = random(seed);
        let stream = pieces.concat();
        if judge.differs(&stream) {
            let shortest = shorten(pieces, |pieces| judge.differs(&pieces.concat()));
            let stream = shortest.concat();
            panic!("stream {seed} of {streams}, shortened:\n{}", difference(&stream, &judge.events(&stream)));
        }
        events += interpret(&stream).events.len();
    }
    println!("{streams} streams, {events} events, no difference");
}

/// A browser, and a server for its streams.
struct Judge {
    page: Page,
    stream: Arc<Mutex<Vec<u8>>>,
    _server: Server,
}

impl Judge {
    fn start() -> Self {
        let stream = Arc::new(Mutex::new(Vec::new()));
        let server = Server::start({
            let stream = stream.clone();
            move |request| respond(request, &stream.lock().unwrap())
        });
        let page = Browser::launch().unwrap().open(&server.url("/")).unwrap();
        Self { page, stream, _server: server }
    }

    /// Returns the events that the browser dispatches.
    fn events(&self, stream: &[u8]) -> Events {
        *self.stream.lock().unwrap() = stream.to_vec();
        // The error comes with the end of the body, after all events.
        let read_all = "new Promise((done) => {
            const source = new EventSource('/stream');
            source.onerror = () => { source.close(); done(true); };
        })";
        self.page.evaluate(read_all).unwrap();
        let messages = self.page.take_messages().into_iter();
        messages.map(|message| (message.event_name, message.data, message.event_id)).collect()
    }

    /// Returns whether the browser and the standard differ, except for the known differences.
    fn differs(&self, stream: &[u8]) -> bool {
        let known = stream.starts_with(b"\xEF\xBB\xBF\n") || stream.starts_with(b"\xEF\xBB\xBF\r");
        !known && self.events(stream) != interpret(stream).events
    }
}

/// Returns an empty page for `/`, and the stream for every other path.
fn respond(request: &Request<Incoming>, stream: &[u8]) -> Response<Body> {
    if request.uri().path() == "/" {
        return html("<!doctype html><title>test</title>");
    }
    let mut response = Response::new(Body::from(Bytes::copy_from_slice(stream)));
    response.headers_mut().insert("content-type", sse_codec::CONTENT_TYPE.parse().unwrap());
    response
}

/// Returns the stream of a seed, in pieces. It often begins with a byte order mark, and mostly ends an event.
fn random(seed: u64) -> Vec<&'static [u8]> {
    let mut random = fastrand::Rng::with_seed(seed);
    let count = random.usize(1..40);
    let mut pieces: Vec<&[u8]> = (0..count).map(|_| PIECES[random.usize(..PIECES.len())]).collect();
    if random.u8(..4) == 0 {
        pieces.insert(0, b"\xEF\xBB\xBF");
    }
    if random.u8(..4) != 0 {
        pieces.extend([&b"\ndata: x"[..], b"\n\n"]);
    }
    pieces
}

/// Leaves out pieces as long as the rest still fails.
fn shorten<'p>(mut pieces: Vec<&'p [u8]>, fails: impl Fn(&[&'p [u8]]) -> bool) -> Vec<&'p [u8]> {
    let mut place = 0;
    while place < pieces.len() {
        let mut shorter = pieces.clone();
        shorter.remove(place);
        if fails(&shorter) {
            pieces = shorter;
            place = 0;
        } else {
            place += 1;
        }
    }
    pieces
}

fn difference(stream: &[u8], seen: &Events) -> String {
    let standard = interpret(stream).events;
    format!("  stream   {}\n  browser  {seen:?}\n  standard {standard:?}", stream.escape_ascii())
}
