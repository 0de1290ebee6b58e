//! A connection that is cut when it takes no byte for too long.
//!
//! hyper polls a body only while its socket takes bytes. A body can't notice that its socket has stalled, so this type
//! wraps the socket.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::subscribe::Stalled;
use crate::sync::far;

pin_project! {
    /// A connection whose writes fail when it has taken no byte for the time of the deadline.
    ///
    /// [`serve`](crate::serve) and [`Listener`](crate::Listener) wrap their connections in this type. In an accept loop
    /// of your own, do it like this:
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use hyper::service::service_fn;
    /// use hyper_util::rt::TokioIo;
    /// use sse_server::{Route, WriteDeadline};
    ///
    /// # async fn example(listener: tokio::net::TcpListener, route: Route) -> std::io::Result<()> {
    /// loop {
    ///     let (stream, _) = listener.accept().await?;
    ///     stream.set_nodelay(true)?;
    ///     let io = TokioIo::new(WriteDeadline::new(stream, Duration::from_secs(30)));
    ///     let connection = hyper::server::conn::http1::Builder::new().serve_connection(io, route.clone());
    ///     tokio::spawn(connection);
    /// }
    /// # }
    /// ```
    ///
    /// Over HTTP/2, the deadline is for the connection as a whole, and not for each stream.
    #[derive(Debug)]
    pub struct WriteDeadline<I> {
        #[pin]
        io: I,
        deadline: Duration,
        // Set while a write waits, and used again for the next wait.
        sleep: Option<Pin<Box<Sleep>>>,
        is_waiting: bool,
        stalled: Stalled,
    }
}

/// Up to this number of bytes, several pieces are copied into one: the system takes one piece faster than three.
const JOINED: usize = 1024;

/// Notes whether the system itself has cut the connection, because the peer acknowledged nothing for the deadline.
fn note<T>(stalled: &Stalled, result: io::Result<T>) -> io::Result<T> {
    if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        stalled.set();
    }
    result
}

impl<I> WriteDeadline<I> {
    /// Returns a connection whose writes have a deadline.
    ///
    /// The deadline sees only that the socket takes no bytes. If a peer has vanished, that happens when the buffers of
    /// the socket are full. On systems with `TCP_USER_TIMEOUT`, it also happens when sent bytes are not acknowledged,
    /// if that option is set: `Listener` sets it.
    pub fn new(io: I, deadline: Duration) -> Self {
        Self { io, deadline, sleep: None, is_waiting: false, stalled: Stalled::default() }
    }

    /// Returns the connection itself.
    pub fn get_ref(&self) -> &I {
        &self.io
    }

    pub(crate) fn into_inner(self) -> I {
        self.io
    }

    pub(crate) fn stalled(&self) -> Stalled {
        self.stalled.clone()
    }

    /// Passes the result of a write on. If a write waits, it fails when the deadline has passed.
    fn watch<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut I>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let this = self.project();
        if let Poll::Ready(result) = write(this.io, cx) {
            *this.is_waiting = false;
            return Poll::Ready(note(this.stalled, result));
        }
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep(*this.deadline)));
        if !*this.is_waiting {
            *this.is_waiting = true;
            sleep.as_mut().reset(far(Instant::now(), *this.deadline));
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        this.stalled.set();
        let message = format!("the peer took no byte for {:?}: the connection is cut", this.deadline);
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, message)))
    }
}

impl<I: AsyncRead> AsyncRead for WriteDeadline<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        this.io.poll_read(cx, buffer).map(|read| note(this.stalled, read))
    }
}

impl<I: AsyncWrite> AsyncWrite for WriteDeadline<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.watch(cx, |io, cx| io.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if pieces.iter().map(|piece| piece.len()).sum::<usize>() > JOINED {
            return self.watch(cx, |io, cx| io.poll_write_vectored(cx, pieces));
        }
        let mut joined = [MaybeUninit::uninit(); JOINED];
        let mut joined = ReadBuf::uninit(&mut joined);
        for piece in pieces {
            joined.put_slice(piece);
        }
        self.watch(cx, |io, cx| io.poll_write(cx, joined.filled()))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(cx, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn pieces_arrive_whole() {
        let (io, mut peer) = duplex(1 << 20);
        let mut io = WriteDeadline::new(io, Duration::from_secs(1));
        for lengths in [&[0][..], &[1, 2, 3], &[319, 1], &[320, 1], &[1023, 1], &[1024, 1], &[0, 5000, 7]] {
            let bytes: Vec<Vec<u8>> = lengths.iter().map(|&length| vec![b'x'; length]).collect();
            let pieces: Vec<_> = bytes.iter().map(|bytes| IoSlice::new(bytes)).collect();
            let written = io.write_vectored(&pieces).await.unwrap();
            let mut read = vec![0; written];
            peer.read_exact(&mut read).await.unwrap();
            assert!(bytes.concat().starts_with(&read));
            assert!(written == bytes.concat().len() || written > 1024, "{lengths:?}: {written}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_deadline_never_passes() {
        let (io, _peer) = duplex(1);
        let mut io = WriteDeadline::new(io, Duration::MAX);
        let wait = timeout(Duration::from_secs(3600), io.write_all(b"two"));
        assert!(wait.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_cut_and_one_that_takes_little_is_not() {
        let (io, mut peer) = duplex(10);
        let mut io = WriteDeadline::new(io, Duration::from_secs(10));
        let slow = tokio::spawn(async move {
            for _ in 0..20 {
                sleep(Duration::from_secs(9)).await;
                peer.read_exact(&mut [0; 10]).await.unwrap();
            }
            peer
        });
        io.write_all(&[b'x'; 210]).await.unwrap();
        let _peer = slow.await.unwrap();
        let begin = Instant::now();
        let error = io.write_all(&[b'x'; 210]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the peer took no byte for 10s: the connection is cut");
        assert_eq!(begin.elapsed().as_secs(), 10);
        assert!(io.stalled().is_set());
    }
}
