//! Where the connections of a server come from.

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use super::deadline::WriteDeadline;
#[cfg(unix)]
use super::listener::Pause;
use super::listener::{Listener, WRITE_DEADLINE};
use super::source::Accept;
#[cfg(unix)]
use super::trace::Accepting;

/// A source of connections for [`serve`](crate::serve): a [`TcpListener`], a [`Listener`], a Unix socket, or [a type of
/// your own](Self::of).
///
/// Event streams on TCP connections leave hyper: see [`Serve::threads`](crate::Serve::threads). On other connections,
/// hyper writes them.
pub struct Connections(Source);

enum Source {
    Tcp(Listener),
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
        Self(Source::Other(Box::new(source)))
    }
}

impl From<Listener> for Connections {
    fn from(listener: Listener) -> Self {
        Self(Source::Tcp(listener))
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
        Self::of(Unix { listener, accepting: Accepting::default(), pause: Pause::default() })
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
        match &self.0 {
            Source::Tcp(listener) => f.debug_tuple("Connections").field(listener).finish(),
            Source::Other(_) => f.debug_tuple("Connections").finish_non_exhaustive(),
        }
    }
}

/// All sources of a server.
#[derive(Debug)]
pub(crate) struct Sources {
    sources: Vec<Connections>,
    /// The index of the source that is polled first.
    first: usize,
}

/// A connection, and the address at its other end.
pub(crate) enum Accepted {
    Tcp(WriteDeadline<TcpStream>, Option<SocketAddr>),
    Other(WriteDeadline<AnyIo>, Option<SocketAddr>),
}

impl Sources {
    pub(crate) fn of(connections: Connections) -> Self {
        Self { sources: vec![connections], first: 0 }
    }

    pub(crate) fn add(&mut self, connections: Connections) {
        self.sources.push(connections);
    }

    /// Returns the write deadline of the first listener that has one.
    pub(crate) fn write_deadline(&self) -> Duration {
        let deadline = |Connections(source): &Connections| match source {
            Source::Tcp(listener) => Some(listener.deadline()),
            Source::Other(_) => None,
        };
        self.sources.iter().find_map(deadline).unwrap_or(WRITE_DEADLINE)
    }

    /// Returns the next connection of any source.
    pub(crate) async fn accept(&mut self) -> Accepted {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<Accepted> {
        let (count, deadline) = (self.sources.len(), self.write_deadline());
        // In turn, so that a source that always has connections leaves room for the others.
        for index in (0..count).map(|number| (self.first + number) % count) {
            let accepted = match &mut self.sources[index].0 {
                Source::Tcp(listener) => {
                    listener.poll_accept(cx).map(|(stream, peer)| Accepted::Tcp(stream, peer))
                }
                Source::Other(source) => source
                    .poll_accept_any(cx)
                    .map(|(io, peer)| Accepted::Other(WriteDeadline::new(io, deadline), peer)),
            };
            if accepted.is_ready() {
                self.first = (index + 1) % count;
                return accepted;
            }
        }
        Poll::Pending
    }
}
