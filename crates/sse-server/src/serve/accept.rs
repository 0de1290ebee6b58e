//! A server around a service: the accept loop, HTTP/1.1 and HTTP/2, and a shutdown that ends event streams.

use std::error::Error as StdError;
use std::fmt;
use std::future::{IntoFuture, Pending, pending, poll_fn};
use std::net::SocketAddr;
use std::num::NonZero;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connections::{Accepted, AnyIo, Connections, Socket, Sources};
use super::counts::ConnectionCounts;
use super::deadline::WriteDeadline;
use super::descriptors::make_room;
use super::in_flight::InFlight;
use super::open::Open;
use super::preface::Begun;
use super::reactor::{Reactor, Returned};
use super::service::{Connected, PeerAddress};
use crate::subscribe::{Handed, Handover, Shutdown};

/// Serves `service` to all connections of `listener`, with HTTP/1.1 and HTTP/2 (prior knowledge).
///
/// The service may be a [`Route`](crate::Route), or a closure in [`service_fn`](hyper::service::service_fn) that also
/// answers other paths. Await the returned future, or set a [graceful shutdown](Serve::with_graceful_shutdown) first.
/// When the future is dropped, all its connections are closed.
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
/// The listener may also be a [`Listener`](crate::Listener), which has the setting of the write deadline: the time
/// after which a connection that takes no byte is cut. A [`UnixListener`](tokio::net::UnixListener) serves a Unix
/// socket, and [`Connections::of`] serves any other source of connections, such as TLS. [`also`](Serve::also) adds more
/// listeners. The extensions of each request contain the address of the peer as a [`PeerAddress`](crate::PeerAddress).
pub fn serve<S>(listener: impl Into<Connections>, service: S) -> Serve<S> {
    let (sources, signal) = (Sources::of(listener.into()), pending());
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let spread = Spread(Box::new(|| Duration::ZERO));
    Serve { sources, service, signal, grace: Duration::ZERO, spread, threads }
}

/// The future of [`serve`]. It has the settings of the server until it is awaited.
#[derive(Debug)]
#[must_use = "nothing is served until it is awaited"]
pub struct Serve<S, F = Pending<()>> {
    sources: Sources,
    service: S,
    signal: F,
    grace: Duration,
    spread: Spread,
    threads: usize,
}

/// Returns the time within which the streams end; it is called when the signal comes.
struct Spread(Box<dyn FnOnce() -> Duration + Send>);

impl fmt::Debug for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spread")
    }
}

impl<S, F> Serve<S, F> {
    /// Ends the server when `signal` completes. No more connections are accepted, event streams end after the messages
    /// that were published before, and other responses are finished. Connections that are still open after `grace` are
    /// cut.
    ///
    /// The routes stay open: another `serve` can go on with them, and their subscribers resume there.
    ///
    /// The extensions of a request carry the signal to the route, as a [`Shutdown`]. If a service makes a new request
    /// for the route without these extensions, the stream does not hear of the shutdown, and is cut after the grace.
    pub fn with_graceful_shutdown<G>(self, signal: G, grace: Duration) -> Serve<S, G>
    where
        G: Future<Output = ()>,
    {
        let Self { sources, service, spread, threads, .. } = self;
        Serve { sources, service, signal, grace, spread, threads }
    }

    /// Also serves the connections of another listener. If several [listeners](crate::Listener) have a write deadline,
    /// event streams get the deadline of the first one.
    pub fn also(mut self, listener: impl Into<Connections>) -> Self {
        self.sources.add(listener.into());
        self
    }

    /// Sets a time after the signal within which each event stream ends at a random moment, so that not all clients
    /// reconnect at once: zero by default. The grace should be longer.
    pub fn stagger(self, spread: Duration) -> Self {
        self.stagger_by(move || spread)
    }

    /// Sets the time of [`stagger`](Self::stagger) by a function that is called after the signal. So the time can
    /// depend on the number of subscribers.
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use sse_server::{Route, serve};
    /// use tokio::net::TcpListener;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:8080").await?;
    /// let route = Route::new();
    /// let server = serve(listener, route.clone());
    /// let interrupt = async { _ = tokio::signal::ctrl_c().await };
    /// let server = server.with_graceful_shutdown(interrupt, Duration::from_secs(30));
    /// // Ten thousand clients come back within a second.
    /// server.stagger_by(move || Duration::from_micros(100) * route.subscribers() as u32).await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stagger_by(mut self, spread: impl FnOnce() -> Duration + Send + 'static) -> Self {
        self.spread = Spread(Box::new(spread));
        self
    }

    /// Sets how many threads write event streams: one for each core by default. With 0 threads, hyper writes the
    /// streams, as it always does over HTTP/2.
    ///
    /// An event stream leaves hyper when the head of its response is written, if its request is of HTTP/1 and its body
    /// is a [`Body`](crate::Body) or is [marked](crate::PassedThrough) as one. A subscriber then takes about a hundred
    /// bytes of memory, and an event takes little more time than the system needs to send it. Nothing else changes.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
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
            let Serve { mut sources, service, signal, grace, spread, threads } = self;
            let shutdown = Shutdown::new();
            let write_deadline = sources.write_deadline();
            make_room();
            let (reactor, mut returns) =
                Reactor::new(threads, write_deadline, shutdown.clone(), sources.live().clone());
            let server = Server { service, shutdown, reactor: Arc::new(reactor) };
            // Dropping the set aborts its tasks: no connection outlives this future by more than a moment.
            let mut connections = JoinSet::new();
            let mut signal = pin!(signal);
            loop {
                tokio::select! {
                    // The signal is polled first: some, such as `ctrl_c`, miss what happens before their first poll.
                    biased;
                    () = &mut signal => break,
                    Some(_) = connections.join_next() => {}
                    // The stream of this connection has ended, and another request may follow.
                    Some(Returned { socket, ahead, open }) = returns.next() => {
                        // Streams don't store the address of their peer, because the system has it.
                        let peer = socket.peer_addr().ok();
                        let stream = WriteDeadline::new(socket, write_deadline);
                        connections.spawn(server.clone().tcp(stream, peer, Begins::AfterStream(ahead), open));
                    }
                    Accepted { socket, peer, open } = sources.accept() => {
                        let server = server.clone();
                        match socket {
                            Socket::Tcp(stream) => {
                                connections.spawn(server.tcp(stream, peer, Begins::New, open));
                            }
                            Socket::Other(io) => {
                                connections.spawn(server.other(io, peer, open));
                            }
                        }
                    }
                    // Last, so that the streams of many connections that come together also begin together.
                    () = server.reactor.has_adopted() => server.reactor.start_adopted(),
                }
            }
            // Nobody waits for requests on a connection whose stream has ended.
            drop((sources, returns));
            server.shutdown.begin_within((spread.0)());
            server.reactor.shut_down();
            let all_ended = async {
                while connections.join_next().await.is_some() {}
                server.reactor.none_left().await;
            };
            let _ = timeout(grace, all_ended).await;
            // Connections that are still open are cut.
            connections.shutdown().await;
            server.reactor.stop();
            server.reactor.none_left().await;
        })
    }
}

/// How the server gets a connection.
#[derive(Debug)]
enum Begins {
    New,
    /// The stream of an earlier request has ended. These bytes have been read already.
    AfterStream(Vec<u8>),
}

/// What all connections of a server share.
#[derive(Clone)]
struct Server<S> {
    service: S,
    shutdown: Shutdown,
    reactor: Arc<Reactor>,
}

impl<S, B> Server<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Send,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// Serves a connection whose event streams may leave hyper.
    async fn tcp(
        self,
        stream: WriteDeadline<TcpStream>,
        peer: Option<SocketAddr>,
        begins: Begins,
        open: Open,
    ) {
        let reactor = self.reactor.clone();
        let handover = reactor.is_open().then(Handover::default);
        if let Some((stream, handed, ahead)) = self.connection(stream, peer, begins, handover, &open).await {
            reactor.adopt(stream, handed, ahead, open);
        }
    }

    /// Serves a connection whose event streams stay with hyper.
    async fn other(self, stream: WriteDeadline<AnyIo>, peer: Option<SocketAddr>, open: Open) {
        self.connection(stream, peer, Begins::New, None, &open).await;
    }

    /// Serves a connection to its end, or until an event stream leaves hyper. Returns that stream, and the bytes that
    /// the peer has sent after its request.
    async fn connection<I: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        self,
        stream: WriteDeadline<I>,
        peer: Option<SocketAddr>,
        begins: Begins,
        handover: Option<Handover>,
        open: &Open,
    ) -> Option<(I, Handed, Vec<u8>)> {
        /// How long a connection may take to send its first bytes. hyper gives the head of a request the same time.
        const FIRST_BYTES: Duration = Duration::from_secs(30);

        let service = Connected {
            service: self.service,
            shutdown: self.shutdown.clone(),
            peer: peer.map(PeerAddress),
            stalled: stream.stalled(),
            handover: handover.clone(),
            in_flight: None,
        };
        let counts = open.counts();
        let (is_new, ahead) = match begins {
            Begins::New => (true, Vec::new()),
            Begins::AfterStream(ahead) => (false, ahead),
        };
        let io = tokio::select! {
            io = timeout(FIRST_BYTES, Begun::read(stream, ahead, handover.clone())) => io,
            () = self.shutdown.begun() => return None,
        };
        if io.is_err() && is_new {
            counts.was_slow();
        }
        // An error comes from the peer or from the network: the connection has ended, and so have its streams.
        let Ok(Ok(io)) = io else { return None };
        if io.is_empty() {
            return None;
        }
        if is_new {
            counts.speaks(io.is_http2());
        }
        if io.is_http2() {
            // Boxed, because the futures of all other connections would get the size of this one.
            Box::pin(serve_http2(io, service, self.shutdown)).await;
            return None;
        }
        serve_http1(io, service, handover, self.shutdown, counts).await
    }
}

/// Serves HTTP/1 to the end of the connection, or until an event stream leaves hyper. Returns that stream, and the
/// bytes that the peer has sent after its request.
async fn serve_http1<I, S, B>(
    io: Begun<WriteDeadline<I>>,
    service: Connected<S>,
    handover: Option<Handover>,
    shutdown: Shutdown,
    counts: &ConnectionCounts,
) -> Option<(I, Handed, Vec<u8>)>
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// How many bytes hyper may hold for a connection: of the head of a request, or of events for a full socket.
    /// hyper's default is about 400 KiB.
    const MAX_BUFFER: usize = 64 * 1024;

    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).max_buf_size(MAX_BUFFER);
    let connection = builder.serve_connection(TokioIo::new(io), service);
    let mut leaving = UntilHandedOver { connection, handover };
    let end = |leaving: Pin<&mut UntilHandedOver<http1::Connection<_, _>>>| {
        Pin::new(&mut leaving.get_mut().connection).graceful_shutdown();
    };
    let left = until_shutdown(Pin::new(&mut leaving), end, &shutdown).await;
    let parts = leaving.connection.into_parts();
    let handed = match left {
        Left::Handed(handed) => handed,
        Left::Ended(Ok(())) => return None,
        Left::Ended(Err(error)) => {
            if error.is_parse() {
                counts.was_malformed();
            // A connection that waits for its next request has sent nothing of it.
            } else if error.is_timeout() && !parts.read_buf.is_empty() {
                counts.was_slow();
            }
            return None;
        }
    };
    // A copy, because even an empty rest would keep the whole buffer of which it is a part.
    let (stream, ahead) = parts.io.into_inner().into_parts(&parts.read_buf);
    Some((stream.into_inner(), handed, ahead))
}

/// A connection until it ends, or until one of its streams leaves hyper.
struct UntilHandedOver<C> {
    connection: C,
    handover: Option<Handover>,
}

/// How hyper has left a connection.
enum Left {
    Ended(hyper::Result<()>),
    Handed(Handed),
}

impl<C: Future<Output = hyper::Result<()>> + Unpin> Future for UntilHandedOver<C> {
    type Output = Left;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Left> {
        if let Poll::Ready(ended) = Pin::new(&mut self.connection).poll(cx) {
            return Poll::Ready(Left::Ended(ended));
        }
        // hyper has written all its bytes, and there is nothing more to read yet.
        match self.handover.as_ref().and_then(Handover::take) {
            Some(handed) => Poll::Ready(Left::Handed(handed)),
            None => Poll::Pending,
        }
    }
}

async fn serve_http2<I, S, B>(io: Begun<WriteDeadline<I>>, service: Connected<S>, shutdown: Shutdown)
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    /// How long an unused connection is kept. hyper keeps an unused connection of HTTP/1 as long.
    const UNUSED: Duration = Duration::from_secs(30);

    let in_flight = InFlight::default();
    let service = Connected { in_flight: Some(in_flight.clone()), ..service };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    tokio::select! {
        biased;
        _ = &mut connection => return,
        () = shutdown.begun() => {}
        () = in_flight.none_for(UNUSED) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A peer that does not answer would keep the connection open for ever.
    tokio::select! {
        biased;
        _ = &mut connection => {}
        () = in_flight.none_for(UNUSED) => {}
    }
}

/// Drives a connection to its end. When the shutdown begins, `end` is called with the connection.
async fn until_shutdown<C: Future>(
    mut connection: Pin<&mut C>,
    end: impl FnOnce(Pin<&mut C>),
    shutdown: &Shutdown,
) -> C::Output {
    let mut shutdown = shutdown.waiter();
    // The connection is polled first, because it is the one that is woken most of the time.
    let ended = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => shutdown.poll_begun(cx).map(|()| None),
    });
    if let Some(output) = ended.await {
        return output;
    }
    end(connection.as_mut());
    connection.await
}
