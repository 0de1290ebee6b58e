//! Text from other programs, on a terminal.

use std::fmt;

/// Text in which each character is visible: control characters, and marks that change the direction of text, are
/// escaped.
pub(crate) struct Visible<'a>(pub(crate) &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steers = |char: char| {
            (char.is_control() && char != '\t')
                || matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        let mut rest = self.0;
        while let Some(place) = rest.find(steers) {
            let (before, from) = rest.split_at(place);
            f.write_str(before)?;
            let mut chars = from.chars();
            chars.by_ref().take(1).try_for_each(|char| write!(f, "{}", char.escape_default()))?;
            rest = chars.as_str();
        }
        f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_escaped() {
        for (text, expected) in [
            ("é 🙂\t\\", "é 🙂\t\\"),
            ("a\u{1b}[31m\u{9b}2J\u{7}", "a\\u{1b}[31m\\u{9b}2J\\u{7}"),
            ("two\r\nlines", "two\\r\\nlines"),
            ("\u{202e}abc", "\\u{202e}abc"),
        ] {
            assert_eq!(Visible(text).to_string(), expected);
            assert_eq!(Visible(expected).to_string(), expected, "once is enough");
        }
    }
}
