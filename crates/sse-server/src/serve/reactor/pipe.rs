//! A simulated socket, and streams that leave hyper for it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body::Body as _;

use super::super::counts::ConnectionCounts;
use super::super::live::Live;
use super::super::open::Origin;
use crate::subscribe::{Handed, Handover, Subscription, Terms};

/// The bytes between a stream and its client.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "a real socket has the same states")]
pub(super) struct Pipe {
    /// The bytes that the client has not read.
    pub(super) taken: Vec<u8>,
    /// How many bytes the socket takes before it is full.
    pub(super) room: usize,
    /// How many bytes it takes at once.
    pub(super) at_once: usize,
    /// Whether it has said that it is full.
    pub(super) is_full: bool,
    pub(super) is_polled_for_room: bool,
    pub(super) sent_by_client: VecDeque<u8>,
    pub(super) is_closed_by_client: bool,
    pub(super) is_dropped: bool,
}

#[derive(Clone, Debug)]
pub(super) struct End(Arc<Mutex<Pipe>>);

/// The server's end, which closes the connection when it is dropped.
#[derive(Debug)]
pub(super) struct Socket(pub(super) End);

impl End {
    /// Returns a socket that takes this number of bytes.
    pub(super) fn with_room(room: usize) -> Self {
        Self(Arc::new(Mutex::new(Pipe { room, at_once: usize::MAX, ..Pipe::default() })))
    }

    /// Returns the bytes that the socket has taken.
    pub(super) fn taken(&self) -> String {
        String::from_utf8_lossy(&self.pipe().taken).into_owned()
    }

    pub(super) fn pipe(&self) -> MutexGuard<'_, Pipe> {
        self.0.lock().unwrap()
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pipe = self.0.pipe();
        if pipe.is_closed_by_client {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let len = bytes.len().min(pipe.room).min(pipe.at_once);
        if len == 0 {
            pipe.is_full = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        pipe.room -= len;
        pipe.taken.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut pipe = self.0.pipe();
        match pipe.sent_by_client.read(buffer)? {
            0 if pipe.is_closed_by_client => Ok(0),
            0 => Err(ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.pipe().is_dropped = true;
    }
}

/// Returns the first bytes of a subscription's stream, and the stream as it leaves hyper after them.
pub(super) fn leave(subscription: Subscription, handover: &Handover) -> (Bytes, Handed) {
    let response = subscription.respond();
    assert_eq!(response.status(), StatusCode::OK, "the topics are open");
    let mut body = response.into_body();
    handover.want(Terms { is_chunked: true, is_kept_alive: true }, body.stream());
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(Ok(opening))) = Pin::new(&mut body).poll_frame(&mut cx) else {
        panic!("a stream begins at once")
    };
    assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending(), "the stream has left");
    handover.flushed();
    (opening.into_data().unwrap(), handover.take().unwrap())
}

/// Returns the origin of connections that nobody counts.
pub(super) fn origin() -> Arc<Origin> {
    Origin::new(ConnectionCounts::new(), Live::default())
}

/// Returns a request for a stream, and the way out of hyper.
pub(super) fn request(last_event_id: &str) -> (Request<()>, Handover) {
    let handover = Handover::default();
    let request = Request::get("/").header("last-event-id", last_event_id).extension(handover.clone());
    (request.body(()).unwrap(), handover)
}
