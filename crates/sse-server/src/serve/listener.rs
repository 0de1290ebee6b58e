//! A TCP listener whose connections suit event streams.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

#[cfg(feature = "axum")]
use axum::serve::{ListenerExt as _, TapIo};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};

use super::counts::ConnectionCounts;
use super::deadline::WriteDeadline;
use super::source::Accept;
use super::trace::Accepting;

/// A TCP listener. Its connections send each event at once, and are cut when their peer takes no bytes.
///
/// - `TCP_NODELAY` is set, so that an event does not wait until the previous one is acknowledged.
/// - A connection that takes no byte for the [write deadline](Self::write_deadline) is cut. A vanished peer is noticed
///   within the heartbeat's interval plus the deadline on systems with `TCP_USER_TIMEOUT` (Linux, Android, Fuchsia). On
///   other systems it is noticed by TCP keep-alive, or when the buffers of the socket are full.
///
/// [`serve`](crate::serve) converts a [`TcpListener`] to this type. With the feature `axum`, it is a listener for
/// `axum::serve`. Handlers that extract `ConnectInfo` need its method `with_connect_info`.
#[derive(Debug)]
pub struct Listener {
    inner: TcpListener,
    write_deadline: Duration,
    accepting: Accepting,
    pause: Pause,
}

/// The default write deadline.
pub(crate) const WRITE_DEADLINE: Duration = Duration::from_secs(30);

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self {
            inner: listener,
            write_deadline: WRITE_DEADLINE,
            accepting: Accepting::default(),
            pause: Pause::default(),
        }
    }
}

impl Listener {
    /// Sets how long a connection may take no byte of what is written to it: 30 s by default, at least 10 ms.
    #[must_use]
    pub fn write_deadline(mut self, deadline: Duration) -> Self {
        self.write_deadline = deadline.max(Duration::from_millis(10));
        self
    }

    /// Counts how often no connection can be accepted, as
    /// [`accept_failures`](crate::ConnectionStats::accept_failures). Only a listener that is part of
    /// [a source of your own](crate::Connections::of), such as one for TLS, needs it.
    /// [`Connections::count_in`](crate::Connections::count_in) does it for others.
    #[must_use]
    pub fn count_in(mut self, counts: &ConnectionCounts) -> Self {
        self.accepting.count_in(counts);
        self
    }

    pub(crate) fn accepting_mut(&mut self) -> &mut Accepting {
        &mut self.accepting
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.write_deadline
    }

    /// Returns the address that it listens on.
    ///
    /// # Errors
    ///
    /// The error of the system, if it can't tell the address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    /// Returns the next connection, and the address of its peer. There is no error, because what goes wrong with one
    /// connection must not stop the others. If the system has no file left for a connection, the listener tries again
    /// ten times a second. With the feature `tracing`, it logs when that begins and when it ends.
    pub async fn accept(&self) -> (WriteDeadline<TcpStream>, SocketAddr) {
        let mut pause = Pause::default();
        poll_fn(|cx| self.poll_accept_with(&mut pause, cx)).await
    }

    fn poll_accept_with(
        &self,
        pause: &mut Pause,
        cx: &mut Context<'_>,
    ) -> Poll<(WriteDeadline<TcpStream>, SocketAddr)> {
        let accepted = pause.poll(&self.accepting, cx, |cx| self.inner.poll_accept(cx));
        accepted.map(|(stream, address)| {
            // If one of these options can't be set, the stream notices some things later, but is not damaged.
            let _ = prepare(&stream);
            #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
            let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(self.write_deadline));
            (WriteDeadline::new(stream, self.write_deadline), address)
        })
    }
}

/// For a source of connections that wraps a listener, such as TLS.
impl Accept for Listener {
    type Io = WriteDeadline<TcpStream>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(Self::Io, Option<SocketAddr>)> {
        let mut pause = mem::take(&mut self.pause);
        let accepted = self.poll_accept_with(&mut pause, cx);
        self.pause = pause;
        accepted.map(|(stream, address)| (stream, Some(address)))
    }
}

#[cfg(feature = "axum")]
impl Listener {
    /// Returns a listener for `axum::serve` whose handlers can extract `ConnectInfo<SocketAddr>`, the address of the
    /// peer. Needs the feature `axum`.
    ///
    /// ```no_run
    /// use std::net::SocketAddr;
    /// use axum::Router;
    /// use axum::extract::{ConnectInfo, Request, State};
    /// use axum::response::Response;
    /// use axum::routing::get;
    /// use sse_server::{Body, Listener, Route};
    /// use tokio::net::TcpListener;
    ///
    /// # async fn example() -> std::io::Result<()> {
    /// let listener = Listener::from(TcpListener::bind("127.0.0.1:8080").await?);
    /// let app = Router::new().route("/events", get(events)).with_state(Route::new());
    /// let app = app.into_make_service_with_connect_info::<SocketAddr>();
    /// axum::serve(listener.with_connect_info(), app).await
    /// # }
    ///
    /// async fn events(
    ///     State(route): State<Route>,
    ///     ConnectInfo(peer): ConnectInfo<SocketAddr>,
    ///     request: Request,
    /// ) -> Response<Body> {
    ///     route.subscribe(&request).client(&peer.ip().to_string()).respond()
    /// }
    /// ```
    pub fn with_connect_info(
        self,
    ) -> TapIo<Self, impl FnMut(&mut WriteDeadline<TcpStream>) + Send + 'static> {
        // axum knows the address only of its own listeners, and of any listener in a `TapIo`. This crate can't add to
        // these, because neither `Connected` nor `SocketAddr` is its own type.
        self.tap_io(|_| ())
    }
}

#[cfg(feature = "axum")]
impl axum::serve::Listener for Listener {
    type Io = WriteDeadline<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        Self::accept(self).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(Duration::from_secs(60)))
}

/// The pauses between attempts while the system has no file left for a connection.
#[derive(Debug, Default)]
pub(crate) struct Pause(Option<Pin<Box<Sleep>>>);

impl Pause {
    /// Returns the next connection that `accept` gives. If there is a pause, it first waits for its end.
    pub(crate) fn poll<T>(
        &mut self,
        accepting: &Accepting,
        cx: &mut Context<'_>,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<T> {
        /// How long to wait if the system has no file left for a connection.
        const PAUSE: Duration = Duration::from_millis(100);

        loop {
            if let Some(sleep) = &mut self.0 {
                ready!(sleep.as_mut().poll(cx));
                self.0 = None;
            }
            match ready!(accept(cx)) {
                Ok(accepted) => {
                    accepting.succeeded();
                    return Poll::Ready(accepted);
                }
                // The peer closed the connection before it was accepted.
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => {
                    accepting.failed(&error);
                    self.0 = Some(Box::pin(sleep(PAUSE)));
                }
            }
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
