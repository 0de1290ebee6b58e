//! Fields and messages to bytes (9.2.5), as one sequence of pieces.
//!
//! Length, slice, string and buffer outputs all take their bytes from [`Field::pieces`]: there is no second place
//! that knows the wire form.

use core::fmt::{self, Write};
use core::time::Duration;

use memchr::memchr2;

use crate::event_id::EventId;
use crate::event_type::EventType;
use crate::reconnection_time::millis;

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
    #[inline]
    pub(crate) fn pieces(&self, put: &mut impl FnMut(&[u8])) {
        match self {
            Self::Comment(text) => lines(b":", text, put),
            Self::EventType(event_type) => line(b"event:", event_type.as_str().as_bytes(), put),
            Self::Data(text) => lines(b"data:", text, put),
            Self::Id(id) => line(b"id:", id.as_str().as_bytes(), put),
            Self::ReconnectionTime(time) => {
                put(b"retry: ");
                // Writing to `Pieces` never fails.
                let _ = write!(Pieces(put), "{}", millis(*time));
                put(b"\n");
            }
        }
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

/// Writes one line per line of `text`.
#[inline]
fn lines(name: &[u8], text: &str, put: &mut impl FnMut(&[u8])) {
    let mut rest = text.as_bytes();
    while let Some(end) = memchr2(b'\r', b'\n', rest) {
        line(name, &rest[..end], put);
        let ending = if rest[end..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[end + ending..];
    }
    line(name, rest, put);
}

/// Writes one line; a space before the value saves a space that the value begins with.
#[inline]
fn line(name: &[u8], value: &[u8], put: &mut impl FnMut(&[u8])) {
    put(name);
    if !value.is_empty() {
        put(b" ");
        put(value);
    }
    put(b"\n");
}

/// Displays pieces, each of which is whole text: lines are cut at ASCII characters only.
pub(crate) fn display(f: &mut fmt::Formatter<'_>, pieces: impl FnOnce(&mut dyn FnMut(&[u8]))) -> fmt::Result {
    let mut result = Ok(());
    pieces(&mut |piece| {
        let text = core::str::from_utf8(piece).map_err(|_| fmt::Error);
        result = result.and_then(|()| f.write_str(text?));
    });
    result
}

/// Formats into pieces.
struct Pieces<'p, P>(&'p mut P);

impl<P: FnMut(&[u8])> Write for Pieces<'_, P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        (self.0)(text.as_bytes());
        Ok(())
    }
}
