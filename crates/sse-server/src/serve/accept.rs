//! A server around a service: the accept loop, HTTP/1.1 and HTTP/2, and a shutdown that ends event streams.

use std::error::Error as StdError;
use std::future::{IntoFuture, Pending, pending};
use std::pin::{Pin, pin};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::deadline::WriteDeadline;
use super::listener::Listener;
use super::preface::Begun;
use crate::subscribe::{Shutdown, Stalled};

/// Serves `service` to all connections of `listener`, with HTTP/1.1 and HTTP/2 (prior knowledge).
///
/// The service may be a [`Route`](crate::Route), or a closure in [`service_fn`](hyper::service::service_fn) that
/// answers other paths too. Await it, or give it a [graceful shutdown](Serve::with_graceful_shutdown) first. When its
/// future is dropped, all its connections are closed.
///
/// ```no_run
/// use std::time::Duration;
/// use sse_server::{Route, serve};
/// use tokio::net::TcpListener;
///
/// # async fn example() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:8080").await?;
/// let interrupt = async { _ = tokio::signal::ctrl_c().await };
/// serve(listener, Route::new()).with_graceful_shutdown(interrupt, Duration::from_secs(5)).await;
/// # Ok(())
/// # }
/// ```
///
/// A [`Listener`] instead of a [`TcpListener`](tokio::net::TcpListener) sets the deadline after which connections that
/// take nothing are cut.
pub fn serve<S>(listener: impl Into<Listener>, service: S) -> Serve<S> {
    let (listener, signal) = (listener.into(), pending());
    Serve { listener, service, signal, grace: Duration::ZERO, spread: Duration::ZERO }
}

/// The future of [`serve`].
#[derive(Debug)]
#[must_use = "nothing is served until it is awaited"]
pub struct Serve<S, F = Pending<()>> {
    listener: Listener,
    service: S,
    signal: F,
    grace: Duration,
    spread: Duration,
}

impl<S, F> Serve<S, F> {
    /// Ends when `signal` completes: no connection is accepted any more, event streams end after the messages that were
    /// published before, other responses are finished. Connections that are still open after `grace` are cut.
    ///
    /// The routes stay open: another `serve` can go on with them, and their subscribers resume there.
    ///
    /// The signal travels in the request's extensions, as a [`Shutdown`]. Where a service makes a new request for the
    /// route without them, its stream doesn't hear of the shutdown, and is cut after the grace.
    pub fn with_graceful_shutdown<G>(self, signal: G, grace: Duration) -> Serve<S, G>
    where
        G: Future<Output = ()>,
    {
        Serve { listener: self.listener, service: self.service, signal, grace, spread: self.spread }
    }

    /// Lets each event stream end at a random moment of this length after the signal, so that not all clients come
    /// back at once; zero by default. The grace should be longer.
    pub fn stagger(mut self, spread: Duration) -> Self {
        self.spread = spread;
        self
    }
}

impl<S, B, F> IntoFuture for Serve<S, F>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
    F: Future<Output = ()> + Send + 'static,
{
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let Serve { listener, service, signal, grace, spread } = self;
            let shutdown = Shutdown::new();
            // Dropping the set aborts its tasks: no connection outlives this future by more than a moment.
            let mut connections = JoinSet::new();
            let mut signal = pin!(signal);
            loop {
                tokio::select! {
                    // The signal is polled first: some, such as `ctrl_c`, miss what happens before their first poll.
                    biased;
                    () = &mut signal => break,
                    Some(_) = connections.join_next() => {}
                    (stream, _) = listener.accept() => {
                        connections.spawn(connection(stream, service.clone(), shutdown.clone()));
                    }
                }
            }
            drop(listener);
            shutdown.begin_within(spread);
            let _ = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
            // Those that are still open are cut.
            connections.shutdown().await;
        })
    }
}

async fn connection<S, B>(stream: WriteDeadline<TcpStream>, service: S, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// How long a connection may take for its first bytes; hyper gives the head of a request as long.
    const FIRST_BYTES: Duration = Duration::from_secs(30);

    let service = WithSignals { service, shutdown: shutdown.clone(), stalled: stream.stalled() };
    let io = tokio::select! {
        io = timeout(FIRST_BYTES, Begun::read(stream)) => io,
        () = shutdown.begun() => return,
    };
    let Ok(Ok(io)) = io else { return };
    // An error is the peer's or the network's: the connection is over, and so are its streams.
    if io.is_http2() {
        // Boxed, so that the many others don't need the room.
        Box::pin(serve_http2(io, service, shutdown)).await;
    } else {
        serve_http1(io, service, shutdown).await;
    }
}

async fn serve_http1<S, B>(io: Begun<WriteDeadline<TcpStream>>, service: WithSignals<S>, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: hyper::body::Body + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// How much hyper holds for a connection at most, of the head of a request, or of events ahead of a socket that
    /// takes none; its own choice is some 400 KiB.
    const MAX_BUFFER: usize = 64 * 1024;

    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).max_buf_size(MAX_BUFFER);
    let connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    until_shutdown(connection, http1::Connection::graceful_shutdown, &shutdown).await;
}

async fn serve_http2<S, B>(io: Begun<WriteDeadline<TcpStream>>, service: WithSignals<S>, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    let connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    until_shutdown(connection, http2::Connection::graceful_shutdown, &shutdown).await;
}

/// Drives a connection to its end, which it is told of when the shutdown begins.
async fn until_shutdown<C: Future>(
    mut connection: Pin<&mut C>,
    end: impl FnOnce(Pin<&mut C>),
    shutdown: &Shutdown,
) {
    tokio::select! {
        _ = &mut connection => return,
        () = shutdown.begun() => end(connection.as_mut()),
    }
    let _ = connection.await;
}

/// Gives each request the signal by which its stream ends, and the mark of a connection that stalls.
struct WithSignals<S> {
    service: S,
    shutdown: Shutdown,
    stalled: Stalled,
}

impl<S, B> Service<Request<B>> for WithSignals<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        self.shutdown.attach(request.extensions_mut());
        request.extensions_mut().insert(self.stalled.clone());
        self.service.call(request)
    }
}
