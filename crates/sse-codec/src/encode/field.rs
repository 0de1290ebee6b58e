//! Fields to bytes (9.2.5), as one sequence of pieces.
//!
//! Length, slice, string and buffer outputs all take their bytes from the one function here that writes the field:
//! there is no second place that knows its wire form.

use core::fmt::{self, Write};
use core::time::Duration;

use memchr::memchr2;

use crate::event::{EventId, EventType, display, millis};

/// One field of an event, or a comment, as it is written.
///
/// [`Message`](crate::Message) is the way to write an event. Fields are for those who write one piece by piece; an
/// empty line ends it.
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
    /// A comment: readers ignore it. Each of its lines becomes a comment line.
    Comment(&'a str),
    /// The event type. If there are several in an event, the last one counts.
    EventType(EventType<'a>),
    /// Data: each of its lines, ended by CR, LF or CRLF, becomes a `data` line. Further data is further lines.
    Data(&'a str),
    /// The id, which the reader keeps as its last event ID.
    Id(EventId<'a>),
    /// The time that the reader shall wait before it reconnects; in milliseconds, rounded up.
    ReconnectionTime(Duration),
}

impl Field<'_> {
    /// Hands the bytes of the field to `put`, piece by piece, with the line's end.
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
    /// The wire form, with the line's end.
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
        let (value, behind) = split_line(text);
        line(name, value, put);
        rest = behind;
    }
}

/// The first line of `text`, and the text behind its ending, if it has one.
#[inline]
fn split_line(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let Some(end) = memchr2(b'\r', b'\n', text) else { return (text, None) };
    let ending = if text[end..].starts_with(b"\r\n") { 2 } else { 1 };
    (&text[..end], Some(&text[end + ending..]))
}

/// Writes one line. The space that `name` ends with saves a space that the value begins with; an empty value needs
/// none.
///
/// The length of the name is part of the type, so that the name is stored as words, not copied by a call.
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
