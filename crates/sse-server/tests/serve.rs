//! `serve` over real sockets: both versions of HTTP, and the shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sse_server::{
    Accept, ConnectionCounts, Connections, EndReason, Ended, Listener, Message, PeerAddress, Route, serve,
};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
    DuplexStream, duplex,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{self, UnboundedReceiver, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A server on a free port, until `stop` is sent.
struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn start(route: &Route, grace: Duration) -> Server {
    start_staggered(route, grace, Duration::ZERO).await
}

async fn start_staggered(route: &Route, grace: Duration, spread: Duration) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let signal = async move { _ = stopped.await };
    let server = serve(listener, route.clone()).stagger(spread).with_graceful_shutdown(signal, grace);
    let task = tokio::spawn(server.into_future());
    Server { address, stop, task }
}

/// A stream over HTTP/1.1, read line by line.
struct Stream<I = TcpStream>(BufReader<I>);

impl Stream {
    async fn open(address: SocketAddr, headers: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), headers).await
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Stream<I> {
    async fn over(mut stream: I, headers: &str) -> Self {
        stream.write_all(format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes()).await.unwrap();
        let mut stream = Self(BufReader::new(stream));
        assert_eq!(stream.line().await, "HTTP/1.1 200 OK");
        stream
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(30), self.0.read_line(&mut line)).await;
        assert!(read.expect("a line comes soon").unwrap() > 0, "the stream ended too soon");
        line.trim_end().to_owned()
    }

    async fn read_until(&mut self, expected: &str) {
        while self.line().await != expected {}
    }
}

#[tokio::test]
async fn http1_gets_the_stream_at_once() {
    let route = Route::builder().reconnection_time(Duration::from_secs(3)).build();
    let server = start(&route, Duration::ZERO).await;
    let mut stream = Stream::open(server.address, "").await;
    stream.read_until("content-type: text/event-stream").await;
    stream.read_until(":").await;
    stream.read_until("retry: 3000").await;
    route.publish(&Message::new("Hello")).unwrap();
    stream.read_until("data: Hello").await;
}

#[tokio::test]
async fn http2_gets_the_stream_too() {
    let route = Route::new();
    let server = start(&route, Duration::ZERO).await;
    let io = TokioIo::new(TcpStream::connect(server.address).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(format!("http://{}/", server.address)).body(Empty::<Bytes>::new()).unwrap();
    let mut response = client.send_request(request).await.unwrap();
    assert_eq!(response.version(), http::Version::HTTP_2);
    let opening = response.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(opening.starts_with(b":\n"));
    route.publish(&Message::new("Hello")).unwrap();
    let event = response.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(event.starts_with(b"data: Hello\n"));
}

#[tokio::test]
async fn each_request_has_the_address_of_its_peer_also_after_a_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (route, peers) = (Route::new(), Arc::new(Mutex::new(Vec::new())));
    let (seen, events) = (peers.clone(), route.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        seen.lock().unwrap().extend(request.extensions().get::<PeerAddress>().copied());
        let response = events.respond(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let _task = tokio::spawn(serve(listener, service).into_future());
    let mut stream = Stream::open(address, "").await;
    let own = PeerAddress(stream.0.get_ref().local_addr().unwrap());
    stream.read_until(":").await;
    // The stream ends, and the connection takes another request.
    route.close();
    stream.read_until("0").await;
    stream.0.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    stream.read_until("HTTP/1.1 204 No Content").await;
    assert_eq!(*peers.lock().unwrap(), [own, own]);
}

/// Serves a route on a free port by this number of threads, until `stop` is sent, and sends how its streams end.
async fn start_observed(route: &Route, threads: usize) -> (Server, UnboundedReceiver<Ended>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = Listener::from(listener).write_deadline(Duration::from_millis(300));
    let address = listener.local_addr().unwrap();
    let ((stop, stopped), (ends, ended)) = (oneshot::channel(), unbounded_channel());
    let route = route.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let ends = ends.clone();
        let subscription = route.subscribe(&request).on_end(move |ended| _ = ends.send(ended));
        async { Ok::<_, Infallible>(subscription.respond()) }
    });
    let signal = async move { _ = stopped.await };
    let server = serve(listener, service).threads(threads);
    let task = tokio::spawn(server.with_graceful_shutdown(signal, Duration::from_millis(50)).into_future());
    (Server { address, stop, task }, ended)
}

#[tokio::test]
async fn the_observer_is_told_how_streams_end_on_their_connections() {
    for threads in [0, 2] {
        let route = Route::new();
        let (server, mut ended) = start_observed(&route, threads).await;
        let mut stream = Stream::open(server.address, "").await;
        stream.read_until(":").await;
        let mut blocks = 0;
        for data in ["1", "2", "3"] {
            route.publish(&Message::new(data)).unwrap();
            stream.read_until(&format!("data: {data}")).await;
            blocks += Message::new(data).to_bytes().len() as u64;
        }
        drop(stream);
        let Ended { reason, events, bytes, .. } = ended.recv().await.unwrap();
        assert_eq!((reason, events), (EndReason::ClientGone, 3), "{threads} threads");
        assert!(
            bytes > blocks && bytes < blocks + 3 * 32 + 64,
            "{bytes} are {blocks}, three ids and the opening"
        );

        let stalled = Stream::open(server.address, "").await;
        let large = "x".repeat(1 << 20);
        let publishing = tokio::spawn({
            let route = route.clone();
            async move {
                loop {
                    route.publish(&Message::new(&*large)).unwrap();
                    sleep(Duration::from_millis(10)).await;
                }
            }
        });
        assert_eq!(ended.recv().await.unwrap().reason, EndReason::WriteDeadline, "{threads} threads");
        drop(stalled);
        let _cut = Stream::open(server.address, "").await;
        server.stop.send(()).unwrap();
        server.task.await.unwrap();
        assert_eq!(ended.recv().await.unwrap().reason, EndReason::Shutdown, "{threads} threads");
        publishing.abort();
    }
}

#[tokio::test]
async fn a_head_request_names_no_length() {
    let route = Route::new();
    let server = start(&route, Duration::ZERO).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.contains("content-type: text/event-stream"), "{response}");
    assert!(!response.contains("content-length"), "{response}");
    assert!(response.ends_with("\r\n\r\n"), "{response}");
}

#[tokio::test]
async fn a_client_that_disconnects_is_unsubscribed() {
    let route = Route::new();
    let server = start(&route, Duration::ZERO).await;
    let mut stream = Stream::open(server.address, "").await;
    stream.read_until(":").await;
    assert_eq!(route.subscribers(), 1);
    drop(stream);
    route.close();
    route.closed().await;
}

#[tokio::test]
async fn a_shutdown_ends_streams_and_keeps_the_route() {
    let route = Route::new();
    let server = start(&route, Duration::from_secs(60)).await;
    let mut stream = Stream::open(server.address, "").await;
    stream.read_until(":").await;
    route.publish(&Message::new("1")).unwrap();
    server.stop.send(()).unwrap();
    stream.read_until("data: 1").await;
    let id = loop {
        if let Some(id) = stream.line().await.strip_prefix("id: ") {
            break id.to_owned();
        }
    };
    let mut rest = String::new();
    stream.0.read_to_string(&mut rest).await.unwrap();
    assert!(rest.ends_with("0\r\n\r\n"), "the body ends properly: {rest:?}");
    server.task.await.unwrap();

    route.publish(&Message::new("2")).unwrap();
    let server = start(&route, Duration::ZERO).await;
    let mut stream = Stream::open(server.address, &format!("Last-Event-ID: {id}\r\n")).await;
    stream.read_until("data: 2").await;
}

#[tokio::test]
async fn a_shutdown_waits_for_clients_that_still_read() {
    let route = Route::builder().history(100).history_bytes(1 << 30).build();
    let server = start(&route, Duration::from_secs(60)).await;
    let mut stream = Stream::open(server.address, "").await;
    stream.read_until(":").await;
    // More than the sockets hold.
    let data = "x".repeat(1 << 20);
    for _ in 0..32 {
        route.publish(&Message::new(&*data)).unwrap();
    }
    server.stop.send(()).unwrap();
    // The shutdown must have begun before anything more is read.
    while TcpStream::connect(server.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let mut rest = Vec::new();
    stream.0.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > 32 << 20);
    assert!(rest.ends_with(b"0\r\n\r\n"));
    server.task.await.unwrap();
}

#[tokio::test]
async fn a_shutdown_cuts_open_connections_after_the_grace() {
    let route = Route::builder().history(100_000).history_bytes(1 << 30).build();
    let server = start(&route, Duration::from_millis(50)).await;
    // The client reads nothing, so its stream can't end.
    let mut stream = Stream::open(server.address, "").await;
    stream.read_until(":").await;
    let data = "x".repeat(1 << 20);
    for _ in 0..64 {
        route.publish(&Message::new(&*data)).unwrap();
    }
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    assert_eq!(route.subscribers(), 0);
}

/// With `SSE_STREAMS=10000` (and enough files, `ulimit -n`), this tests a large server.
#[tokio::test]
async fn a_shutdown_ends_many_streams_one_by_one_within_the_grace() {
    let streams = std::env::var("SSE_STREAMS").map_or(200, |streams| streams.parse().expect("a number"));
    let (spread, grace) = (Duration::from_secs(1), Duration::from_secs(30));
    let route = Route::new();
    let server = start_staggered(&route, grace, spread).await;
    let mut ends = tokio::task::JoinSet::new();
    for _ in 0..streams {
        let mut stream = Stream::open(server.address, "").await;
        stream.read_until(":").await;
        ends.spawn(async move {
            let mut rest = String::new();
            stream.0.read_to_string(&mut rest).await.unwrap();
            assert!(rest.contains("data: to all") && rest.ends_with("0\r\n\r\n"), "{rest:?}");
            Instant::now()
        });
    }
    route.publish(&Message::new("to all")).unwrap();
    let begin = Instant::now();
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    assert!(begin.elapsed() < grace, "{:?}", begin.elapsed());
    let ends: Vec<_> = ends.join_all().await.iter().map(|end| end.duration_since(begin)).collect();
    // This does not measure speed. Each end is drawn from a second, and 200 ends within half a second are no chance.
    let spread_by = ends.iter().max().unwrap().abs_diff(*ends.iter().min().unwrap());
    assert!(spread_by > spread / 2, "{spread_by:?}");
    eprintln!("{streams} streams ended within {:?}, spread over {spread_by:?}", begin.elapsed());
}

#[tokio::test]
async fn half_open_connections_are_closed_and_disturb_no_other() {
    let route = Route::new();
    let server = start(&route, Duration::ZERO).await;
    let mut idle = Vec::new();
    for half in ["", "P", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\nHost"].repeat(50) {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(half.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    let mut stream = Stream::open(server.address, "").await;
    stream.read_until(":").await;
    route.publish(&Message::new("Hello")).unwrap();
    stream.read_until("data: Hello").await;
    assert_eq!(route.subscribers(), 1);
}

#[tokio::test]
async fn requests_that_are_not_http_are_refused() {
    let route = Route::new();
    let server = start(&route, Duration::ZERO).await;
    for bad in ["\0\0\0\0\r\n\r\n", "PRI * HTTP/1.1\r\n\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bad.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut response = String::new();
        let _ = stream.read_to_string(&mut response).await;
        assert!(!response.starts_with("HTTP/1.1 2"), "{bad:?}: {response}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    // The connection may be closed before everything is written.
    let _ = stream.write_all(long.as_bytes()).await;
    let _ = stream.shutdown().await;
    let mut response = String::new();
    let _ = stream.read_to_string(&mut response).await;
    assert!(!response.starts_with("HTTP/1.1 2"), "{response}");
    assert_eq!(route.subscribers(), 0);
}

#[tokio::test]
async fn a_connection_without_a_request_does_not_hold_a_shutdown_up() {
    let route = Route::new();
    let server = start(&route, Duration::from_secs(3600)).await;
    let silent = TcpStream::connect(server.address).await.unwrap();
    // A second connection is served, so the first one has been accepted.
    let mut stream = Stream::open(server.address, "").await;
    stream.read_until(":").await;
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn dropping_the_server_closes_its_connections() {
    let route = Route::new();
    let server = start(&route, Duration::ZERO).await;
    let mut stream = Stream::open(server.address, "").await;
    stream.read_until(":").await;
    server.task.abort();
    let mut rest = Vec::new();
    let _ = stream.0.read_to_end(&mut rest).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "the connection is cut, and the body has not ended");
    assert_eq!(route.subscribers(), 0);
}

/// Connections that a test makes.
struct Within(mpsc::Receiver<DuplexStream>);

impl Accept for Within {
    type Io = DuplexStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(DuplexStream, Option<SocketAddr>)> {
        match self.0.poll_recv(cx) {
            Poll::Ready(Some(stream)) => Poll::Ready((stream, None)),
            _ => Poll::Pending,
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn one_server_has_connections_of_several_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel(1);
    let (route, peers) = (Route::new(), Arc::new(Mutex::new(Vec::new())));
    let (seen, events) = (peers.clone(), route.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        seen.lock().unwrap().push(request.extensions().get::<PeerAddress>().is_some());
        let response = events.respond(&request);
        async { Ok::<_, Infallible>(response) }
    });
    let (end, ended) = oneshot::channel::<()>();
    let server = serve(tokio::net::UnixListener::bind(&path).unwrap(), service)
        .also(Connections::of(Within(receiver)))
        .also(tcp)
        .with_graceful_shutdown(async move { drop(ended.await) }, Duration::from_secs(30));
    let server = tokio::spawn(server.into_future());

    let (own, other) = duplex(1024);
    sender.send(other).await.unwrap();
    let mut unix = Stream::over(tokio::net::UnixStream::connect(&path).await.unwrap(), "").await;
    let mut own = Stream::over(own, "").await;
    let mut tcp = Stream::open(address, "").await;
    assert_eq!(*peers.lock().unwrap(), [false, false, true]);
    route.publish(&Message::new("to all")).unwrap();
    unix.read_until("data: to all").await;
    own.read_until("data: to all").await;
    tcp.read_until("data: to all").await;
    // The shutdown ends all of them, long before its grace is over.
    end.send(()).unwrap();
    unix.read_until("0").await;
    own.read_until("0").await;
    tcp.read_until("0").await;
    server.await.unwrap();
}

/// A connection to a server without heartbeats, by the client's bytes.
async fn by_bytes(route: Route) -> DuplexStream {
    counted_by_bytes(route, &ConnectionCounts::new()).await
}

async fn counted_by_bytes(route: Route, counts: &ConnectionCounts) -> DuplexStream {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(serve(Connections::of(Within(receiver)).count_in(counts), route).into_future());
    let (own, other) = duplex(64 * 1024);
    sender.send(other).await.unwrap();
    // The server ends when nothing more can come.
    tokio::spawn(async move { sender.closed().await });
    own
}

#[tokio::test(start_paused = true)]
async fn an_unused_connection_of_http2_is_closed_after_a_while() {
    let route = Route::builder().heartbeat(None).build();
    let own = by_bytes(route).await;
    let executor = TokioExecutor::new();
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(executor, TokioIo::new(own)).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let response = requests.send_request(request).await.unwrap();
    // A stream may send nothing for any time.
    sleep(Duration::from_secs(3600)).await;
    assert!(!connection.is_finished());
    let begun = tokio::time::Instant::now();
    drop(response);
    connection.await.unwrap().unwrap();
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_peer_of_http2_that_does_not_answer_is_cut() {
    let mut own = by_bytes(Route::new()).await;
    // The preface, and no settings.
    own.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let begun = tokio::time::Instant::now();
    let _ = own.read_to_end(&mut Vec::new()).await;
    assert_eq!(begun.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_connection_whose_head_does_not_come_is_closed_and_counted() {
    /// Sends these bytes, and checks how many connections were too slow when it is closed after 30 s.
    async fn check(bytes: &str, slow: u64) {
        let counts = ConnectionCounts::new();
        let mut own = counted_by_bytes(Route::new(), &counts).await;
        own.write_all(bytes.as_bytes()).await.unwrap();
        let begun = tokio::time::Instant::now();
        let _ = own.read_to_end(&mut Vec::new()).await;
        assert_eq!(begun.elapsed().as_secs(), 30, "{bytes:?}");
        let stats = counts.stats();
        assert_eq!((stats.slow, stats.accepted, stats.malformed), (slow, 1, 0), "{bytes:?}");
    }

    check("", 1).await;
    check("PRI * HTTP/2.0\r\n", 1).await;
    check("GET / HTTP/1.1\r\nHost", 1).await;
    check("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTT", 1).await;
    // It waits for another request.
    check("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", 0).await;
}

/// The application takes a second before it subscribes the client.
#[tokio::test(start_paused = true)]
async fn the_wait_for_the_first_event_begins_with_the_request() {
    const STREAMS: usize = 50;

    let (sender, receiver) = mpsc::channel(1);
    let (told, counts) = (Arc::new(Mutex::new(Vec::new())), ConnectionCounts::new());
    let tell = told.clone();
    let builder = Route::builder()
        .heartbeat(None)
        .on_first_event(move |waited| tell.lock().unwrap().push(waited.as_secs()));
    let (route_sender, mut route) = tokio::sync::watch::channel(None);
    let route_sender = Arc::new(route_sender);
    let service = service_fn(move |request: Request<Incoming>| {
        let (builder, made) = (builder.clone(), route_sender.clone());
        async move {
            sleep(Duration::from_secs(1)).await;
            // The first request makes the route, which is younger than the request.
            made.send_if_modified(|route| {
                route.is_none() && {
                    *route = Some(builder.build());
                    true
                }
            });
            let route = made.borrow().clone().unwrap();
            Ok::<_, Infallible>(route.respond(&request))
        }
    });
    tokio::spawn(serve(Connections::of(Within(receiver)).count_in(&counts), service).into_future());
    let (own, other) = duplex(64 * 1024);
    sender.send(other).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(own)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut streams = Vec::new();
    let requests = (0..STREAMS)
        .map(|_| client.send_request(Request::get("http://localhost/").body(Empty::<Bytes>::new()).unwrap()));
    for response in futures_util::future::join_all(requests).await {
        let mut response = response.unwrap();
        response.frame().await.unwrap().unwrap();
        streams.push(response);
    }
    sleep(Duration::from_secs(2)).await;
    // One stream ends before its first event.
    streams.pop();
    let route = route.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    while route.subscribers() == STREAMS {
        tokio::task::yield_now().await;
    }
    route.publish(&Message::new("1")).unwrap();
    for response in &mut streams {
        response.frame().await.unwrap().unwrap();
    }
    assert_eq!(*told.lock().unwrap(), vec![3; STREAMS - 1]);
    let stats = counts.stats();
    assert_eq!((stats.open, stats.accepted, stats.http1, stats.http2), (1, 1, 0, 1));
    drop((client, streams));
    connection.await.unwrap().unwrap();
    while counts.stats().open > 0 {
        tokio::task::yield_now().await;
    }
}
