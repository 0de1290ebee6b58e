//! Lines to fields (9.2.6): what the line is, and where its value begins.
//!
//! - One state: how far into its line a cut line has been read. All else is pure.
//! - A line that can't become a known field is skipped, never stored.

use crate::line::Piece;

/// The fields that the standard knows. Every other name is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Data,
    Event,
    Id,
    Retry,
}

impl Name {
    /// The one name that begins with `byte`.
    #[inline]
    fn beginning_with(byte: u8) -> Option<Self> {
        match byte {
            b'd' => Some(Self::Data),
            b'e' => Some(Self::Event),
            b'i' => Some(Self::Id),
            b'r' => Some(Self::Retry),
            _ => None,
        }
    }

    #[inline]
    fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::Data => b"data",
            Self::Event => b"event",
            Self::Id => b"id",
            Self::Retry => b"retry",
        }
    }
}

/// A field's value, or a part of one, without the colon and the one space before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Value<'i> {
    pub(crate) name: Name,
    pub(crate) bytes: &'i [u8],
    /// The value begins with this part.
    pub(crate) starts: bool,
    /// The value ends with this part.
    pub(crate) ends: bool,
}

/// What a line, or a piece of it, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'i> {
    /// An empty line: the end of the block.
    Blank,
    /// A part of a known field's value.
    Value(Value<'i>),
}

/// How far a cut line has been read.
#[derive(Clone, Copy, Debug, Default)]
enum Cut {
    /// Nothing yet.
    #[default]
    Start,
    /// This many bytes of this name.
    Name(Name, usize),
    /// The name and its colon; the next byte may be the space that is dropped.
    Colon(Name),
    /// Into the value.
    Value(Name),
    /// A comment or an unknown field: nothing of it counts.
    Ignored,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    cut: Cut,
}

impl Fields {
    /// Reads the next piece of a line; `None` if it says nothing: a comment, an unknown field, a part of a name.
    #[inline]
    pub(crate) fn next<'i>(&mut self, piece: Piece<'i>) -> Option<Token<'i>> {
        if piece.ends && matches!(self.cut, Cut::Start) {
            return if piece.bytes.is_empty() { Some(Token::Blank) } else { line(piece.bytes) };
        }
        let token = self.resume(piece);
        if piece.ends {
            self.cut = Cut::Start;
        }
        token
    }

    /// Reads a piece of a cut line. Its name is matched byte by byte, so that nothing of it has to be kept.
    fn resume<'i>(&mut self, piece: Piece<'i>) -> Option<Token<'i>> {
        let mut bytes = piece.bytes;
        while let Cut::Start | Cut::Name(..) = self.cut {
            let Some((&byte, rest)) = bytes.split_first() else {
                return if piece.ends { self.without_colon() } else { None };
            };
            self.cut = self.cut.after(byte);
            bytes = rest;
        }
        let (name, starts) = match self.cut {
            Cut::Colon(_) if bytes.is_empty() && !piece.ends => return None,
            Cut::Colon(name) => {
                bytes = bytes.strip_prefix(b" ").unwrap_or(bytes);
                (name, true)
            }
            Cut::Value(name) => (name, false),
            Cut::Start | Cut::Name(..) | Cut::Ignored => return None,
        };
        self.cut = Cut::Value(name);
        Some(Token::Value(Value { name, bytes, starts, ends: piece.ends }))
    }

    /// A line that ends after a known name is that field with an empty value.
    fn without_colon(&self) -> Option<Token<'static>> {
        let Cut::Name(name, seen) = self.cut else { return None };
        let whole = seen == name.as_bytes().len();
        whole.then_some(Token::Value(Value { name, bytes: b"", starts: true, ends: true }))
    }
}

impl Cut {
    /// The state after one more byte of the name or the colon behind it.
    fn after(self, byte: u8) -> Self {
        match self {
            Self::Start => Name::beginning_with(byte).map_or(Self::Ignored, |name| Self::Name(name, 1)),
            Self::Name(name, seen) if name.as_bytes().get(seen) == Some(&byte) => Self::Name(name, seen + 1),
            Self::Name(name, seen) if name.as_bytes().len() == seen && byte == b':' => Self::Colon(name),
            _ => Self::Ignored,
        }
    }
}

/// What a whole line says.
#[inline]
fn line(line: &[u8]) -> Option<Token<'_>> {
    // A prefix of known length is compared as a word; one that is looked up is a call.
    let (name, rest) = match line.first()? {
        b'd' => (Name::Data, line.strip_prefix(b"data")?),
        b'e' => (Name::Event, line.strip_prefix(b"event")?),
        b'i' => (Name::Id, line.strip_prefix(b"id")?),
        b'r' => (Name::Retry, line.strip_prefix(b"retry")?),
        _ => return None,
    };
    let bytes = match rest {
        [] => rest,
        [b':', b' ', value @ ..] | [b':', value @ ..] => value,
        _ => return None,
    };
    Some(Token::Value(Value { name, bytes, starts: true, ends: true }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Reads `text` as one line: whole, and cut at every place into two and three pieces.
    #[track_caller]
    fn check(text: &[u8], expected: Option<(Name, &[u8])>) {
        let whole = match line(text) {
            None => None,
            Some(Token::Value(value)) => Some((value.name, value.bytes)),
            Some(Token::Blank) => panic!("not a blank line: {text:?}"),
        };
        assert_eq!(whole, expected, "whole");
        for first in 1..=text.len() {
            for second in first..=text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(cut(&pieces), expected.map(|(name, value)| (name, value.to_vec())), "{pieces:?}");
            }
        }
    }

    fn cut(pieces: &[&[u8]]) -> Option<(Name, Vec<u8>)> {
        let mut fields = Fields::default();
        let mut found: Option<(Name, Vec<u8>)> = None;
        let mut ended = false;
        for (i, bytes) in pieces.iter().enumerate() {
            let ends = i + 1 == pieces.len();
            let Some(token) = fields.next(Piece { bytes, ends }) else { continue };
            let Token::Value(value) = token else { panic!("not a blank line: {pieces:?}") };
            assert_eq!(value.starts, found.is_none(), "{pieces:?}");
            found.get_or_insert((value.name, Vec::new())).1.extend_from_slice(value.bytes);
            ended = value.ends;
        }
        assert_eq!(ended, found.is_some(), "{pieces:?}");
        found
    }

    #[test]
    fn a_name_a_colon_one_space_and_a_value() {
        check(b"data: x", Some((Name::Data, b"x")));
        check(b"data:x", Some((Name::Data, b"x")));
        check(b"data:  x ", Some((Name::Data, b" x ")));
        check(b"data:\tx", Some((Name::Data, b"\tx")));
        check(b"data:a:b: c", Some((Name::Data, b"a:b: c")));
        check(b"data::", Some((Name::Data, b":")));
        check(b"event: e", Some((Name::Event, b"e")));
        check(b"id: 1", Some((Name::Id, b"1")));
        check(b"retry: 10", Some((Name::Retry, b"10")));
    }

    #[test]
    fn a_value_may_be_empty() {
        check(b"data", Some((Name::Data, b"")));
        check(b"data:", Some((Name::Data, b"")));
        check(b"data: ", Some((Name::Data, b"")));
        check(b"id", Some((Name::Id, b"")));
        check(b"event:", Some((Name::Event, b"")));
    }

    #[test]
    fn other_names_are_ignored() {
        for text in [
            "Data: x",
            "dat: x",
            "datax: x",
            "data : x",
            " data: x",
            "d",
            "e:",
            "idd: x",
            "i",
            "retr: 1",
            "data\0: x",
            "\u{feff}data: x",
            "foo",
            "foo: x",
            "x",
            "event x",
            "\0",
        ] {
            check(text.as_bytes(), None);
        }
    }

    #[test]
    fn a_colon_first_makes_a_comment() {
        for text in [":", ": x", ":data: x", "::"] {
            check(text.as_bytes(), None);
        }
    }

    #[test]
    fn an_empty_line_is_blank() {
        let empty = Piece { bytes: b"", ends: true };
        assert_eq!(Fields::default().next(empty), Some(Token::Blank));
    }
}
