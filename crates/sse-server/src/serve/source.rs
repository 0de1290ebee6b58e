//! The trait of sources of connections.

use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite};

/// A source of connections for [`serve`](crate::serve) that this crate does not include: TLS, a tunnel, a test.
///
/// It is polled as a stream is, one call at a time. Do not wait for a handshake within `poll_accept`, because no other
/// connection is accepted meanwhile. Run the handshake in a task of its own, such as in a
/// [`JoinSet`](tokio::task::JoinSet).
///
/// ```
/// use std::net::SocketAddr;
/// use std::task::{Context, Poll};
/// use sse_server::{Accept, Connections, Route, serve};
/// use tokio::io::DuplexStream;
/// use tokio::sync::mpsc::Receiver;
///
/// /// Connections of other tasks of the program.
/// struct Within(Receiver<DuplexStream>);
///
/// impl Accept for Within {
///     type Io = DuplexStream;
///
///     fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(DuplexStream, Option<SocketAddr>)> {
///         match self.0.poll_recv(cx) {
///             Poll::Ready(Some(stream)) => Poll::Ready((stream, None)),
///             _ => Poll::Pending,
///         }
///     }
/// }
///
/// # let (_, receiver) = tokio::sync::mpsc::channel(1);
/// let server = serve(Connections::of(Within(receiver)), Route::new());
/// # drop(server);
/// ```
pub trait Accept: Send + 'static {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Returns the next connection, and the address of its peer if it has one. There is no error, because what goes
    /// wrong with one connection must not stop the others.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<(Self::Io, Option<SocketAddr>)>;
}
