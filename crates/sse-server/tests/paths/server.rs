//! A server whose streams go one of the two ways, and a connection to it.

use std::io::ErrorKind;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use sse_server::{Body, ConnectionCounts, Connections, Listener, Message, Route, RouteBuilder, serve};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

/// Which code writes the streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Threads,
    Hyper,
}

pub(crate) const WAYS: [Way; 2] = [Way::Threads, Way::Hyper];

/// The settings of a server.
pub(crate) struct Settings {
    pub(crate) way: Way,
    pub(crate) grace: Duration,
    pub(crate) spread: Duration,
    pub(crate) write_deadline: Duration,
}

/// A server with a runtime of its own, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) counts: ConnectionCounts,
    stop: Option<oneshot::Sender<()>>,
    runtime: Option<Runtime>,
    ended: Arc<AtomicUsize>,
}

impl Settings {
    pub(crate) fn of(way: Way) -> Self {
        let write_deadline = Duration::from_secs(30);
        Self { way, grace: Duration::ZERO, spread: Duration::ZERO, write_deadline }
    }

    /// Serves the responses that `respond` returns to requests for streams.
    pub(crate) fn start(
        self,
        respond: impl Fn(&Request<Incoming>) -> Response<Body> + Clone + Send + 'static,
    ) -> Server {
        let service = service_fn(move |request| {
            let response = respond(&request);
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        self.serve(service)
    }

    pub(crate) fn serve<S, B>(self, service: S) -> Server
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
        let counts = ConnectionCounts::new();
        let connections = Connections::from(listener).count_in(&counts);
        let server = serve(connections, service).threads(threads).stagger(self.spread);
        let signal = async move {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let server = server.with_graceful_shutdown(signal, self.grace);
        let ended = Arc::new(AtomicUsize::new(0));
        let ends = ended.clone();
        runtime.spawn(async move {
            server.await;
            ends.fetch_add(1, Ordering::SeqCst);
        });
        Server { address, counts, stop: Some(stop), runtime: Some(runtime), ended }
    }
}

impl Server {
    pub(crate) fn of(way: Way, route: &Route) -> Self {
        let route = route.clone();
        Settings::of(way).start(move |request| route.respond(request))
    }

    pub(crate) fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub(crate) fn has_ended(&self) -> bool {
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
pub(crate) struct Connection {
    pub(crate) socket: TcpStream,
    pub(crate) read: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        Self { socket, read: Vec::new() }
    }

    pub(crate) fn get(address: SocketAddr) -> Self {
        let mut connection = Self::open(address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        connection.read_until(":\r\n");
        connection
    }

    /// Reads until this text has come, and returns the text before it.
    #[track_caller]
    pub(crate) fn read_until(&mut self, expected: &str) -> String {
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
    pub(crate) fn read_to_end(&mut self) -> String {
        match self.socket.read_to_end(&mut self.read) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
            _ => String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned(),
        }
    }
}

#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Returns whether there are threads that write streams.
pub(crate) fn has_threads() -> bool {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.into_iter().any(|name| name.starts_with("sse-reactor"))
}

pub(crate) fn quiet() -> RouteBuilder {
    Route::builder().heartbeat(None)
}

pub(crate) fn publish(route: &Route, data: &str) {
    route.publish(&Message::new(data)).unwrap();
}
