//! What can go wrong: an event over the limit on the way in, a field that can't be written on the way out.

use core::error::Error;
use core::fmt;

/// An event exceeded the decoder's limit and was dropped.
///
/// It is told once per event. The decoder goes on with the next one: call
/// [`next_event`](crate::Decoder::next_event) again. If the stream is trusted, decode it with a higher limit
/// ([`Decoder::with_limit`](crate::Decoder::with_limit)).
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLarge {
    /// The limit that was exceeded, in bytes.
    pub limit: usize,
}

#[cfg(feature = "alloc")]
impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an event is larger than the limit of {} bytes; decode with a higher limit to get it",
            self.limit
        )
    }
}

#[cfg(feature = "alloc")]
impl Error for TooLarge {}

/// An event type or id holds a character that its field can't carry.
///
/// Neither may hold CR or LF, which would end the field and begin another one; an id may not hold NUL, for which
/// readers ignore the whole field (9.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidField {
    /// The field's name in the standard: `event` or `id`.
    pub field: &'static str,
    /// The first byte that can't be written.
    pub byte: u8,
    /// Where that byte stands, in bytes from the start.
    pub position: usize,
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.byte {
            b'\r' => "CR",
            b'\n' => "LF",
            _ => "NUL",
        };
        write!(
            f,
            "{name} at byte {} can't be written in the field `{}`; remove it or escape it",
            self.position, self.field
        )
    }
}

impl Error for InvalidField {}

/// The slice given to [`Message::encode_to_slice`](crate::Message::encode_to_slice) is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooSmall {
    /// How many bytes the message takes.
    pub needed: usize,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the message takes {} bytes, which is more than the slice holds", self.needed)
    }
}

impl Error for TooSmall {}
