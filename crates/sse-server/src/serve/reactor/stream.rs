//! One stream on its socket.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;
use std::time::Instant;

use bytes::{Buf as _, Bytes};

use super::super::open::{Alive, Open};
use super::seat::Seat;
use super::wire::{Framing, Piece};
use crate::subscribe::{Delivery, Group, Handed, Kept, Member};

/// A connection whose response has begun under hyper, and goes on as an event stream.
#[derive(Debug)]
pub(crate) struct Adopted<S> {
    pub(crate) handed: Handed,
    /// What the peer has sent after its request.
    pub(crate) ahead: Vec<u8>,
    pub(crate) alive: Alive,
    /// Dropped last: when a peer sees the connection closed, the subscriber is disconnected already.
    pub(crate) socket: S,
}

/// A connection on which another request may follow.
#[derive(Debug)]
pub(crate) struct Returned<S> {
    pub(crate) socket: S,
    /// What the peer has sent already.
    pub(crate) ahead: Vec<u8>,
    pub(crate) open: Open,
}

/// One stream. There are many streams, so the fields that only some of them need are in a box.
pub(crate) struct Stream<S> {
    pub(crate) reading: Reading,
    /// The bytes that the socket has not taken.
    unsent: Option<Box<Unsent>>,
    extras: Option<Box<Extras>>,
    alive: Alive,
    framing: Framing,
    is_kept_alive: bool,
    /// Whether the poller watches for the moment when the socket takes more.
    pub(crate) is_polled_for_room: bool,
    /// Dropped last: when a peer sees the connection closed, the subscriber is disconnected already.
    socket: S,
}

/// The fields that only some streams need.
#[derive(Debug, Default)]
struct Extras {
    /// What the peer has sent after its request.
    ahead: Vec<u8>,
    #[expect(dead_code, reason = "it is kept until the stream ends")]
    body: Option<Kept>,
}

/// How a stream gets its next piece.
#[derive(Debug)]
pub(crate) enum Reading {
    /// It reads for itself. It has a waker after its first wait.
    Apart { delivery: Box<Delivery>, waker: Option<Waker> },
    /// Its group reads for it.
    InGroup { member: Member, seat: Seat },
    /// It gets no more pieces. At most the end of its body is left to be sent.
    Ended,
}

#[derive(Debug)]
struct Unsent {
    /// The parts are sent one after the other.
    parts: VecDeque<Bytes>,
    /// When the socket last took a byte.
    since: Instant,
    /// When the stream is checked next, if that is known.
    deadline: Option<Instant>,
}

impl Unsent {
    fn new(parts: impl Into<VecDeque<Bytes>>, since: Instant) -> Self {
        Self { parts: parts.into(), since, deadline: None }
    }
}

/// Whether bytes were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Whole,
    /// The socket is full; the rest is kept.
    Part,
}

/// Whether the peer still has the connection open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    There,
    Gone,
}

/// A piece of up to this size is copied after its head, so that both are sent as one part.
const JOINED: usize = 4 * 1024;

/// How many bytes that a peer sends during a stream are kept for its next request. More bytes stay in the socket.
const MAX_AHEAD: usize = 4 * 1024;

impl<S: Read + Write> Stream<S> {
    pub(crate) fn new(adopted: Adopted<S>) -> Self {
        let Adopted { socket, handed: Handed { delivery, body, terms }, ahead, alive } = adopted;
        let has_extras = !ahead.is_empty() || body.is_some();
        Self {
            socket,
            reading: Reading::apart(delivery),
            unsent: None,
            extras: has_extras.then(|| Box::new(Extras { ahead, body })),
            alive,
            framing: if terms.is_chunked { Framing::Chunked } else { Framing::Close },
            is_kept_alive: terms.is_kept_alive,
            is_polled_for_room: false,
        }
    }

    /// Returns the delivery that it reads by, if it reads for itself.
    pub(crate) fn delivery_mut(&mut self) -> Option<&mut Delivery> {
        match &mut self.reading {
            Reading::Apart { delivery, .. } => Some(delivery),
            Reading::InGroup { .. } | Reading::Ended => None,
        }
    }

    /// Lets the stream read for itself again, if its group has read for it.
    pub(crate) fn part(&mut self, group: &Group) {
        self.reading = match self.reading.take() {
            Reading::InGroup { member, .. } => Reading::apart(member.part(group)),
            other => other,
        };
    }

    pub(crate) fn socket_mut(&mut self) -> &mut S {
        &mut self.socket
    }

    /// Returns whether the socket has not taken everything.
    pub(crate) fn is_full(&self) -> bool {
        self.unsent.is_some()
    }

    /// Returns when the socket last took a byte, if it has not taken everything.
    pub(crate) fn full_since(&self) -> Option<Instant> {
        self.unsent.as_ref().map(|unsent| unsent.since)
    }

    /// Returns when to check whether the socket has taken anything.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.unsent.as_ref()?.deadline
    }

    /// Sets when to check that, if the socket has not taken everything.
    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        if let Some(unsent) = &mut self.unsent {
            unsent.deadline = deadline;
        }
    }

    /// Sends a piece of the body that many streams get. Everything before it must have been sent.
    pub(crate) fn send(&mut self, piece: &Piece, now: Instant) -> io::Result<Sent> {
        debug_assert!(self.unsent.is_none(), "the rest of another piece comes first");
        let bytes = piece.framed(self.framing);
        let sent = write(&mut self.socket, bytes)?;
        if sent == bytes.len() {
            return Ok(Sent::Whole);
        }
        self.unsent = Some(Box::new(Unsent::new([piece.rest(self.framing, sent)], now)));
        Ok(Sent::Part)
    }

    /// Sends a piece of the body that only this stream gets. Its bytes may be a message that others hold, too.
    pub(crate) fn send_apart(&mut self, bytes: Bytes, now: Instant) -> io::Result<Sent> {
        debug_assert!(self.unsent.is_none(), "the rest of another piece comes first");
        // A small copy costs less than a second system call.
        if bytes.len() <= JOINED {
            return self.send(&Piece::new(&bytes), now);
        }
        self.unsent = Some(Box::new(Unsent::new(self.framing.parts(bytes), now)));
        self.flush(now)
    }

    /// Sends the end of the body.
    pub(crate) fn send_end(&mut self, now: Instant) -> io::Result<Sent> {
        quietly_drop(self.reading.take());
        self.unsent = Some(Box::new(Unsent::new([self.framing.end()], now)));
        self.flush(now)
    }

    /// Sends the bytes that are left.
    pub(crate) fn flush(&mut self, now: Instant) -> io::Result<Sent> {
        let Some(unsent) = &mut self.unsent else { return Ok(Sent::Whole) };
        loop {
            while unsent.parts.front().is_some_and(Bytes::is_empty) {
                unsent.parts.pop_front();
            }
            let slices: Vec<_> = unsent.parts.iter().map(|part| IoSlice::new(part)).collect();
            if slices.is_empty() {
                self.unsent = None;
                return Ok(Sent::Whole);
            }
            match self.socket.write_vectored(&slices) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(mut sent) => {
                    unsent.since = now;
                    for part in &mut unsent.parts {
                        let of_part = sent.min(part.len());
                        part.advance(of_part);
                        sent -= of_part;
                    }
                }
                // The poller tells when the socket takes more.
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Sent::Part),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads what the peer sends: the end of the connection, or a request that waits for the end of the stream.
    pub(crate) fn read(&mut self) -> io::Result<Peer> {
        let mut buffer = [0; 1024];
        loop {
            let len = self.extras.as_ref().map_or(0, |extras| extras.ahead.len());
            if len >= MAX_AHEAD {
                return Ok(Peer::There);
            }
            match self.socket.read(&mut buffer) {
                Ok(0) => return Ok(Peer::Gone),
                Ok(read) => self.extras.get_or_insert_default().ahead.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Peer::There),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Reading {
    pub(crate) fn apart(delivery: Box<Delivery>) -> Self {
        Self::Apart { delivery, waker: None }
    }

    /// Takes the value out and leaves `Ended` in it.
    pub(crate) fn take(&mut self) -> Self {
        mem::replace(self, Self::Ended)
    }
}

impl<S> Stream<S> {
    /// Returns the connection after the stream, and what the peer has sent after its request, if another request may
    /// follow.
    pub(crate) fn into_connection(self) -> Option<Returned<S>> {
        let Self { reading, mut extras, socket, alive, is_kept_alive, .. } = self;
        let ahead = extras.as_mut().map(|extras| mem::take(&mut extras.ahead)).unwrap_or_default();
        quietly_drop(reading);
        quietly_drop(extras);
        let open = alive.into_open().filter(|_| is_kept_alive)?;
        Some(Returned { socket, ahead, open })
    }
}

/// Drops a value of the user's. If that panics, only this stream ends.
pub(crate) fn quietly_drop<T>(value: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(value)));
}

/// Writes until the socket is full. Returns how many bytes it has taken.
fn write(socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    let mut sent = 0;
    while sent < bytes.len() {
        match socket.write(&bytes[sent..]) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => sent += written,
            // The poller tells when the socket takes more.
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sent)
}

impl<S> Adopted<S> {
    /// Closes the connection.
    pub(crate) fn close(self) {
        let Handed { delivery, body, .. } = self.handed;
        quietly_drop(delivery);
        quietly_drop(body);
    }
}

impl<S> fmt::Debug for Stream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("reading", &self.reading).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There may be a million streams, so a field more is to be a decision. (A socket has its file's number, and more in
    /// a debug build.)
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_waiting_stream_is_small() {
        assert_eq!(size_of::<Stream<u32>>(), 88);
    }
}
