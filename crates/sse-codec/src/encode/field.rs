//! Encodes fields into bytes (9.2.5), as a sequence of pieces.
//!
//! All outputs (length, slice, string and buffer) use the same function for a field, so that the wire form of a field
//! is defined at one place.

use core::fmt::{self, Write};
use core::time::Duration;

use memchr::memchr2;

use crate::event::{EventId, EventType, display, millis};

/// One field of an event, or a comment, to be written.
///
/// Use [`Message`](crate::Message) to write a whole event. Use fields to write an event piece by piece, and end it with
/// an empty line.
///
/// ```
/// use sse_codec::Field;
///
/// assert_eq!(Field::Data("two\nlines").to_string(), "data: two\ndata: lines\n");
/// assert_eq!(Field::Comment("ping").to_string(), ": ping\n");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field<'a> {
    /// A comment, which clients ignore. Each of its lines becomes a comment line.
    Comment(&'a str),
    /// The event type. If an event has several, the last one counts.
    EventType(EventType<'a>),
    /// Data. Each of its lines becomes a `data` line; CR, LF and CRLF end a line. Several data fields of an event are
    /// joined by LF.
    Data(&'a str),
    /// The id, which the client keeps as its last event ID.
    Id(EventId<'a>),
    /// The time that the client is to wait before it reconnects. It is written in milliseconds, rounded up.
    ReconnectionTime(Duration),
}

impl Field<'_> {
    /// Passes the bytes of the field to `put`, piece by piece, with the line ending.
    fn pieces(&self, put: &mut impl FnMut(&[u8])) {
        match self {
            Self::Comment(text) => comment(text, put),
            Self::EventType(name) => event_type(name, put),
            Self::Data(text) => data(text, put),
            Self::Id(text) => id(text, put),
            Self::ReconnectionTime(time) => reconnection_time(*time, put),
        }
    }

    /// Appends the field to `vec`.
    #[cfg(feature = "alloc")]
    pub fn encode_to_vec(&self, vec: &mut alloc::vec::Vec<u8>) {
        self.pieces(&mut |piece| vec.extend_from_slice(piece));
    }

    /// Appends the field to `buffer`.
    #[cfg(feature = "bytes")]
    pub fn encode(&self, buffer: &mut impl bytes::BufMut) {
        self.pieces(&mut |piece| buffer.put_slice(piece));
    }
}

impl fmt::Display for Field<'_> {
    /// Writes the field as it is sent, with the line ending.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |put| self.pieces(&mut |piece| put(piece)))
    }
}

#[inline]
pub(super) fn comment(text: &str, put: &mut impl FnMut(&[u8])) {
    lines(b": ", text, put);
}

#[inline]
pub(super) fn event_type(event_type: &EventType<'_>, put: &mut impl FnMut(&[u8])) {
    line(b"event: ", event_type.as_str().as_bytes(), put);
}

#[inline]
pub(super) fn data(text: &str, put: &mut impl FnMut(&[u8])) {
    lines(b"data: ", text, put);
}

#[inline]
pub(super) fn id(id: &EventId<'_>, put: &mut impl FnMut(&[u8])) {
    line(b"id: ", id.as_str().as_bytes(), put);
}

#[inline]
pub(super) fn reconnection_time(time: Duration, put: &mut impl FnMut(&[u8])) {
    put(b"retry: ");
    // Writing to `Pieces` never fails.
    let _ = write!(Pieces(put), "{}", millis(time));
    put(b"\n");
}

/// Writes one line per line of `text`.
#[inline]
fn lines<const N: usize>(name: &[u8; N], text: &str, put: &mut impl FnMut(&[u8])) {
    let mut rest = Some(text.as_bytes());
    while let Some(text) = rest {
        let (value, after) = split_line(text);
        line(name, value, put);
        rest = after;
    }
}

/// Returns the first line of `text`, and the text after its ending, or `None` if it has no ending.
#[inline]
fn split_line(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(end) = memchr2(b'\r', b'\n', text) else { return (text, None) };
    let ending = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
    (&text[..end], Some(&text[end + ending..]))
}

/// Writes one line. `name` ends with a space, so that decoders do not remove a space with which the value begins. An
/// empty value needs no space.
///
/// The length of the name is a part of the type, so that the name is copied as words and not by a call.
#[inline]
fn line<const N: usize>(name: &[u8; N], value: &[u8], put: &mut impl FnMut(&[u8])) {
    if value.is_empty() {
        put(&name[..N - 1]);
    } else {
        put(name);
        put(value);
    }
    put(b"\n");
}

/// Formats into pieces.
struct Pieces<'p, P>(&'p mut P);

impl<P: FnMut(&[u8])> Write for Pieces<'_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        (self.0)(text.as_bytes());
        Ok(())
    }
}
