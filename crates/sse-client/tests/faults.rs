//! Faults of servers and networks, and what follows.
//!
//! - Every fault happens at a real socket.
//! - No test depends on how long something takes. In the tests of time-outs the server never sends anything, and an
//!   answer that is late on a slow machine only leads to another attempt.
//! - C1 and so on are the rules of `docs/standard.md`.

mod common;

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    Answer, Log, Server, Sources as _, client, event, get, last_error, next, quick, raw, response, soon,
    status, stream,
};
use sse_client::{Error, EventSource, EventSourceBuilder, Notice, Reconnect, ResponseExt as _};
use tokio::net::TcpSocket;

/// A short time-out, for a server that never sends anything.
const SHORT: Duration = Duration::from_millis(50);

// No response

/// Returns a source with an address where nobody listens, and a socket that keeps other programs from listening there.
fn at_unused_port(policy: Reconnect) -> (TcpSocket, EventSource, Log) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let client = client();
    let request = client.get(format!("http://{}", socket.local_addr().unwrap())).build().unwrap();
    let log = Log::default();
    let source = EventSource::builder(client, request).reconnect(policy).on_notice(log.observer());
    (socket, source.build().unwrap(), log)
}

/// C9: a network error instead of a response.
#[tokio::test]
async fn a_server_that_starts_late_is_found() {
    let (socket, mut source, log) = at_unused_port(quick());
    while log.entries().len() < 3 {
        tokio::select! {
            biased;
            item = source.next() => panic!("{item:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(log.entries()[..3], ["wait after Connect"; 3]);
    let _server =
        Server::start_on(socket.listen(8).unwrap().into_std().unwrap(), [stream("data: 1\n\n").held()]);
    assert_eq!(next(&mut source).await, event("1", ""));
}

#[tokio::test]
async fn a_server_that_does_not_start_is_given_up() {
    let (_socket, mut source, log) = at_unused_port(quick().max_retries(2));
    assert!(matches!(last_error(&mut source).await, Error::Connect(_)));
    assert_eq!(log.entries(), ["wait after Connect", "wait after Connect", "closed after Connect"]);
}

/// It is tried again after a wait, and no more often than the policy allows.
#[tokio::test]
async fn bytes_that_are_no_response_are_a_network_error() {
    for bytes in [
        "",
        "\r\n",
        "H",
        "HTTP/1.1 ",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 -1 OK\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\0\0\0\0\0\0\0\0",
        "\u{15}\u{3}\u{1}\0\u{2}\u{2}F",
        "data: 1\n\ndata: 2\n\n",
        "<!DOCTYPE html><title>Hello</title>",
    ] {
        for reset in [false, true] {
            let log = Log::default();
            let attempts = log.clone();
            let server = Server::answering(move |_| {
                attempts.add("attempt");
                if reset { raw(bytes).reset() } else { raw(bytes) }
            });
            let source = server.builder().reconnect(quick().max_retries(2)).on_notice(log.observer());
            let error = last_error(&mut source.build().unwrap()).await;
            assert!(matches!(error, Error::Connect(_)), "{bytes:?}: {error:?}");
            let [attempt, wait] = ["attempt", "wait after Connect"];
            let expected = [attempt, wait, attempt, wait, attempt, "closed after Connect"];
            assert_eq!(log.entries(), expected, "{bytes:?}, reset: {reset}");
        }
    }
}

/// Checks that a connection with an answer like `first` is closed because of `cause`, and that the next request follows
/// after a wait and has this ID.
async fn check_left(
    first: impl Fn() -> Answer + Send + 'static,
    set: impl FnOnce(EventSourceBuilder) -> EventSourceBuilder,
    cause: &str,
    id: Option<&str>,
) {
    let server = Server::answering(move |request| match request.number() {
        0 => first(),
        _ => stream(match request.header("last-event-id") {
            None => "id: a\ndata: 1\n\nid: b\ndata: 2\n\n",
            Some("a") => "id: b\ndata: 2\n\n",
            Some(_) => "",
        }),
    });
    let log = Log::default();
    let mut source = set(server.builder().on_notice(log.observer())).build().unwrap();
    assert_eq!(next(&mut source).await, event("1", "a"));
    assert_eq!(next(&mut source).await, event("2", "b"));
    let wait = log.entries().into_iter().find(|entry| entry.starts_with("wait"));
    assert_eq!(wait, Some(format!("wait after {cause}")));
    server.request().await;
    assert_eq!(server.request().await.header("last-event-id"), id);
}

#[tokio::test]
async fn the_wait_for_a_response_is_limited() {
    for bytes in
        ["", "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n", "HTTP/1.1 100 Continue\r\n\r\n"]
    {
        check_left(
            move || raw(bytes).held(),
            |source| source.response_timeout(SHORT),
            "ResponseTimeout",
            None,
        )
        .await;
    }
}

#[tokio::test]
async fn the_wait_for_a_final_response_is_limited() {
    let first = || raw("").endless("HTTP/1.1 100 Continue\r\n\r\n");
    check_left(first, |source| source.response_timeout(SHORT), "ResponseTimeout", None).await;
}

#[tokio::test]
async fn a_missing_response_ends_a_source_that_does_not_reconnect() {
    let server = Server::start([raw("").held()]);
    let source = server.builder().reconnect(Reconnect::never()).response_timeout(SHORT);
    let error = last_error(&mut source.build().unwrap()).await;
    assert!(matches!(error, Error::ResponseTimeout { after, .. } if after == SHORT), "{error:?}");
}

// Idle time-outs

#[tokio::test]
async fn an_idle_connection_is_closed() {
    for body in ["", ": hello\n\n", "id: a\ndata: 1"] {
        let set = |source: EventSourceBuilder| source.initial_idle_timeout(SHORT).idle_timeout(None);
        check_left(move || stream(body).held(), set, "IdleTimeout", None).await;
    }
    for body in ["id: a\ndata: 1\n\n", "id: a\ndata: 1\n\nid: b\ndata: 2\n"] {
        let set = |source: EventSourceBuilder| source.initial_idle_timeout(None).idle_timeout(SHORT);
        check_left(move || stream(body).held(), set, "IdleTimeout", Some("a")).await;
    }
}

/// Otherwise a server that accepts connections and sends nothing would be tried again without end.
#[tokio::test]
async fn a_connection_without_a_byte_is_a_failure() {
    for body in ["", ": hello\n\n"] {
        let server = Server::answering(move |_| stream(body).held());
        let source = server.builder().reconnect(quick().max_retries(2)).initial_idle_timeout(SHORT);
        let error = last_error(&mut source.build().unwrap()).await;
        assert!(matches!(error, Error::IdleTimeout { .. }), "{body:?}: {error:?}");
        assert_eq!(server.requests().len(), 3, "{body:?}");
    }
}

#[tokio::test]
async fn an_idle_time_out_ends_a_source_that_does_not_reconnect() {
    let server = Server::answering(|_| stream("data: 1\n\n").held());
    let mut source = server.builder().reconnect(Reconnect::never()).idle_timeout(SHORT).build().unwrap();
    assert_eq!(next(&mut source).await, event("1", ""));
    let error = last_error(&mut source).await;
    assert!(matches!(error, Error::IdleTimeout { after, .. } if after == SHORT), "{error:?}");

    let mut events = get(server.url("/events")).await.unwrap().events().idle_timeout(SHORT);
    assert_eq!(soon(events.next()).await.unwrap().unwrap().data(), "1");
    assert!(matches!(soon(events.next()).await, Some(Err(Error::IdleTimeout { .. }))));
    assert!(soon(events.next()).await.is_none());
}

/// A time-out that is much longer than the time between two comments, and much shorter than the time of all comments.
#[tokio::test]
async fn comments_count_for_the_idle_time_out() {
    const LIMIT: Duration = Duration::from_secs(1);
    let server = Server::start([stream("").then(|mut stream| {
        let start = Instant::now();
        while start.elapsed() < 2 * LIMIT {
            stream.write_all(b":\n").unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        stream.write_all(b"data: 1\n\n").unwrap();
    })]);
    let log = Log::default();
    let source = server.builder().initial_idle_timeout(LIMIT).on_notice(log.observer());
    let mut source = source.build().unwrap();
    assert_eq!(next(&mut source).await, event("1", ""));
    assert_eq!(log.entries(), ["opened"]);
}

// Streams that end too early, or break

/// C8: an empty 200 is followed by a reconnect. It counts as a failure, so that such a server is not asked without a
/// pause.
#[tokio::test]
async fn a_stream_without_an_event_is_a_failure() {
    for body in
        ["", "\u{feff}", ": hello\n\n", "retry: 1\n\n", "id: a\n\n", "event: x\n\n", "data: unfinished\n"]
    {
        let server = Server::answering(move |_| stream(body));
        let log = Log::default();
        let source = server.builder().on_notice(log.observer()).reconnect(quick().max_retries(0));
        assert!(matches!(last_error(&mut source.build().unwrap()).await, Error::GaveUp), "{body:?}");
        assert_eq!(log.entries(), ["opened", "closed after GaveUp"], "{body:?}");
    }
}

#[tokio::test]
async fn a_broken_chunk_breaks_the_connection() {
    for broken in [
        "xyz\r\n",
        "-1\r\n",
        "\r\n",
        " \r\n",
        "\0",
        "FFFFFFFFFFFFFFFFF\r\n",
        "9\rdata: 2\n\n\r\n",
        "1\r\n:too long\r\n",
        "data: 2\n\n",
        "HTTP/1.1 200 OK\r\n\r\n",
    ] {
        let first = move || {
            let headers = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked";
            response(&format!("200 OK\r\n{headers}\r\n\r\nf\r\nid: a\ndata: 1\n\n\r\n{broken}"))
        };
        check_left(first, |source| source, "Read", Some("a")).await;
    }
}

#[tokio::test]
async fn a_body_that_is_too_short_breaks_the_connection() {
    let first = || {
        response("200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\nid: a\ndata: 1\n\n")
    };
    check_left(first, |source| source, "Read", Some("a")).await;
}

// Busy servers

/// C11: there is a wait between two attempts, and no attempt comes before its wait is over.
#[tokio::test]
async fn each_error_is_followed_by_a_wait() {
    const RETRIES: u32 = 50;
    let answers = [|| status(500), || status(503), || raw(""), || stream(""), || raw("HTTP/1.1 200 OK\r\nX")];
    let (attempts, waits) = (Moments::default(), Moments::default());
    let seen = attempts.clone();
    let server = Server::answering(move |request| {
        seen.add(Duration::ZERO);
        answers[request.number() % answers.len()]()
    });
    let told = waits.clone();
    let observer = move |notice: Notice<'_>| {
        if let Notice::Waiting { delay, .. } = notice {
            told.add(delay);
        }
    };
    let policy = quick().max_retries(RETRIES).max_elapsed(Duration::MAX);
    let mut source = server.builder().reconnect(policy).on_notice(observer).build().unwrap();
    last_error(&mut source).await;
    let (attempts, waits) = (attempts.get(), waits.get());
    assert_eq!((attempts.len(), waits.len()), (RETRIES as usize + 1, RETRIES as usize));
    for (index, (start, delay)) in waits.iter().enumerate() {
        assert!(*delay >= Duration::from_millis(1), "{delay:?}");
        let [before, after] = [attempts[index].0, attempts[index + 1].0];
        assert!(before <= *start && *start + *delay <= after, "attempt {index}");
    }
}

/// The times of attempts, and the waits that were to follow them.
#[derive(Clone, Default)]
struct Moments(Arc<Mutex<Vec<(Instant, Duration)>>>);

impl Moments {
    fn add(&self, duration: Duration) {
        self.0.lock().unwrap().push((Instant::now(), duration));
    }

    fn get(&self) -> Vec<(Instant, Duration)> {
        self.0.lock().unwrap().clone()
    }
}
