//! What can go wrong: an event over the limit on the way in, a field that can't be written on the way out.

use core::error::Error;
use core::fmt;

/// The longest event type, id and comment that is kept, in bytes.
pub(crate) const LONGEST_NAME: usize = 8 * 1024;

/// An event, or a line of the raw view, exceeded a limit of the decoder and was dropped.
///
/// It is told once per event, or line. The decoder goes on with the next one: call
/// [`next_event`](crate::Decoder::next_event) again. If the stream is trusted, decode it with a higher limit
/// (`Decoder::with_limit`, or the sizes of a [`FixedDecoder`](crate::FixedDecoder)). An event type or an id of more than
/// 8 KiB is never kept ([`EventId::MAX_LEN`](crate::EventId::MAX_LEN)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TooLarge {
    /// The data.
    #[non_exhaustive]
    Data {
        /// The decoder's limit, in bytes.
        limit: usize,
    },
    /// The event type.
    #[non_exhaustive]
    EventType {
        /// The longest that is kept, in bytes.
        limit: usize,
    },
    /// The id.
    #[non_exhaustive]
    Id {
        /// The longest that is kept, in bytes.
        limit: usize,
    },
    /// A comment. The event around it is not dropped.
    #[non_exhaustive]
    Comment {
        /// The longest that is kept, in bytes.
        limit: usize,
    },
    /// A line of the raw view ([`LineDecoder`](crate::LineDecoder)).
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
        let advice = if is_longest {
            "a longer one is never kept"
        } else {
            "raise the limit of the decoder to read it"
        };
        write!(f, "{text} is longer than {limit} bytes; {advice}")
    }
}

impl Error for TooLarge {}

/// An event type or id that can't be written.
///
/// Neither may hold CR or LF, which would end the field and begin another one; an id may not hold NUL, for which
/// readers ignore the whole field (9.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidField {
    /// It holds a byte that its field can't carry.
    #[non_exhaustive]
    Byte {
        /// The field's name in the standard: `event` or `id`.
        field: &'static str,
        /// The first such byte.
        byte: u8,
        /// Where that byte stands, in bytes from the start.
        position: usize,
    },
    /// It is longer than readers keep.
    #[non_exhaustive]
    TooLong {
        /// The field's name in the standard.
        field: &'static str,
        /// How long it may be, in bytes.
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
                write!(f, "the field `{field}` may be {limit} bytes long at most; use a shorter one")
            }
        }
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
