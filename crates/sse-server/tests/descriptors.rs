//! A process that may open no more files. It is alone in its process, because the limit is for the whole process.
#![cfg(all(target_os = "linux", feature = "tracing"))]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sse_server::{ConnectionCounts, Connections, Message, Route, serve};
use tokio::net::TcpListener;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The levels of what the server logs.
#[derive(Clone, Default)]
struct Levels(Arc<Mutex<Vec<Level>>>);

impl Subscriber for Levels {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sse_server")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        self.0.lock().unwrap().push(*event.metadata().level());
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn open(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_limit_of_open_files_is_logged_once_and_recovered_from() {
    let levels = Levels::default();
    tracing::subscriber::set_global_default(levels.clone()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let route = Route::new();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    let counts = ConnectionCounts::new();
    let connections = Connections::from(listener).count_in(&counts);
    runtime.spawn(serve(connections, route.clone()).into_future());
    let first = open(address);
    until("the first client is subscribed", || route.subscribers() == 1);

    // The clients' sockets are files of this process, too.
    let waiting: Vec<_> = (0..20).map(|_| TcpStream::connect(address).unwrap()).collect();
    until("all connections are accepted", || {
        std::fs::read_dir("/proc/self/fd").unwrap().count() > 2 * waiting.len()
    });
    let files = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let before = getrlimit(Resource::Nofile);
    // The limit is the number of open files, so the next client's socket is the last file.
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: before.maximum }).unwrap();
    assert_eq!(counts.stats().accept_failures, 0);
    let late = open(address);
    until("an error is logged", || levels.0.lock().unwrap().contains(&Level::ERROR));
    until("further attempts are counted", || counts.stats().accept_failures > 3);
    assert_eq!(*levels.0.lock().unwrap(), [Level::ERROR]);

    // Open streams go on.
    route.publish(&Message::new("still here")).unwrap();
    let mut first = first;
    let mut seen = Vec::new();
    while !seen.windows(10).any(|window| window == b"still here") {
        let mut buffer = [0; 1024];
        let read = first.read(&mut buffer).unwrap();
        assert!(read > 0, "the stream has ended");
        seen.extend_from_slice(&buffer[..read]);
    }

    drop(waiting);
    let later = open(address);
    until("both clients are subscribed", || route.subscribers() == 3);
    assert_eq!(*levels.0.lock().unwrap(), [Level::ERROR, Level::INFO]);
    drop((late, later));
    runtime.shutdown_background();
}
