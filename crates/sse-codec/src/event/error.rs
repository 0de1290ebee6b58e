//! The errors: an event over a limit of the decoder, a field that can't be written, a slice that is too short.

use core::error::Error;
use core::fmt;

/// The longest event type, id and comment that a decoder keeps, in bytes.
pub(crate) const LONGEST_NAME: usize = 8 * 1024;

/// An event, a comment or a line exceeds a limit of the decoder, and was dropped.
///
/// A decoder returns this error once for each event, comment or line. The next call goes on after it. If you trust the
/// stream, decode it with a higher limit (`Decoder::with_limit`, or the sizes of a
/// [`FixedDecoder`](crate::FixedDecoder)). Event types and ids of more than 8 KiB are always dropped
/// ([`EventId::MAX_LEN`](crate::EventId::MAX_LEN)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooLarge {
    /// The data of an event is too long. The event is dropped.
    #[non_exhaustive]
    Data {
        /// The decoder's limit, in bytes.
        limit: usize,
    },
    /// The type of an event is too long. The event is dropped.
    #[non_exhaustive]
    EventType {
        /// The decoder's limit, in bytes.
        limit: usize,
    },
    /// The id of an event is too long. The event is dropped, and the last event ID stays as it is.
    #[non_exhaustive]
    Id {
        /// The decoder's limit, in bytes.
        limit: usize,
    },
    /// A comment is too long ([`Decoder::next_item`](crate::Decoder::next_item)). The event around it is not dropped.
    #[non_exhaustive]
    Comment {
        /// The decoder's limit, in bytes.
        limit: usize,
    },
    /// A line is too long ([`LineDecoder`](crate::LineDecoder)).
    #[non_exhaustive]
    Line {
        /// The decoder's limit, in bytes.
        limit: usize,
    },
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, limit, is_longest) = match *self {
            Self::Data { limit } => ("the data of an event", limit, false),
            Self::EventType { limit } => ("the type of an event", limit, limit >= LONGEST_NAME),
            Self::Id { limit } => ("the id of an event", limit, limit >= LONGEST_NAME),
            Self::Comment { limit } => ("a comment", limit, limit >= LONGEST_NAME),
            Self::Line { limit } => ("a line", limit, false),
        };
        let advice =
            if is_longest { "longer ones are always dropped" } else { "to read it, raise the limit" };
        write!(f, "{text} is longer than {limit} bytes; {advice}")
    }
}

impl Error for TooLarge {}

/// A text can't be written as an event type or id.
///
/// CR and LF would end the field and begin another one. NUL in an id would make readers ignore the field (9.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidField {
    /// The text has a CR, an LF or, in an id, a NUL.
    #[non_exhaustive]
    Byte {
        /// The field's name in the standard: `event` or `id`.
        field: &'static str,
        /// The first such byte.
        byte: u8,
        /// The position of that byte in the text, counted from 0.
        position: usize,
    },
    /// The text is longer than decoders keep.
    #[non_exhaustive]
    TooLong {
        /// The field's name in the standard: `event` or `id`.
        field: &'static str,
        /// The greatest length, in bytes.
        limit: usize,
    },
}

impl fmt::Display for InvalidField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Byte { field, byte, position } => {
                let name = match byte {
                    b'\r' => "CR",
                    b'\n' => "LF",
                    _ => "NUL",
                };
                write!(
                    f,
                    "{name} at byte {position} can't be written in the field `{field}`; remove it or escape it"
                )
            }
            Self::TooLong { field, limit } => {
                write!(f, "the field `{field}` can't be longer than {limit} bytes; use a shorter text")
            }
        }
    }
}

impl Error for InvalidField {}

/// The slice that was given to [`Message::encode_to_slice`](crate::Message::encode_to_slice) is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooSmall {
    /// How many bytes the message takes.
    pub needed: usize,
}

impl fmt::Display for TooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the slice is too short for the message, which takes {} bytes", self.needed)
    }
}

impl Error for TooSmall {}
