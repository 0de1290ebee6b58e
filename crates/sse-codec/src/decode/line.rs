//! A line, as the raw view gives it.

use core::fmt;

use crate::event::display;

/// A line that a [`LineDecoder`](crate::LineDecoder) lends, without its ending: it borrows from the chunk or from the
/// decoder.
///
/// Displayed with an LF, it is as a reader takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line<'a> {
    text: &'a str,
}

impl<'a> Line<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text }
    }

    /// The line as it is.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Whether the line is empty, which is the end of a block.
    pub fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    /// The comment, if it is one, without the colon and one space behind it.
    pub fn comment(&self) -> Option<&'a str> {
        self.text.strip_prefix(':').map(without_space)
    }

    /// The name and the value, if it is a field, whether the standard knows it or not.
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

/// The one space that the standard removes.
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
