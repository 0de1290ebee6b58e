//! Finds the version of HTTP that a connection speaks, by its first bytes.
//!
//! hyper-util's `auto` does this too. But it gives the first bytes to hyper as a separate read, and for that hyper
//! doubles the buffer of each connection to 16 KiB.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::subscribe::Handover;

/// The first bytes of an HTTP/2 connection (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pin_project! {
    /// A connection whose first bytes were looked at.
    #[derive(Debug)]
    pub(crate) struct Begun<I> {
        #[pin]
        io: I,
        // Is told when everything has been written.
        handover: Option<Handover>,
        // Bytes that were read, and that hyper reads again.
        ahead: Vec<u8>,
        is_http2: bool,
    }
}

impl<I: AsyncRead + Unpin> Begun<I> {
    /// Waits for as many bytes as it takes to tell the version.
    ///
    /// `ahead` has been read already. The handover is told when everything has been written.
    pub(crate) async fn read(mut io: I, mut ahead: Vec<u8>, handover: Option<Handover>) -> io::Result<Self> {
        while ahead.len() < PREFACE.len() && PREFACE.starts_with(&ahead) {
            let (mut more, missing) = ([0; PREFACE.len()], PREFACE.len() - ahead.len());
            let len = io.read(&mut more[..missing]).await?;
            if len == 0 {
                break;
            }
            ahead.extend_from_slice(&more[..len]);
        }
        let is_http2 = ahead.starts_with(PREFACE);
        Ok(Self { io, handover, ahead, is_http2 })
    }

    /// Returns the connection, and the bytes that came after the request: those that hyper has read (`after`), and
    /// those that it has not.
    pub(crate) fn into_parts(self, after: &[u8]) -> (I, Vec<u8>) {
        (self.io, [after, &self.ahead].concat())
    }

    /// Returns whether the peer has closed the connection without a byte.
    pub(crate) fn is_empty(&self) -> bool {
        self.ahead.is_empty()
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2
    }
}

impl<I: AsyncRead> AsyncRead for Begun<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        if this.ahead.is_empty() {
            return this.io.poll_read(cx, buffer);
        }
        let len = this.ahead.len().min(buffer.remaining());
        buffer.put_slice(&this.ahead[..len]);
        this.ahead.drain(..len);
        // Later bytes are part of the same read, if they are there. An error or the end comes again with the next read.
        let _ = this.io.poll_read(cx, buffer)?;
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite> AsyncWrite for Begun<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let flushed = this.io.poll_flush(cx);
        if let Some(handover) = this.handover.as_ref().filter(|_| flushed.is_ready()) {
            handover.flushed();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pieces: &[&[u8]], is_http2: bool) {
        let mut io = pieces_of(pieces);
        block_on(async {
            let mut begun = Begun::read(&mut io, Vec::new(), None).await.unwrap();
            assert_eq!(begun.is_http2(), is_http2, "{pieces:?}");
            let mut all = Vec::new();
            begun.read_to_end(&mut all).await.unwrap();
            assert_eq!(all, pieces.concat(), "every byte is read again");
        });
    }

    /// Returns one piece at each read.
    fn pieces_of(pieces: &[&[u8]]) -> impl AsyncRead + Unpin {
        struct Pieces(Vec<Vec<u8>>);

        impl AsyncRead for Pieces {
            fn poll_read(
                mut self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buffer: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let Some(piece) = self.0.first_mut() else { return Poll::Ready(Ok(())) };
                let len = piece.len().min(buffer.remaining());
                buffer.put_slice(&piece[..len]);
                piece.drain(..len);
                self.0.retain(|piece| !piece.is_empty());
                Poll::Ready(Ok(()))
            }
        }

        Pieces(pieces.iter().map(|piece| piece.to_vec()).collect())
    }

    fn block_on(future: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
    }

    #[test]
    fn the_version_is_told_by_the_first_bytes() {
        let long = [&PREFACE[..], b"and what follows"].concat();
        check(&[b"GET / HTTP/1.1\r\n\r\n"], false);
        check(&[b"P", b"OST / HTTP/1.1\r\n\r\n"], false);
        check(&[b"P", b"RI * HTTP/2.1\r\n\r\nSM\r\n\r\n"], false);
        check(&[&long], true);
        check(&long.chunks(1).collect::<Vec<_>>(), true);
        check(&[b"PRI * HTTP/2.0\r\n"], false);
        check(&[], false);
    }
}
