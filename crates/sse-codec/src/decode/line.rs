//! A line of a stream.

use core::fmt;

use crate::event::display;

/// A line without its ending, which borrows its text from a chunk or from a [`LineDecoder`](crate::LineDecoder).
///
/// `Display` writes the line with an LF, ready to be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line<'a> {
    text: &'a str,
}

impl<'a> Line<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// Returns the text of the line.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Returns true if the line is empty. An empty line ends a block.
    pub fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// Returns the comment, without its colon and one space after the colon. Returns `None` if the line is not a
    /// comment.
    pub fn comment(&self) -> Option<&'a str> {
        self.text.strip_prefix(':').map(without_space)
    }

    /// Returns the name and the value of the field, even if the standard does not know it. Returns `None` if the line
    /// is not a field. A field without a colon has an empty value.
    pub fn field(&self) -> Option<(&'a str, &'a str)> {
        match self.text.split_once(':') {
            None => (!self.text.is_empty()).then_some((self.text, "")),
            Some(("", _)) => None,
            Some((name, value)) => Some((name, without_space(value))),
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |put| {
            put(self.text.as_bytes());
            put(b"\n");
        })
    }
}

/// Removes one space at the start, as the standard says (9.2.6).
fn without_space(value: &str) -> &str {
    value.strip_prefix(' ').unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, comment: Option<&str>, field: Option<(&str, &str)>) {
        let line = Line::new(text);
        assert_eq!((line.comment(), line.field()), (comment, field), "{text:?}");
        assert_eq!(line.is_blank(), text.is_empty());
        assert_eq!(std::format!("{line}"), std::format!("{text}\n"));
    }

    #[test]
    fn a_line_is_blank_a_comment_or_a_field() {
        check("", None, None);
        check(":", Some(""), None);
        check(": a: b", Some("a: b"), None);
        check(":  a", Some(" a"), None);
        check("data: a: b", None, Some(("data", "a: b")));
        check("data:  a", None, Some(("data", " a")));
        check("data", None, Some(("data", "")));
        check("data:", None, Some(("data", "")));
        check(" data: a", None, Some((" data", "a")));
        check("other:\ta", None, Some(("other", "\ta")));
    }
}
