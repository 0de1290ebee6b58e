//! Responses that are not event streams, or that are compressed: the error, and what follows.
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
async fn an_error_has_only_the_beginning_of_an_endless_body() {
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

/// This test takes 5 s, the limit for the body.
#[tokio::test]
async fn an_error_waits_for_its_body_at_most_5_s() {
    let server = Server::start([response("404 -\r\nContent-Type: text/html\r\n\r\n<p>Hello").held()]);
    let error = last_error(&mut server.source()).await;
    assert!(matches!(&error, Error::Status(refusal) if refusal.text() == "<p>Hello"), "{error:?}");
}

#[tokio::test]
async fn an_error_has_the_part_of_a_broken_body() {
    let broken = response("404 -\r\nContent-Length: 99\r\n\r\n<p>Hello");
    let error = last_error(&mut Server::start([broken]).source()).await;
    assert!(matches!(&error, Error::Status(refusal) if refusal.text() == "<p>Hello"), "{error:?}");
}

/// C6: the whole type is compared without case, and its parameters are ignored. The last valid type of several decides.
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
async fn any_content_type_is_read_if_the_caller_sets_it() {
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
    assert!(matches!(last_error(&mut source).await, Error::Status(_)), "other statuses are still errors");
}

#[tokio::test]
async fn the_policy_sets_the_temporary_statuses() {
    let server = Server::start([status(404), stream("data: 1\n\n"), status(404), status(410)]);
    let mut source = server.source_with(quick().passing_statuses(|status| status == 404));
    assert_eq!(next(&mut source).await, event("1", ""));
    let error = last_error(&mut source).await;
    assert_eq!(error.status().unwrap(), 410);
    let server = Server::start([status(503)]);
    last_error(&mut server.source_with(quick().passing_statuses(|status| status == 404))).await;
}

/// C5 and C10: a refusal is final also if it is the response to a reconnect.
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

/// C5: a 204 tells clients to stop. For a client that never had a stream it is a refusal.
#[tokio::test]
async fn a_204_ends_only_a_source_that_has_had_a_response() {
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
async fn a_204_ends_a_source_with_a_stored_id() {
    let server = Server::start([status(204)]);
    let source = server.builder().last_event_id(EventId::from_static("a"));
    assert!(soon(source.build().unwrap().next()).await.is_none());
}

/// Browsers accept several hundred.
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

/// Returns the first wait of a source, without waiting for its end.
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
async fn a_retry_after_is_waited_for() {
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
            // The rest is the backoff of this policy.
            assert!((asked..=asked + Duration::from_millis(4)).contains(&wait), "{answer:?}: {wait:?}");
        }
    }
}

#[tokio::test]
async fn an_invalid_retry_after_is_ignored() {
    let date = "Date: Tue, 15 Nov 1994 12:00:00 GMT\r\n";
    for header in
        ["Retry-After:", "Retry-After: -1", "Retry-After: 1e9", "Retry-After: Tue, 15 Nov 1994 11:00:00 GMT"]
    {
        let wait =
            first_wait(response(&format!("503 -\r\n{date}{header}\r\nContent-Length: 0\r\n\r\n"))).await;
        assert!(wait <= Duration::from_millis(5), "{header:?}: {wait:?}");
    }
}

// Compressed streams

/// A gzip stream whose parts are stored without compression.
struct Gzip(Vec<u8>);

impl Gzip {
    /// Returns the beginning of a stream, which can be read before the rest comes.
    fn begin(text: &str) -> Self {
        Self(vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]).block(text.as_bytes(), false)
    }

    /// Returns a whole stream.
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

    fn answer_with(self, headers: &str) -> Answer {
        self.answer_as("200 OK", headers)
    }

    fn answer_as(self, status: &str, headers: &str) -> Answer {
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/event-stream\r\n{headers}\r\n");
        raw([head.as_bytes(), &self.0].concat())
    }
}

/// Computes the checksum bit by bit, as gzip defines it (RFC 1952, 8).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
    })
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn a_compressed_stream_is_read_as_it_comes() {
    let server = Server::start([
        Gzip::of("id: a\ndata: 1\n\n").answer_with(GZIP[0]),
        Gzip::begin("id: b\ndata: 2\n\n").answer_with(GZIP[0]),
        Gzip::begin("id: c\ndata: 3\n\n").answer_with(GZIP[0]).held(),
    ]);
    let log = Log::default();
    let mut source = server.builder().on_notice(log.observer()).build().unwrap();
    for expected in [event("1", "a"), event("2", "b"), event("3", "c")] {
        assert_eq!(next(&mut source).await, expected);
    }
    assert_eq!(log.entries(), ["opened", "wait", "opened", "wait after Read", "opened"]);
    assert_eq!(server.request().await.header("accept-encoding"), Some("gzip"));
}

/// Values of `Content-Encoding` by which a body is compressed once, by gzip.
const GZIP: [&str; 6] = [
    "Content-Encoding: gzip\r\n",
    "Content-Encoding: GZIP\r\n",
    "Content-Encoding: x-gzip\r\n",
    "Content-Encoding: identity, gzip\r\n",
    "Content-Encoding: identity\r\nContent-Encoding: gzip\r\n",
    "Content-Encoding: gzip\r\nContent-Encoding: none\r\n",
];

#[cfg(feature = "gzip")]
#[tokio::test]
async fn gzip_is_recognized_in_any_headers() {
    for headers in GZIP {
        let server = Server::start([Gzip::of("id: a\ndata: 1\n\n").answer_with(headers)]);
        assert_eq!(next(&mut server.source()).await, event("1", "a"), "{headers:?}");
        let refused = Server::start([Gzip::of("no such key").answer_as("401 -", headers)]);
        let error = last_error(&mut refused.source()).await;
        assert!(error.to_string().ends_with(": no such key"), "{headers:?}: {error}");
    }
}

#[cfg(feature = "gzip")]
#[tokio::test]
async fn a_damaged_gzip_stream_breaks_the_connection() {
    let mut damaged = Gzip::of("data: 1\n\n");
    *damaged.0.last_mut().unwrap() ^= 1;
    let server = Server::start([damaged.answer_with(GZIP[0])]);
    let mut events = get(server.url("/events")).await.unwrap().events();
    assert_eq!(soon(events.next()).await.unwrap().unwrap().data(), "1");
    let error = soon(events.next()).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Read(_)), "{error:?}");
    assert!(soon(events.next()).await.is_none());
}

#[cfg(not(feature = "gzip"))]
#[tokio::test]
async fn a_compressed_stream_is_refused_by_name() {
    for headers in GZIP {
        let server = Server::start([Gzip::of("id: a\ndata: 1\n\n").answer_with(headers)]);
        let error = last_error(&mut server.source()).await;
        assert!(matches!(error, Error::ContentEncoding(_)), "{headers:?}: {error:?}");
        assert!(error.to_string().contains("the feature `gzip` of sse-client"), "{headers:?}: {error}");
        assert_eq!(server.request().await.header("accept-encoding"), None, "the client does not accept gzip");
    }
}

/// The error does not wait for the body, which does not end. Brotli has no bytes at its start that could be recognized, so
/// that all headers must count.
#[tokio::test]
async fn a_body_that_the_client_can_not_decompress_is_refused_at_once() {
    for headers in [
        "Content-Encoding: br",
        "Content-Encoding: Zstd",
        "Content-Encoding: gzip, br",
        "Content-Encoding: gzip\r\nContent-Encoding: br",
        "Content-Encoding: br\r\nContent-Encoding: gzip",
        "Content-Encoding: identity, deflate",
        "Content-Encoding: identity\r\nContent-Encoding: zstd",
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
            assert!(text.contains("configure the server not to compress event streams"), "{text}");
            assert!(!text.contains("reqwest"), "{text}");
        }
    }
}

/// Compressed bytes are never read as events. With the feature `gzip`, reqwest decodes one of two codings and removes
/// both headers, so that only the body shows the other coding.
#[tokio::test]
async fn a_body_that_is_compressed_twice_or_without_a_header_is_refused() {
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
            assert!(
                error.to_string().contains("configure the server not to compress event streams"),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_content_encoding_is_ignored() {
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
