//! A server around a service: the accept loop, HTTP/1.1 and HTTP/2, and a shutdown that ends event streams.

use std::error::Error as StdError;
use std::future::{IntoFuture, Pending, pending};
use std::io;
use std::pin::{Pin, pin};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::shutdown::Shutdown;

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
pub fn serve<S>(listener: TcpListener, service: S) -> Serve<S> {
    Serve { listener, service, signal: pending(), grace: Duration::ZERO }
}

/// The future of [`serve`].
#[derive(Debug)]
#[must_use = "nothing is served until it is awaited"]
pub struct Serve<S, F = Pending<()>> {
    listener: TcpListener,
    service: S,
    signal: F,
    grace: Duration,
}

impl<S, F> Serve<S, F> {
    /// Ends when `signal` completes: no connection is accepted any more, event streams end behind what has been
    /// published, other responses are finished. Connections that are still open after `grace` are cut.
    ///
    /// The routes stay open: another `serve` can go on with them, and their subscribers resume there.
    ///
    /// The signal travels in the request's extensions, as a [`Shutdown`]. Where a service makes a new request for the
    /// route without them, its stream doesn't hear of the shutdown, and is cut after the grace.
    pub fn with_graceful_shutdown<G>(self, signal: G, grace: Duration) -> Serve<S, G>
    where
        G: Future<Output = ()>,
    {
        Serve { listener: self.listener, service: self.service, signal, grace }
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
            let Serve { listener, service, signal, grace } = self;
            let shutdown = Shutdown::new();
            // Dropping the set aborts its tasks: no connection outlives this future by more than a moment.
            let mut connections = JoinSet::new();
            let mut signal = pin!(signal);
            loop {
                tokio::select! {
                    stream = accept(&listener) => {
                        connections.spawn(connection(stream, service.clone(), shutdown.clone()));
                    }
                    () = &mut signal => break,
                    Some(_) = connections.join_next() => {}
                }
            }
            drop(listener);
            shutdown.begin();
            let _ = timeout(grace, async { while connections.join_next().await.is_some() {} }).await;
            // Those that are still open are cut.
            connections.shutdown().await;
        })
    }
}

/// The next connection. What goes wrong with one must not stop the others.
async fn accept(listener: &TcpListener) -> TcpStream {
    /// How long to wait when the system has no file left for a connection.
    const PAUSE: Duration = Duration::from_millis(100);

    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The peer went away before it was accepted.
            Err(error) if is_of_the_connection(&error) => {}
            Err(_) => sleep(PAUSE).await,
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection<S, B>(stream: TcpStream, service: S, shutdown: Shutdown)
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    // An event must not wait for the acknowledgement of the one before.
    let _ = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let service = WithShutdown { service, shutdown: shutdown.clone() };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // An error is the peer's or the network's: the connection is over, and so are its streams.
    tokio::select! {
        _ = &mut connection => return,
        () = shutdown.begun() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Gives each request the signal by which its stream ends.
struct WithShutdown<S> {
    service: S,
    shutdown: Shutdown,
}

impl<S, B> Service<Request<B>> for WithShutdown<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(self.shutdown.clone());
        self.service.call(request)
    }
}
