//! Responses that are no event stream, or none that can be read: what the error tells, and what follows.
//!
//! C1 and so on are the rules of `docs/standard.md`.

mod common;

use std::time::{Duration, Instant};

use common::{
    Answer, Log, Server, Sources as _, event, get, last_error, name, next, quick, raw, response, soon,
    status, stream,
};
use sse_client::{Error, EventId, EventSource, Notice, ReadyState, ResponseExt as _};
use tokio::sync::mpsc;

#[tokio::test]
async fn an_error_tells_of_an_endless_body_only_the_beginning() {
    let page = || response("200 OK\r\nContent-Type: text/html\r\nX: y\r\n\r\n").endless("<p>Hello</p>");
    let server = Server::answering(move |_| page());
    let errors = [
        last_error(&mut server.source()).await,
        soon(get(server.url("/events")).await.unwrap().events().next()).await.unwrap().unwrap_err(),
    ];
    for error in errors {
        let Error::ContentType(refusal) = &error else { panic!("{error:?}") };
        assert_eq!(refusal.headers()["x"], "y");
        assert_eq!(refusal.text(), "<p>Hello</p>".repeat(1024)[..8 * 1024]);
        assert!(error.to_string().contains("`text/html`"), "{error}");
    }
}

/// It takes the 5 s that a body has.
#[tokio::test]
async fn an_error_does_not_wait_for_a_body_that_stalls() {
    let server = Server::start([response("404 -\r\nContent-Type: text/html\r\n\r\n<p>Hello").held()]);
    let error = last_error(&mut server.source()).await;
    assert!(matches!(&error, Error::Status(refusal) if refusal.text() == "<p>Hello"), "{error:?}");
}

#[tokio::test]
async fn an_error_has_what_came_before_the_body_broke() {
    let broken = response("404 -\r\nContent-Length: 99\r\n\r\n<p>Hello");
    let error = last_error(&mut Server::start([broken]).source()).await;
    assert!(matches!(&error, Error::Status(refusal) if refusal.text() == "<p>Hello"), "{error:?}");
}

/// C6: the type is compared whole and without case; its parameters don't count. The last valid one of several decides.
#[tokio::test]
async fn the_content_type_decides() {
    for (headers, is_stream) in [
        ("Content-Type: text/event-stream", true),
        ("content-type:TEXT/Event-Stream;charset=latin1", true),
        ("Content-Type: text/event-stream ; x", true),
        ("Content-Type: text/event-streamx", false),
        ("Content-Type: text/event", false),
        ("Content-Type: application/json", false),
        ("Content-Type:", false),
        ("Content-Type: text/html, text/event-stream", true),
        ("Content-Type: text/html\r\nContent-Type: text/event-stream", true),
        ("Content-Type: text/event-stream\r\nContent-Type:", true),
        ("Content-Type: text/event-stream\r\nContent-Type: text/html", false),
        ("X: y", false),
    ] {
        let server = Server::start([response(&format!("200 OK\r\n{headers}\r\n\r\ndata: 1\n\n"))]);
        let mut source = server.source();
        if is_stream {
            assert_eq!(next(&mut source).await, event("1", ""), "{headers:?}");
        } else {
            let error = last_error(&mut source).await;
            assert!(matches!(error, Error::ContentType(_)), "{headers:?}: {error:?}");
        }
    }
}

/// As `curl -N` reads it.
#[tokio::test]
async fn any_content_type_is_read_if_the_caller_says_so() {
    for headers in ["Content-Type: text/html", "Content-Type: text/plain", "X: y"] {
        let answer = format!("200 OK\r\n{headers}\r\n\r\ndata: 1\n\n");
        let server = Server::answering(move |_| response(&answer));
        let mut source = server.builder().any_content_type().build().unwrap();
        assert_eq!(next(&mut source).await, event("1", ""));
        let first_response = get(server.url("/events")).await.unwrap();
        let source = server.builder().first_response(first_response).any_content_type();
        assert_eq!(next(&mut source.build().unwrap()).await, event("1", ""));
        let events = get(server.url("/events")).await.unwrap().events();
        let mut events = events.any_content_type();
        assert_eq!(soon(events.next()).await.unwrap().unwrap().data(), "1");
    }
    let server = Server::start([response("404 -\r\n\r\ndata: 1\n\n")]);
    let mut source = server.builder().any_content_type().build().unwrap();
    assert!(matches!(last_error(&mut source).await, Error::Status(_)), "any type, not any status");
}

#[tokio::test]
async fn the_policy_says_which_statuses_pass() {
    let server = Server::start([status(404), stream("data: 1\n\n"), status(404), status(410)]);
    let mut source = server.source_with(quick().passing_statuses(|status| status == 404));
    assert_eq!(next(&mut source).await, event("1", ""));
    let error = last_error(&mut source).await;
    assert_eq!(error.status().unwrap(), 410);
    let server = Server::start([status(503)]);
    last_error(&mut server.source_with(quick().passing_statuses(|status| status == 404))).await;
}

/// C5 and C10: what fails while reconnecting is final too.
#[tokio::test]
async fn a_refusal_on_a_reconnect_is_final() {
    for (answer, expected) in [
        (status(404), "closed after Status"),
        (status(101), "closed after Status"),
        (status(206), "closed after Status"),
        (response("200 OK\r\nContent-Type: text/html\r\n\r\n"), "closed after ContentType"),
    ] {
        let server = Server::start([stream("data: 1\n\n"), answer]);
        let log = Log::default();
        let mut source = server.builder().on_notice(log.observer()).build().unwrap();
        assert_eq!(next(&mut source).await, event("1", ""));
        last_error(&mut source).await;
        assert_eq!(source.ready_state(), ReadyState::Closed);
        assert_eq!(log.entries(), ["opened", "wait", expected]);
    }
}

/// C5: 204 tells clients to stop. To one that never had a stream it is a refusal.
#[tokio::test]
async fn a_204_ends_only_what_has_begun() {
    for (answers, expected) in [
        (vec![stream(""), status(204)], None),
        (vec![stream(""), status(500), raw(""), status(204)], None),
        (vec![status(204)], Some("Status")),
        (vec![status(500), raw(""), status(204)], Some("Status")),
    ] {
        let server = Server::start(answers);
        let mut source = server.source();
        let end = soon(source.next()).await.map(|item| name(&item.unwrap_err()));
        assert_eq!(end.as_deref(), expected);
        assert!(soon(source.next()).await.is_none());
    }
}

#[tokio::test]
async fn and_what_began_in_an_earlier_run() {
    let server = Server::start([status(204)]);
    let source = server.builder().last_event_id(EventId::from_static("a"));
    assert!(soon(source.build().unwrap().next()).await.is_none());
}

/// Browsers take several hundred.
#[tokio::test]
async fn many_headers_are_read() {
    for count in [99, 150, 400, 900] {
        let headers: String = (0..count).map(|number| format!("X-{number}: y\r\n")).collect();
        let answer = format!("200 OK\r\nContent-Type: text/event-stream\r\n{headers}\r\ndata: 1\n\n");
        let server = Server::start([response(&answer)]);
        let mut source = EventSource::get(server.url("/events")).unwrap();
        assert_eq!(next(&mut source).await, event("1", ""), "{count} headers");
    }
}

// Busy servers

/// The first wait of a source that is not to be waited for.
async fn first_wait(answer: Answer) -> Duration {
    let server = Server::start([answer]);
    let (waits, mut told) = mpsc::unbounded_channel();
    let observer = move |notice: Notice<'_>| {
        if let Notice::Waiting { delay, .. } = notice {
            waits.send(delay).unwrap();
        }
    };
    let mut source = server.builder().on_notice(observer).build().unwrap();
    tokio::select! {
        item = source.next() => panic!("{item:?}"),
        wait = soon(told.recv()) => wait.unwrap(),
    }
}

#[tokio::test]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let date = "Date: Tue, 15 Nov 1994 12:00:00 GMT\r\n";
    for (headers, seconds) in [
        ("Retry-After: 7.0".to_owned(), 7),
        ("Retry-After: 7\r\nretry-after-ms: 3000".to_owned(), 3),
        ("Retry-After: 120".to_owned(), 120),
        (format!("{date}Retry-After: Tue, 15 Nov 1994 12:01:30 GMT"), 90),
        (format!("{date}Retry-After: 120"), 120),
        ("Retry-After: 99999999999999999999".to_owned(), 3600),
        (format!("{date}Retry-After: Tue, 15 Nov 1994 23:00:00 GMT"), 3600),
    ] {
        for status in [429, 500, 503, 529] {
            let answer = format!("{status} -\r\n{headers}\r\nContent-Length: 0\r\n\r\n");
            let wait = first_wait(response(&answer)).await;
            let asked = Duration::from_secs(seconds);
            // What is on top is this policy's backoff.
            assert!((asked..=asked + Duration::from_millis(4)).contains(&wait), "{answer:?}: {wait:?}");
        }
    }
}

#[tokio::test]
async fn a_nonsensical_retry_after_is_none() {
    let date = "Date: Tue, 15 Nov 1994 12:00:00 GMT\r\n";
    for header in
        ["Retry-After:", "Retry-After: -1", "Retry-After: 1e9", "Retry-After: Tue, 15 Nov 1994 11:00:00 GMT"]
    {
        let wait =
            first_wait(response(&format!("503 -\r\n{date}{header}\r\nContent-Length: 0\r\n\r\n"))).await;
        assert!(wait <= Duration::from_millis(5), "{header:?}: {wait:?}");
    }
}

// Compressed streams, which nobody should send

/// A gzip stream of parts that are stored as they are.
struct Gzip(Vec<u8>);

impl Gzip {
    /// The beginning, which can be read before the rest is there.
    fn begin(text: &str) -> Self {
        Self(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]).block(text.as_bytes(), false)
    }

    /// A whole stream.
    fn of(content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref();
        let mut gzip = Self::begin("").block(content, true);
        gzip.0.extend(crc32(content).to_le_bytes());
        gzip.0.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        gzip
    }

    fn block(mut self, content: &[u8], is_last: bool) -> Self {
        let length = u16::try_from(content.len()).unwrap();
        self.0.push(u8::from(is_last));
        self.0.extend(length.to_le_bytes());
        self.0.extend((!length).to_le_bytes());
        self.0.extend(content);
        self
    }

    fn answer(self) -> Answer {
        self.answer_with("Content-Encoding: gzip\r\n")
    }

    fn answer_with(self, headers: &str) -> Answer {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{headers}\r\n");
        raw([head.as_bytes(), &self.0].concat())
    }
}

/// Bit by bit, as the standard of gzip defines it (RFC 1952, 8).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn a_compressed_stream_is_read_as_it_comes() {
    let server = Server::start([
        Gzip::of("id: a\ndata: 1\n\n").answer(),
        Gzip::begin("id: b\ndata: 2\n\n").answer(),
        Gzip::begin("id: c\ndata: 3\n\n").answer().held(),
    ]);
    let log = Log::default();
    let mut source = server.builder().on_notice(log.observer()).build().unwrap();
    for expected in [event("1", "a"), event("2", "b"), event("3", "c")] {
        assert_eq!(next(&mut source).await, expected);
    }
    assert_eq!(log.entries(), ["opened", "wait", "opened", "wait after Read", "opened"]);
    assert_eq!(server.request().await.header("accept-encoding"), Some("gzip"));
}

#[cfg(not(feature = "gzip"))]
#[tokio::test]
async fn a_compressed_stream_is_refused_by_name() {
    let server = Server::start([Gzip::of("id: a\ndata: 1\n\n").answer()]);
    let error = last_error(&mut server.source()).await;
    assert!(matches!(error, Error::ContentEncoding(_)), "{error:?}");
    assert!(error.to_string().contains("the feature `gzip` of sse-client"), "{error}");
    assert_eq!(server.request().await.header("accept-encoding"), None, "nobody asked for it");
}

/// It is refused at once, though the body does not end.
#[tokio::test]
async fn a_body_that_stays_compressed_is_refused_by_name_and_not_waited_for() {
    for headers in [
        "Content-Encoding: br",
        "Content-Encoding: Zstd",
        "Content-Encoding: x-gzip",
        "Content-Encoding: identity, gzip",
        "Content-Encoding: identity\r\nContent-Encoding: gzip",
        "content-encoding:\r\nContent-Encoding: compress",
    ] {
        let head = format!("200 OK\r\nContent-Type: text/event-stream\r\n{headers}\r\n\r\n");
        let server = Server::answering(move |_| response(&head).and("\x1f\u{8b}").held());
        let response = get(server.url("/events")).await.unwrap();
        let start = Instant::now();
        let errors = [
            last_error(&mut server.source()).await,
            soon(response.events().next()).await.unwrap().unwrap_err(),
        ];
        assert!(start.elapsed() < Duration::from_secs(4), "{headers:?}: it took {:?}", start.elapsed());
        for error in errors {
            assert!(matches!(error, Error::ContentEncoding(_)), "{headers:?}: {error:?}");
            let text = error.to_string();
            let coding = headers.rsplit([' ', ',']).next().unwrap();
            assert!(text.contains(coding), "{headers:?}: {text}");
            assert!(text.contains("let the server send event streams as they are"), "{text}");
            assert!(!text.contains("reqwest"), "{text}");
        }
    }
}

/// Nobody reads compressed bytes as events. With `gzip`, reqwest reads one of two codings and removes both headers, so that
/// only the body shows the other.
#[tokio::test]
async fn a_body_that_is_compressed_twice_or_secretly_is_refused() {
    let stream = || Gzip::of("data: 1\n\n");
    for (headers, body) in [
        ("Content-Encoding: gzip\r\nContent-Encoding: gzip\r\n", Gzip::of(stream().0)),
        ("Content-Encoding: gzip, gzip\r\n", Gzip::of(stream().0)),
        ("Content-Encoding: gzip\r\nContent-Encoding: identity\r\n", Gzip::of(stream().0)),
        ("Content-Encoding: gzip\r\n", Gzip::of(stream().0)),
        ("Content-Encoding: none\r\n", stream()),
        ("", stream()),
    ] {
        let body = body.0;
        let server = Server::answering(move |_| Gzip(body.clone()).answer_with(headers).held());
        let response = get(server.url("/events")).await.unwrap();
        let errors = [
            last_error(&mut server.source()).await,
            soon(response.events().next()).await.unwrap().unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::ContentEncoding(_)), "{headers:?}: {error:?}");
            assert!(error.to_string().starts_with("the response is compressed"), "{headers:?}: {error}");
            assert!(error.to_string().contains("let the server send event streams as they are"), "{error}");
        }
    }
}

#[tokio::test]
async fn an_encoding_that_names_no_coding_changes_nothing() {
    for headers in [
        "Content-Encoding: none",
        "Content-Encoding: identity",
        "Content-Encoding:",
        "Content-Encoding: UTF-8",
        "Content-Encoding: identity, none\r\nContent-Encoding: x-unknown",
    ] {
        let head = format!("200 OK\r\nContent-Type: text/event-stream\r\n{headers}");
        let server = Server::start([response(&format!("{head}\r\n\r\ndata: 1\n\n"))]);
        assert_eq!(next(&mut server.source()).await, event("1", ""), "{headers:?}");
    }
}
