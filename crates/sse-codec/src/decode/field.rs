//! Reads lines as fields (9.2.6): the name of the field, and where the value begins.
//!
//! - A whole line is read by a pure function. Only a line that is cut needs a state.
//! - A line that can't become a known field is skipped and never stored.

/// The fields of the standard, and comments, which are lines with an empty name. Lines with other names are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Data,
    Event,
    Id,
    Retry,
    Comment,
}

impl Name {
    /// Returns the name that begins with `byte`. No two names begin with the same byte.
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
            Self::Comment => b"",
        }
    }
}

/// Returns the name of a whole line, and where the value begins after the colon and one space. Returns `None` for an
/// unknown field and for an empty line.
#[inline]
pub(crate) fn whole(line: &[u8]) -> Option<(Name, usize)> {
    // A prefix of a constant length is compared as a word. A prefix that is looked up in a table would be a call.
    let (name, rest) = match line.first()? {
        b'd' => (Name::Data, line.strip_prefix(b"data")?),
        b'e' => (Name::Event, line.strip_prefix(b"event")?),
        b'i' => (Name::Id, line.strip_prefix(b"id")?),
        b'r' => (Name::Retry, line.strip_prefix(b"retry")?),
        b':' => (Name::Comment, line),
        _ => return None,
    };
    let value = match rest {
        [] => rest,
        [b':', b' ', value @ ..] | [b':', value @ ..] => value,
        _ => return None,
    };
    Some((name, line.len() - value.len()))
}

/// Where the value begins in a line for which `begins_data` is true.
pub(crate) const DATA_START: usize = 6;

/// Returns true if a line with these first eight bytes is data in the spelling of most servers, `data: `. The bytes may
/// go beyond the end of the line, but no name has a line ending in it.
#[inline]
pub(crate) fn begins_data(word: u64) -> bool {
    const DATA: u64 = u64::from_le_bytes(*b"data: \0\0");
    word << 16 == DATA << 16
}

/// How many bytes of a line show whether it is a known field and where its value begins: `retry`, the colon and the
/// space.
const LONGEST_START: usize = 7;

/// A part of a field's value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'i> {
    pub(crate) name: Name,
    pub(crate) bytes: &'i [u8],
    /// The value begins with this part.
    pub(crate) starts: bool,
    /// The value ends with this part.
    pub(crate) ends: bool,
}

/// Reads a line that comes in parts. The name is matched byte by byte, so that it need not be stored.
#[derive(Clone, Debug)]
pub(crate) struct CutLine {
    read: Read,
}

/// How far a cut line has been read.
#[derive(Clone, Copy, Debug)]
enum Read {
    /// Nothing has been read yet.
    Nothing,
    /// This many bytes of this name have been read.
    Name(Name, usize),
    /// The name and its colon have been read. If the next byte is a space, it is dropped.
    Colon(Name),
    /// A part of the value has been read.
    Value(Name),
    /// The field is unknown. The rest of the line is ignored.
    Ignored,
}

impl CutLine {
    pub(crate) const fn new() -> Self {
        Self { read: Read::Nothing }
    }

    /// Returns true if a part of the line has been read already.
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.read, Read::Nothing)
    }

    /// Reads the last part of the line.
    #[inline]
    pub(crate) fn end<'i>(&mut self, bytes: &'i [u8]) -> Option<Part<'i>> {
        let part = self.next(bytes, true);
        self.read = Read::Nothing;
        part
    }

    /// Reads a part of the line that is not the last. Returns `None` if it has no part of a value, because it is a part
    /// of a name or of an unknown field.
    #[inline]
    pub(crate) fn part<'i>(&mut self, bytes: &'i [u8]) -> Option<Part<'i>> {
        self.next(bytes, false)
    }

    #[inline]
    fn next<'i>(&mut self, bytes: &'i [u8], ends: bool) -> Option<Part<'i>> {
        match self.read {
            Read::Value(name) => Some(Part { name, bytes, starts: false, ends }),
            Read::Ignored => None,
            Read::Nothing if bytes.len() >= LONGEST_START => self.start_at_once(bytes, ends),
            Read::Nothing | Read::Name(..) | Read::Colon(_) => self.start(bytes, ends),
        }
    }

    /// Reads the name, the colon and the space. `bytes` is long enough to have all of them.
    #[inline]
    fn start_at_once<'i>(&mut self, bytes: &'i [u8], ends: bool) -> Option<Part<'i>> {
        let known = whole(bytes);
        self.read = known.map_or(Read::Ignored, |(name, _)| Read::Value(name));
        known.map(|(name, value)| Part { name, bytes: &bytes[value..], starts: true, ends })
    }

    /// Reads the name, the colon and the space, as far as they have come.
    fn start<'i>(&mut self, mut bytes: &'i [u8], ends: bool) -> Option<Part<'i>> {
        while let Read::Nothing | Read::Name(..) = self.read {
            let Some((&byte, rest)) = bytes.split_first() else {
                return if ends { self.without_colon() } else { None };
            };
            self.read = self.read.after(byte);
            bytes = rest;
        }
        let Read::Colon(name) = self.read else { return None };
        if bytes.is_empty() && !ends {
            // The space may come with the next part.
            return None;
        }
        self.read = Read::Value(name);
        Some(Part { name, bytes: bytes.strip_prefix(b" ").unwrap_or(bytes), starts: true, ends })
    }

    /// Ends a line without a colon. If it is a known name, it is that field with an empty value.
    fn without_colon(&self) -> Option<Part<'static>> {
        let Read::Name(name, read) = self.read else { return None };
        let is_whole = read == name.as_bytes().len();
        is_whole.then_some(Part { name, bytes: b"", starts: true, ends: true })
    }
}

impl Read {
    /// Returns the state after one more byte, which belongs to the name or is the colon.
    fn after(self, byte: u8) -> Self {
        match self {
            Self::Nothing if byte == b':' => Self::Colon(Name::Comment),
            Self::Nothing => Name::beginning_with(byte).map_or(Self::Ignored, |name| Self::Name(name, 1)),
            Self::Name(name, read) if name.as_bytes().get(read) == Some(&byte) => Self::Name(name, read + 1),
            Self::Name(name, read) if name.as_bytes().len() == read && byte == b':' => Self::Colon(name),
            _ => Self::Ignored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Reads `text` as one line: whole, and cut into two and three parts at every place.
    #[track_caller]
    fn check(text: &[u8], expected: Option<(Name, &[u8])>) {
        assert_eq!(whole(text).map(|(name, value)| (name, &text[value..])), expected, "whole");
        for first in 1..=text.len() {
            for second in first..=text.len() {
                let parts = [&text[..first], &text[first..second], &text[second..]];
                assert_eq!(cut(&parts), expected.map(|(name, value)| (name, value.to_vec())), "{parts:?}");
            }
        }
    }

    fn cut(parts: &[&[u8]]) -> Option<(Name, Vec<u8>)> {
        let mut line = CutLine::new();
        let mut found: Option<(Name, Vec<u8>)> = None;
        let mut ended = false;
        for (i, bytes) in parts.iter().enumerate() {
            let part = if i + 1 < parts.len() { line.part(bytes) } else { line.end(bytes) };
            let Some(part) = part else { continue };
            assert_eq!(part.starts, found.is_none(), "{parts:?}");
            found.get_or_insert((part.name, Vec::new())).1.extend_from_slice(part.bytes);
            ended = part.ends;
        }
        assert_eq!(ended, found.is_some(), "{parts:?}");
        assert!(!line.has_begun());
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
    fn lines_with_other_names_are_ignored() {
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
    fn a_line_that_begins_with_a_colon_is_a_comment() {
        for (text, comment) in
            [(":", ""), (": ", ""), (": x", "x"), (":  x", " x"), (":data: x", "data: x"), ("::", ":")]
        {
            check(text.as_bytes(), Some((Name::Comment, comment.as_bytes())));
        }
    }
}
