//! Where the connections of a server come from.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use super::counts::ConnectionCounts;
use super::deadline::WriteDeadline;
#[cfg(unix)]
use super::listener::Pause;
use super::listener::{Listener, WRITE_DEADLINE};
use super::live::Live;
use super::open::{Open, Origin};
use super::source::Accept;
#[cfg(unix)]
use super::trace::Accepting;

/// A source of connections for [`serve`](crate::serve): a [`TcpListener`], a [`Listener`], a Unix socket, or [a type of
/// your own](Self::of).
///
/// Event streams on TCP connections leave hyper: see [`Serve::threads`](crate::Serve::threads). On other connections,
/// hyper writes them.
pub struct Connections {
    source: Source,
    counts: ConnectionCounts,
}

enum Source {
    Tcp(Listener),
    #[cfg(unix)]
    Unix(Unix),
    Other(Box<dyn AcceptAny>),
}

/// A connection of any type.
pub(crate) type AnyIo = Box<dyn Io>;

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<I: AsyncRead + AsyncWrite + Send + Unpin> Io for I {}

/// [`Accept`] with a boxed connection.
trait AcceptAny: Send {
    fn poll_accept_any(&mut self, cx: &mut Context<'_>) -> Poll<(AnyIo, Option<SocketAddr>)>;
}

impl<A: Accept> AcceptAny for A {
    fn poll_accept_any(&mut self, cx: &mut Context<'_>) -> Poll<(AnyIo, Option<SocketAddr>)> {
        self.poll_accept(cx).map(|(io, peer)| (Box::new(io) as AnyIo, peer))
    }
}

impl Connections {
    /// Returns the connections of a source of your own.
    pub fn of(source: impl Accept) -> Self {
        Self::new(Source::Other(Box::new(source)))
    }

    fn new(source: Source) -> Self {
        Self { source, counts: ConnectionCounts::new() }
    }

    /// Counts these connections: how many come, how many are open, and why some are closed. A server whose listeners
    /// have counts of their own shows how its subscribers reach it. [`ConnectionCounts`] has an example.
    #[must_use]
    pub fn count_in(mut self, counts: &ConnectionCounts) -> Self {
        self.counts = counts.clone();
        match &mut self.source {
            Source::Tcp(listener) => listener.accepting_mut().count_in(counts),
            #[cfg(unix)]
            Source::Unix(listener) => listener.accepting.count_in(counts),
            Source::Other(_) => {}
        }
        self
    }
}

impl From<Listener> for Connections {
    fn from(listener: Listener) -> Self {
        Self::new(Source::Tcp(listener))
    }
}

impl From<TcpListener> for Connections {
    fn from(listener: TcpListener) -> Self {
        Listener::from(listener).into()
    }
}

/// Unix sockets exist on Unix only. Their peers have no address.
#[cfg(unix)]
impl From<UnixListener> for Connections {
    fn from(listener: UnixListener) -> Self {
        Self::new(Source::Unix(Unix { listener, accepting: Accepting::default(), pause: Pause::default() }))
    }
}

#[cfg(unix)]
struct Unix {
    listener: UnixListener,
    accepting: Accepting,
    pause: Pause,
}

#[cfg(unix)]
impl Accept for Unix {
    type Io = UnixStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(UnixStream, Option<SocketAddr>)> {
        let accepted = self.pause.poll(&self.accepting, cx, |cx| self.listener.poll_accept(cx));
        accepted.map(|(stream, _)| (stream, None))
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Tcp(listener) => f.debug_tuple("Connections").field(listener).finish(),
            #[cfg(unix)]
            Source::Unix(unix) => f.debug_tuple("Connections").field(&unix.listener).finish(),
            Source::Other(_) => f.debug_tuple("Connections").finish_non_exhaustive(),
        }
    }
}

/// All sources of a server.
#[derive(Debug)]
pub(crate) struct Sources {
    all: Vec<Counted>,
    /// The index of the source that is polled first.
    first: usize,
    live: Live,
}

/// A source whose connections are counted.
#[derive(Debug)]
struct Counted {
    connections: Connections,
    origin: Arc<Origin>,
}

/// A connection, and the address at its other end.
pub(crate) struct Accepted {
    pub(crate) socket: Socket,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) open: Open,
}

pub(crate) enum Socket {
    Tcp(WriteDeadline<TcpStream>),
    Other(WriteDeadline<AnyIo>),
}

impl Sources {
    pub(crate) fn of(connections: Connections) -> Self {
        let mut sources = Self { all: Vec::new(), first: 0, live: Live::default() };
        sources.add(connections);
        sources
    }

    pub(crate) fn add(&mut self, connections: Connections) {
        let origin = Origin::new(connections.counts.clone(), self.live.clone());
        self.all.push(Counted { connections, origin });
    }

    /// Counts the streams that the reactor has of these connections.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// Returns the write deadline of the first listener that has one.
    pub(crate) fn write_deadline(&self) -> Duration {
        let deadline = |counted: &Counted| match &counted.connections.source {
            Source::Tcp(listener) => Some(listener.deadline()),
            #[cfg(unix)]
            Source::Unix(_) => None,
            Source::Other(_) => None,
        };
        self.all.iter().find_map(deadline).unwrap_or(WRITE_DEADLINE)
    }

    /// Returns the next connection of any source.
    pub(crate) async fn accept(&mut self) -> Accepted {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        let (count, deadline) = (self.all.len(), self.write_deadline());
        // In turn, so that a source that always has connections leaves room for the others.
        for index in (0..count).map(|number| (self.first + number) % count) {
            let Counted { connections, origin } = &mut self.all[index];
            if let Poll::Ready((socket, peer)) = connections.source.poll_accept(cx, deadline) {
                self.first = (index + 1) % count;
                return Poll::Ready(Accepted { socket, peer, open: origin.accept() });
            }
        }
        Poll::Pending
    }
}

impl Source {
    fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
        deadline: Duration,
    ) -> Poll<(Socket, Option<SocketAddr>)> {
        let (io, peer) = match self {
            Self::Tcp(listener) => {
                return listener.poll_accept(cx).map(|(stream, peer)| (Socket::Tcp(stream), peer));
            }
            #[cfg(unix)]
            Self::Unix(listener) => ready!(listener.poll_accept_any(cx)),
            Self::Other(source) => ready!(source.poll_accept_any(cx)),
        };
        Poll::Ready((Socket::Other(WriteDeadline::new(io, deadline)), peer))
    }
}
