//! The two ways of an event stream under `serve`: written by the server's own threads, or by hyper. Only their cost may
//! differ, so each test runs on both.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown as Half, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use sse_server::{
    Body, LagPolicy, Listener, Message, MessageStream, PassedThrough, Route, RouteBuilder, Subscription,
    Topics, serve,
};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Which code writes the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Threads,
    Hyper,
}

const WAYS: [Way; 2] = [Way::Threads, Way::Hyper];

/// The settings of a server.
struct Settings {
    way: Way,
    grace: Duration,
    spread: Duration,
    write_deadline: Duration,
}

/// A server with a runtime of its own, until it is dropped.
struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<Runtime>,
    ended: Arc<AtomicUsize>,
}

impl Settings {
    fn of(way: Way) -> Self {
        let write_deadline = Duration::from_secs(30);
        Self { way, grace: Duration::ZERO, spread: Duration::ZERO, write_deadline }
    }

    /// Serves the responses that `respond` returns to requests for streams.
    fn start(
        self,
        respond: impl Fn(&Request<Incoming>) -> Response<Body> + Clone + Send + 'static,
    ) -> Server {
        let service = service_fn(move |request| {
            let response = respond(&request);
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        self.serve(service)
    }

    fn serve<S, B>(self, service: S) -> Server
    where
        S: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = Listener::from(listener).write_deadline(self.write_deadline);
        let (stop, stopped) = oneshot::channel();
        let threads = if self.way == Way::Threads { 2 } else { 0 };
        let server = serve(listener, service).threads(threads).stagger(self.spread);
        let signal = async move {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let server = server.with_graceful_shutdown(signal, self.grace);
        let ended = Arc::new(AtomicUsize::new(0));
        let count = ended.clone();
        runtime.spawn(async move {
            server.await;
            count.fetch_add(1, Ordering::SeqCst);
        });
        Server { address, stop: Some(stop), runtime: Some(runtime), ended }
    }
}

impl Server {
    fn of(way: Way, route: &Route) -> Self {
        let route = route.clone();
        Settings::of(way).start(move |request| route.respond(request))
    }

    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst) == 1
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The bytes of a connection.
struct Connection {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        Self { socket, read: Vec::new() }
    }

    fn get(address: SocketAddr) -> Self {
        let mut connection = Self::open(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        connection.read_until(":\r\n");
        connection
    }

    /// Reads until this text has come, and returns the text before it.
    #[track_caller]
    fn read_until(&mut self, expected: &str) -> String {
        // Each piece of the body is a chunk.
        let expected = expected.replace(":\r\n", ":\n").into_bytes();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if let Some(at) = self.read.windows(expected.len()).position(|window| window == expected) {
                let before = String::from_utf8_lossy(&self.read[..at]).into_owned();
                self.read.drain(..at + expected.len());
                return before;
            }
            let read = self.socket.read(&mut buffer).expect("more comes");
            assert!(read > 0, "closed after {:?}", String::from_utf8_lossy(&self.read));
            self.read.extend_from_slice(&buffer[..read]);
        }
    }

    /// Reads to the end of the connection.
    fn read_to_end(&mut self) -> String {
        match self.socket.read_to_end(&mut self.read) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            _ => String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned(),
        }
    }
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Returns whether there are threads that write streams.
fn has_threads() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.into_iter().any(|name| name.starts_with("sse-reactor"))
}

fn quiet() -> RouteBuilder {
    Route::builder().heartbeat(None)
}

fn publish(route: &Route, data: &str) {
    route.publish(&Message::new(data)).unwrap();
}

#[test]
#[cfg(target_os = "linux")]
fn streams_are_written_by_threads_that_end_with_the_server() {
    let route = Route::new();
    let server = Server::of(Way::Threads, &route);
    let mut stream = Connection::get(server.address);
    publish(&route, "1");
    stream.read_until("data: 1");
    assert!(has_threads());
    drop(server);
    stream.read_to_end();
    until("nobody is subscribed", || route.subscribers() == 0);
}

#[test]
fn http_1_1_comes_in_chunks() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let mut stream = Connection::open(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        let head = stream.read_until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("transfer-encoding: chunked"), "{head}");
        stream.read_until("\n\n\r\n");
        publish(&route, "1");
        let chunk = stream.read_until("\n\n\r\n");
        let (len, block) = chunk.split_once("\r\n").unwrap();
        assert!(block.starts_with("data: 1\nid: "), "{way:?}: {block:?}");
        assert_eq!(usize::from_str_radix(len, 16).unwrap(), block.len() + 2, "{way:?}: {chunk:?}");
        route.close();
        assert_eq!(stream.read_until("0\r\n\r\n"), "", "{way:?}");
    }
}

#[test]
fn http_1_0_comes_plain_and_ends_with_the_connection() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let open = |header| {
            let mut stream = Connection::open(server.address, &format!("GET / HTTP/1.0\r\n{header}\r\n"));
            let head = stream.read_until("\r\n\r\n");
            assert!(!head.contains("transfer-encoding") && !head.contains("content-length"), "{head}");
            stream.read_until("\n\n");
            stream
        };
        let mut streams = ["", "Connection: keep-alive\r\n"].map(open);
        publish(&route, "1");
        for stream in &mut streams {
            assert_eq!(stream.read_until("data: 1\n"), "", "{way:?}");
        }
        publish(&route, "2");
        route.close();
        for stream in &mut streams {
            stream.read_until("data: 2\n");
            let end = stream.read_to_end();
            assert!(end.starts_with("id: ") && end.ends_with("\n\n"), "{way:?}: {end:?}");
        }
    }
}

#[test]
fn head_has_no_body_and_the_connection_goes_on() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let both = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut stream = Connection::open(server.address, both);
        stream.read_until("\r\n\r\n");
        let head = stream.read_until("\r\n\r\n");
        assert!(head.starts_with("HTTP/1.1 200"), "{way:?}: {head}");
        until("one client is subscribed", || route.subscribers() == 1);
    }
}

/// After the stream of one task, another request comes on the same connection.
#[test]
fn an_ended_stream_leaves_the_connection_to_the_next_request() {
    for way in WAYS {
        let (task, next) = (quiet().build(), quiet().build());
        let routes = (task.clone(), next.clone());
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/task" => routes.0.respond(request),
            _ => routes.1.respond(request),
        });
        let next_request = b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut streams = [(); 2].map(|()| {
            let mut stream = Connection::open(server.address, "GET /task HTTP/1.1\r\nHost: x\r\n\r\n");
            stream.read_until("\n\n\r\n");
            stream
        });
        // One client sends its next request during the stream, the other after its end.
        streams[0].socket.write_all(next_request).unwrap();
        publish(&task, "done");
        task.close();
        for stream in &mut streams {
            stream.read_until("data: done\n");
            stream.read_until("\r\n0\r\n\r\n");
        }
        streams[1].socket.write_all(next_request).unwrap();
        for stream in &mut streams {
            assert!(stream.read_until("\r\n").starts_with("HTTP/1.1 200 OK"), "{way:?}");
            stream.read_until("\n\n\r\n");
        }
        publish(&next, "again");
        for stream in &mut streams {
            stream.read_until("data: again\n");
        }
    }
}

#[test]
fn connection_close_is_heeded() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: x, Close\r\n\r\n";
        let mut stream = Connection::open(server.address, request);
        stream.read_until("\n\n\r\n");
        publish(&route, "1");
        route.close();
        assert!(stream.read_to_end().ends_with("\n\n\r\n0\r\n\r\n"), "{way:?}");
    }
}

#[test]
fn a_peer_that_closes_half_closes_or_resets_is_unsubscribed() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        for how in ["closes", "half-closes", "resets"] {
            let stream = Connection::get(server.address);
            until("it is subscribed", || route.subscribers() == 1);
            let socket = stream.socket;
            match how {
                "closes" => socket.shutdown(Half::Both).unwrap(),
                "half-closes" => socket.shutdown(Half::Write).unwrap(),
                _ => socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap(),
            }
            let socket = Some(socket).filter(|_| how != "resets");
            until(how, || route.subscribers() == 0);
            drop(socket);
        }
    }
}

/// A peer may send more than its request. Some of it is kept, and the rest stays in the socket.
#[test]
fn a_flood_of_requests_is_left_in_the_socket() {
    for way in WAYS {
        let route = quiet().build();
        let server = Server::of(way, &route);
        let mut stream = Connection::get(server.address);
        stream.socket.set_nonblocking(true).unwrap();
        let flood = "GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
        // Writes until the server has taken nothing more for a while.
        let mut since = Instant::now();
        let mut sent = 0;
        while since.elapsed() < Duration::from_millis(200) {
            match stream.socket.write(flood.as_bytes()) {
                Ok(written) => (since, sent) = (Instant::now(), sent + written),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            assert!(sent < 64 << 20, "{way:?}: the server reads without a limit");
        }
        stream.socket.set_nonblocking(false).unwrap();
        publish(&route, "1");
        stream.read_until("data: 1\n");
        drop(stream);
        // The end of the connection does not fit into the socket either, so the server notices it when it writes.
        until("the peer is unsubscribed", || {
            publish(&route, "2");
            route.subscribers() == 0
        });
    }
}

#[test]
fn heartbeats_come_when_nothing_else_does() {
    for way in WAYS {
        let route = Route::builder().heartbeat(Duration::from_millis(30)).build();
        let own = route.clone();
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/own" => own.subscribe(request).heartbeat(Duration::from_millis(20)).respond(),
            "/never" => own.subscribe(request).heartbeat(None).respond(),
            _ => own.respond(request),
        });
        for path in ["/", "/own"] {
            let mut stream =
                Connection::open(server.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
            for _ in 0..3 {
                stream.read_until("\r\n3\r\n:\n\n\r\n");
                stream.read.splice(..0, *b"\r\n");
            }
            publish(&route, "1");
            stream.read_until("data: 1\n");
        }
        let mut stream = Connection::open(server.address, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.read_until("\n\n\r\n");
        thread::sleep(Duration::from_millis(100));
        publish(&route, "1");
        assert!(!stream.read_until("data: 1\n").contains(":\n\n"), "{way:?}");
    }
}

/// Each reason for which a stream ends: the last chunk comes, and the subscriber is no longer counted.
#[test]
fn streams_end_for_each_reason() {
    type Make = fn(&Route, &Request<Incoming>) -> Subscription;
    let makes: [(&str, Make); 5] = [
        ("max_age", |route, request| route.subscribe(request).max_age(Duration::from_millis(50))),
        ("until", |route, request| {
            route.subscribe(request).until(tokio::time::sleep(Duration::from_millis(50)))
        }),
        ("end_client", |route, request| {
            let client = route.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                client.end_client("c").unwrap();
            });
            route.subscribe(request).client("c")
        }),
        ("the filter panics", |route, request| {
            let publisher = route.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                publish(&publisher, "1");
            });
            route.subscribe(request).filter(|_| panic!("a user's mistake"))
        }),
        ("close_within", |route, request| {
            let closing = route.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(50));
                closing.close_within(Duration::from_millis(50));
            });
            route.subscribe(request)
        }),
    ];
    for way in WAYS {
        for (name, make) in makes {
            let route = quiet().build();
            let shared = route.clone();
            let server = Settings::of(way).start(move |request| make(&shared, request).respond());
            let mut stream = Connection::get(server.address);
            stream.read_until("0\r\n\r\n");
            until(name, || route.subscribers() == 0);
        }
    }
}

#[test]
fn a_shutdown_ends_streams_after_what_was_published_and_waits_for_them() {
    for way in WAYS {
        let route = quiet().build();
        let shared = route.clone();
        let settings = Settings {
            grace: Duration::from_secs(30),
            spread: Duration::from_millis(300),
            ..Settings::of(way)
        };
        let mut server = settings.start(move |request| shared.respond(request));
        let mut streams: Vec<_> = (0..20).map(|_| Connection::get(server.address)).collect();
        until("all are subscribed", || route.subscribers() == 20);
        publish(&route, "last");
        server.stop();
        for stream in &mut streams {
            stream.read_until("data: last\n");
            assert!(stream.read_to_end().ends_with("0\r\n\r\n"), "{way:?}");
        }
        until("the server has ended", || server.has_ended());
        assert_eq!(route.subscribers(), 0);
    }
}

#[test]
fn a_shutdown_cuts_open_connections_after_the_grace() {
    for way in WAYS {
        let route = quiet().history_bytes(1 << 30).history(100_000).build();
        let shared = route.clone();
        let settings = Settings { grace: Duration::from_millis(100), ..Settings::of(way) };
        let mut server = settings.start(move |request| shared.respond(request));
        let stream = Connection::get(server.address);
        let data = "x".repeat(1 << 20);
        for _ in 0..32 {
            publish(&route, &data);
        }
        server.stop();
        until("the server has ended", || server.has_ended());
        assert_eq!(route.subscribers(), 0, "{way:?}");
        drop(stream);
    }
}

#[test]
fn a_stalled_client_is_cut_and_a_lagging_one_gets_a_gap() {
    for way in WAYS {
        let route = quiet().history(4).burst_bytes(0).build();
        let shared = route.clone();
        let settings = Settings { write_deadline: Duration::from_millis(300), ..Settings::of(way) };
        let server = settings.start(move |request| shared.respond(request));
        let stalled = Connection::get(server.address);
        let mut slow = Connection::get(server.address);
        until("both are subscribed", || route.subscribers() == 2);
        let reader = thread::spawn(move || {
            let mut seen = Vec::new();
            let mut buffer = vec![0; 256 << 10];
            while !seen.windows(8).any(|window| window == b"the last") {
                let read = slow.socket.read(&mut buffer).unwrap();
                assert!(read > 0, "{way:?}: the slow client is cut");
                // The next read may bring the rest of a text that was cut in two.
                seen.drain(..seen.len().saturating_sub(64));
                seen.extend_from_slice(&buffer[..read]);
                thread::sleep(Duration::from_millis(10));
            }
        });
        let data = "x".repeat(64 << 10);
        until("one client is cut, and one gets a gap", || {
            publish(&route, &data);
            route.stats().stalled == 1 && route.stats().gaps > 0
        });
        publish(&route, "the last");
        reader.join().unwrap();
        assert_eq!(route.stats().stalled, 1, "{way:?}");
        drop(stalled);
    }
}

#[test]
fn a_request_over_the_limit_is_refused() {
    for way in WAYS {
        let route = quiet().max_subscribers(1).build();
        let server = Server::of(way, &route);
        let first = Connection::get(server.address);
        let mut second = Connection::open(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(second.read_until("\r\n").contains("503"), "{way:?}");
        drop(first);
        until("the subscriber is disconnected", || route.subscribers() == 0);
        Connection::get(server.address);
    }
}

/// Streams of several topics, with filters, with snapshots, from the start, from an id.
#[test]
fn every_kind_of_subscription_is_served() {
    for way in WAYS {
        let topics = Topics::builder().route(quiet()).build();
        let (a, b) = (topics.route("a").unwrap(), topics.route("b").unwrap());
        publish(&a, "a0");
        let shared = topics.clone();
        let server = Settings::of(way).start(move |request| {
            let a = shared.route("a").unwrap();
            match request.uri().path() {
                "/both" => shared.subscribe(request, ["a", "b"]).respond(),
                "/filter" => a.subscribe(request).filter(|event| event.data() != "a1").respond(),
                "/snapshot" => a.subscribe(request).snapshot(|| [Message::new("state")]).respond(),
                "/start" => a.subscribe(request).from_start().respond(),
                _ => a.respond(request),
            }
        });
        let open =
            |path: &str| Connection::open(server.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let mut streams = ["/both", "/filter", "/snapshot", "/start"].map(open);
        for stream in &mut streams {
            stream.read_until("\n\n\r\n");
        }
        until("all are subscribed", || a.subscribers() == 4);
        publish(&a, "a1");
        publish(&b, "b1");
        publish(&a, "a2");
        let [both, filter, snapshot, start] = &mut streams;
        for data in ["a1", "b1", "a2"] {
            both.read_until(&format!("data: {data}\n"));
        }
        assert!(!filter.read_until("data: a2\n").contains("a1"), "{way:?}");
        snapshot.read_until("data: a1\n");
        snapshot.read_until("data: a2\n");
        start.read_until("data: a0\n");
        start.read_until("data: a1\n");
        start.read_until("data: a2\n");
        assert_eq!(a.stats().subscribers, 4);
    }
}

/// A message that has outlived its age, because it is the latest of its key, reaches clients that come back, after one
/// gap event.
#[test]
fn the_latest_message_of_a_key_is_kept_whatever_its_age() {
    for way in WAYS {
        let age = Duration::from_millis(50);
        let route = quiet().lag_policy(LagPolicy::LatestPerKey).history_age(age).build();
        let shared = route.clone();
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/start" => shared.subscribe(request).from_start().respond(),
            _ => shared.respond(request),
        });
        let mut first = Connection::get(server.address);
        let opening = first.read_until("\n\n\r\n");
        let id = opening.split("id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
        route.publish_keyed("a", &Message::new("state")).unwrap();
        publish(&route, "gone");
        first.read_until("data: gone\n");
        drop(first);
        until("the subscriber is disconnected", || route.subscribers() == 0);
        thread::sleep(2 * age);
        for (path, header, gaps) in
            [("/", format!("Last-Event-ID: {id}\r\n"), 1), ("/start", String::new(), 0)]
        {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n");
            let mut stream = Connection::open(server.address, &request);
            let mut seen = stream.read_until("data: state\n");
            publish(&route, "more");
            seen += &stream.read_until("data: more\n");
            assert_eq!(seen.matches("event: gap").count(), gaps, "{way:?}: {seen}");
        }
    }
}

/// A replay shares the message with other subscribers, without a copy.
#[test]
#[cfg(target_os = "linux")]
fn stalled_replays_share_a_message() {
    for way in WAYS {
        let route = quiet().build();
        publish(&route, &"x".repeat(8 << 20));
        let shared = route.clone();
        let server = Settings::of(way).start(move |request| shared.subscribe(request).from_start().respond());
        let before = resident();
        let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let streams: Vec<_> = (0..40).map(|_| Connection::open(server.address, request)).collect();
        until("all are subscribed", || route.subscribers() == 40);
        // By then, each socket is full.
        thread::sleep(Duration::from_millis(300));
        let grown = resident().saturating_sub(before) >> 20;
        assert!(grown < 100, "{way:?}: {grown} MiB");
        drop(streams);
    }
}

#[cfg(target_os = "linux")]
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// A stream that is made from another body, and changes it.
struct Redacted(Body);

impl futures_core::Stream for Redacted {
    type Item = Message<'static>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let frame = ready!(http_body::Body::poll_frame(Pin::new(&mut self.0), cx));
        Poll::Ready(frame.map(|frame| {
            let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
            Message::new(text.replace("secret", "xxxxxx").replace('\n', "|"))
        }))
    }
}

#[test]
fn a_stream_that_is_made_from_another_is_not_bypassed() {
    for way in WAYS {
        let route = quiet().build();
        let shared = route.clone();
        let server = Settings::of(way).start(move |request| {
            MessageStream::new(Redacted(shared.respond(request).into_body())).respond()
        });
        let mut stream = Connection::open(server.address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        until("it is subscribed", || route.subscribers() == 1);
        publish(&route, "a secret");
        stream.read_until("data: a xxxxxx|");
    }
}

/// A user's value that is kept with a stream, and panics when it is dropped.
struct Panics;

impl Drop for Panics {
    fn drop(&mut self) {
        panic!("a user's mistake");
    }
}

/// A body with such a value.
struct WithPanics {
    body: Body,
    _panics: Panics,
}

impl http_body::Body for WithPanics {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

#[test]
fn a_panic_at_the_end_of_one_stream_does_not_end_others() {
    for way in WAYS {
        let (ends, stays) = (quiet().build(), quiet().build());
        let routes = (ends.clone(), stays.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let response = match request.uri().path() {
                "/body" => {
                    routes.0.respond(&request).map(|body| Either::Left(WithPanics { body, _panics: Panics }))
                }
                "/filter" => {
                    let panics = Panics;
                    let subscription = routes.0.subscribe(&request).filter(move |_| {
                        let _ = &panics;
                        true
                    });
                    subscription.respond().map(Either::Right)
                }
                _ => routes.1.respond(&request).map(Either::Right),
            };
            let mut response = response;
            response.extensions_mut().insert(PassedThrough);
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        let server = Settings::of(way).serve(service);
        let mut stream = Connection::get(server.address);
        let open =
            |path| Connection::open(server.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let ending: Vec<_> = ["/body", "/filter", "/body", "/filter"].map(open).into();
        until("all are subscribed", || ends.subscribers() == 4);
        ends.close();
        until("all have ended", || ends.subscribers() == 0);
        publish(&stays, "still here");
        stream.read_until("data: still here\n");
        drop(ending);
        // Cutting all connections panics, too, and the process goes on.
        let ending: Vec<_> = ["/body", "/body"].map(open).into();
        drop((server, ending));
    }
}

/// A shutdown does not wait for a connection without a request.
#[test]
fn a_connection_whose_stream_has_ended_does_not_hold_a_shutdown_up() {
    for way in WAYS {
        let (task, long) = (quiet().build(), quiet().build());
        let routes = (task.clone(), long.clone());
        let settings =
            Settings { grace: Duration::from_secs(30), spread: Duration::from_secs(10), ..Settings::of(way) };
        let mut server = settings.start(move |request| match request.uri().path() {
            "/task" => routes.0.respond(request),
            _ => routes.1.respond(request),
        });
        // These streams end one by one.
        let long_streams: Vec<_> = (0..20).map(|_| Connection::get(server.address)).collect();
        let mut streams: Vec<_> = (0..20)
            .map(|_| Connection::open(server.address, "GET /task HTTP/1.1\r\nHost: x\r\n\r\n"))
            .collect();
        for stream in &mut streams {
            stream.read_until("\n\n\r\n");
        }
        let begin = Instant::now();
        task.close();
        server.stop();
        for stream in &mut streams {
            stream.read_to_end();
        }
        assert!(begin.elapsed() < Duration::from_secs(5), "{way:?}: {:?}", begin.elapsed());
        drop(long_streams);
    }
}

/// The runtime is dropped before the future of the server.
#[test]
#[cfg(target_os = "linux")]
fn nothing_goes_on_without_the_runtime() {
    for way in WAYS {
        let route = Route::builder().heartbeat(Duration::from_millis(50)).build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let threads = usize::from(way == Way::Threads);
        let mut server = Box::pin(serve(listener, route.clone()).threads(threads).into_future());
        let client = thread::spawn(move || Connection::get(address));
        runtime.block_on(async {
            let _ = tokio::time::timeout(Duration::from_millis(300), &mut server).await;
        });
        let stream = client.join().unwrap();
        drop(runtime);
        if way == Way::Threads {
            until("its stream is cut", || route.subscribers() == 0);
        }
        drop((server, stream));
    }
}

/// A body that wraps another, and counts how many are alive.
struct Wrapper {
    body: Body,
    alive: Arc<AtomicUsize>,
    frames: Arc<AtomicUsize>,
}

impl http_body::Body for Wrapper {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        self.frames.fetch_add(usize::from(frame.is_ready()), Ordering::SeqCst);
        frame
    }
}

impl Drop for Wrapper {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn a_wrapped_body_stays_with_hyper_unless_it_is_marked() {
    for (way, is_marked, frames) in
        [(Way::Threads, true, 1), (Way::Threads, false, 4), (Way::Hyper, true, 4), (Way::Hyper, false, 4)]
    {
        let route = quiet().build();
        let (alive, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let service = {
            let (route, alive, seen) = (route.clone(), alive.clone(), seen.clone());
            service_fn(move |request: Request<Incoming>| {
                alive.fetch_add(1, Ordering::SeqCst);
                let (alive, frames) = (alive.clone(), seen.clone());
                let mut response = route.respond(&request).map(|body| Wrapper { body, alive, frames });
                if is_marked {
                    response.extensions_mut().insert(PassedThrough);
                }
                async move { Ok::<_, std::convert::Infallible>(response) }
            })
        };
        let server = Settings::of(way).serve(service);
        let mut stream = Connection::get(server.address);
        for number in 0..3 {
            publish(&route, &number.to_string());
            stream.read_until(&format!("data: {number}\n"));
        }
        assert_eq!(seen.load(Ordering::SeqCst), frames, "{way:?}, marked: {is_marked}");
        assert_eq!(alive.load(Ordering::SeqCst), 1, "the body lives as long as its stream");
        drop(stream);
        until("the body is dropped", || alive.load(Ordering::SeqCst) == 0);
    }
}

/// Responses that hyper frames in another way, or after which hyper has more to do, stay with hyper.
#[test]
fn other_responses_stay_with_hyper() {
    for way in WAYS {
        let route = quiet().build();
        let shared = route.clone();
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/text" => Response::new(Body::from("text")),
            "/created" => {
                let mut response = shared.respond(request);
                *response.status_mut() = StatusCode::CREATED;
                response
            }
            "/close" => {
                let mut response = shared.respond(request);
                response.headers_mut().insert("connection", "close".parse().unwrap());
                response
            }
            _ if request.method() == Method::POST => shared.subscribe(request).respond(),
            _ => shared.respond(request),
        });
        for (request, status) in [
            ("GET /text HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
            ("GET /created HTTP/1.1\r\nHost: x\r\n\r\n", "201"),
            ("GET /close HTTP/1.1\r\nHost: x\r\n\r\n", "200"),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", "200"),
            ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "200"),
            ("GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "200"),
        ] {
            let mut stream = Connection::open(server.address, request);
            let head = stream.read_until("\r\n\r\n");
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{way:?}: {request:?}: {head}");
            if head.contains("event-stream") {
                stream.read_until("\n\n\r\n");
                publish(&route, "1");
                stream.read_until("data: 1\n");
            }
            drop(stream);
            until("the subscriber is disconnected", || route.subscribers() == 0);
        }
    }
}
