//! A server that misbehaves on command.

mod answer;
mod request;

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::io::BufReader;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::Instant;

pub use self::answer::Answer;
use self::answer::Next;
pub use self::request::Request;
use crate::PATIENCE;

/// A server on 127.0.0.1 that gives the answers of a script, right or wrong, and keeps the requests.
///
/// It speaks HTTP/1.1 without TLS. Each connection has a thread, and no async runtime is needed, so it works in
/// blocking and in async tests. When the server is dropped, it closes its connections.
///
/// ```
/// use std::io::{Read as _, Write as _};
/// use std::net::TcpStream;
///
/// use sse_testing::{Answer, Server};
///
/// // The first connection breaks in the middle of an event, the second one goes on.
/// let server = Server::start([
///     Answer::stream("id: 1\ndata: one\n\nid: 2\nda").reset(),
///     Answer::stream("id: 2\ndata: two\n\n").held(),
/// ]);
/// # for number in 0..2 {
/// # let mut stream = TcpStream::connect(server.address()).unwrap();
/// # let id = if number > 0 { "Last-Event-ID: 1\r\n" } else { "" };
/// # write!(stream, "GET /events HTTP/1.1\r\n{id}\r\n").unwrap();
/// # _ = stream.read(&mut [0]);
/// # }
/// // … your client reads from `server.url("/events")` …
/// assert_eq!(server.blocking_request().header("last-event-id"), None);
/// assert_eq!(server.blocking_request().header("last-event-id"), Some("1"));
/// ```
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// What the threads of a server share.
#[derive(Debug, Default)]
struct Shared {
    /// Requests that the test has not read.
    requests: Mutex<VecDeque<Request>>,
    request_came: Condvar,
    /// Connections that are open, by their numbers.
    connections: Mutex<HashMap<usize, TcpStream>>,
    /// The thread that accepts connections; `None` after its end.
    listening: Mutex<Option<JoinHandle<()>>>,
    /// Whether the server accepts no more connections.
    is_over: AtomicBool,
}

/// How requests are answered.
struct Script {
    answer: Box<dyn FnMut(&Request) -> Answer + Send>,
    /// How many requests have come.
    asked: usize,
    /// How many requests are answered.
    limit: usize,
}

impl Server {
    /// Starts a server that gives these answers in their order, one for each request. After the last request, it
    /// accepts no more connections.
    ///
    /// # Panics
    ///
    /// If no port of 127.0.0.1 is free.
    pub fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::start_on(bind(), answers)
    }

    /// Starts a server that answers each request with the result of `answer`.
    ///
    /// # Panics
    ///
    /// If no port of 127.0.0.1 is free.
    pub fn answering(answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::answering_on(bind(), answer)
    }

    /// The same as [`start`](Self::start), on a listener of the caller's.
    ///
    /// # Panics
    ///
    /// If the listener has no address.
    pub fn start_on(listener: TcpListener, answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: Vec<Answer> = answers.into_iter().collect();
        let limit = answers.len();
        let mut answers = answers.into_iter();
        let answer =
            move |_: &Request| answers.next().expect("there is an answer for each request up to the limit");
        Self::launch(listener, Script { answer: Box::new(answer), asked: 0, limit })
    }

    /// The same as [`answering`](Self::answering), on a listener of the caller's.
    ///
    /// # Panics
    ///
    /// If the listener has no address.
    pub fn answering_on(
        listener: TcpListener,
        answer: impl FnMut(&Request) -> Answer + Send + 'static,
    ) -> Self {
        Self::launch(listener, Script { answer: Box::new(answer), asked: 0, limit: usize::MAX })
    }

    fn launch(listener: TcpListener, script: Script) -> Self {
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared::default());
        if script.limit > 0 {
            // A listener from tokio would not wait.
            listener.set_nonblocking(false).expect("a listener can wait");
            let (accepting, script) = (shared.clone(), Arc::new(Mutex::new(script)));
            // Locked first, because the last request may come before the thread is stored.
            let mut listening = lock(&shared.listening);
            *listening = Some(thread::spawn(move || accept(&listener, &accepting, &script)));
        }
        Self { address, shared }
    }

    /// Returns the address at which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of a path, which begins with `/`.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Waits for the next request, on any executor, and returns it. Requests are queued in the order in which they
    /// came. If the future is dropped, no request is lost.
    ///
    /// # Panics
    ///
    /// If no request comes within 30 seconds of real time.
    pub async fn request(&self) -> Request {
        let deadline = Instant::now() + PATIENCE;
        poll_fn(|cx| {
            if let Some(request) = lock(&self.shared.requests).pop_front() {
                return Poll::Ready(request);
            }
            assert!(Instant::now() < deadline, "no request came within {PATIENCE:?}");
            let (shared, waker) = (self.shared.clone(), cx.waker().clone());
            // The timer of a runtime may be paused, and then would not wait for a socket.
            thread::spawn(move || {
                drop(shared.wait_for_request(deadline));
                waker.wake();
            });
            Poll::Pending
        })
        .await
    }

    /// Blocks the thread until the next request comes, and returns it.
    ///
    /// # Panics
    ///
    /// If no request comes within 30 seconds.
    pub fn blocking_request(&self) -> Request {
        let mut requests = self.shared.wait_for_request(Instant::now() + PATIENCE);
        requests.pop_front().unwrap_or_else(|| panic!("no request came within {PATIENCE:?}"))
    }

    /// Returns all requests that have come and were not read, without waiting.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).drain(..).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop_listening(self.address);
        for stream in lock(&self.shared.connections).values() {
            // The client may have closed its connection.
            _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    /// Waits until there is a request that was not read, or until the deadline.
    fn wait_for_request(&self, deadline: Instant) -> MutexGuard<'_, VecDeque<Request>> {
        let requests = lock(&self.requests);
        let time = deadline.saturating_duration_since(Instant::now());
        let waited = self.request_came.wait_timeout_while(requests, time, |requests| requests.is_empty());
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Ends the thread that accepts connections. When this returns, the listener is closed.
    fn stop_listening(&self, address: SocketAddr) {
        let Some(thread) = lock(&self.listening).take() else { return };
        self.is_over.store(true, Ordering::Release);
        // Wakes the thread, which may wait for a connection.
        drop(TcpStream::connect_timeout(&address, PATIENCE));
        // It does not matter whether the thread has panicked.
        _ = thread.join();
    }
}

impl Script {
    /// Returns the answer to a request, and whether it is the last one; `None` if there is no answer left.
    fn next(&mut self, request: &mut Request) -> Option<(Answer, bool)> {
        if self.asked == self.limit {
            return None;
        }
        request.number = self.asked;
        self.asked += 1;
        Some(((self.answer)(request), self.asked == self.limit))
    }
}

fn bind() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a free port of 127.0.0.1")
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, script: &Arc<Mutex<Script>>) {
    let address = listener.local_addr().expect("a listener has an address");
    for (connection, stream) in listener.incoming().enumerate() {
        if shared.is_over.load(Ordering::Acquire) {
            return;
        }
        // A client that has already closed its connection is not counted.
        let Ok(Ok(clone)) = stream.as_ref().map(TcpStream::try_clone) else { continue };
        let Ok(stream) = stream else { continue };
        lock(&shared.connections).insert(connection, clone);
        let (shared, script) = (shared.clone(), script.clone());
        thread::spawn(move || {
            converse(stream, connection, address, &shared, &script);
            // This closes the connection: it is the last handle, unless the test has taken one.
            lock(&shared.connections).remove(&connection);
        });
    }
}

/// Answers the requests of one connection.
fn converse(
    stream: TcpStream,
    connection: usize,
    address: SocketAddr,
    shared: &Shared,
    script: &Mutex<Script>,
) {
    // So that each write is a segment of its own.
    _ = stream.set_nodelay(true);
    let Ok(mut reader) = stream.try_clone().map(BufReader::new) else { return };
    let mut stream = stream;
    while let Some(mut request) = Request::read(&mut reader, connection) {
        let Some((answer, is_last)) = lock(script).next(&mut request) else { return };
        lock(&shared.requests).push_back(request);
        shared.request_came.notify_all();
        if is_last {
            // The listener closes before the answer is sent, so that a client that reconnects after the answer is
            // refused.
            shared.stop_listening(address);
        }
        match answer.give(stream) {
            Next::Request(back) => stream = back,
            Next::End => return,
        }
    }
}

/// Locks a mutex whose owner may have panicked. Its value is consistent between any two statements.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
