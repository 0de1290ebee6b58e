//! The beginning of a foreign text, as a part of an error's text.

use std::fmt::{self, Write as _};

/// The beginning of a text in one line, of at most 200 characters. White space is collapsed, and characters that
/// control a terminal or change the direction of text are escaped.
pub(super) struct Excerpt<'t>(pub(super) &'t str);

/// The greatest number of characters of an excerpt.
const LENGTH: usize = 200;

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = LENGTH;
        for (number, word) in self.0.split_whitespace().enumerate() {
            let space = (number > 0).then_some(' ');
            for char in space.into_iter().chain(word.chars()) {
                let length = if is_control(char) { char.escape_default().len() } else { 1 };
                let Some(rest) = left.checked_sub(length) else { return f.write_char('…') };
                left = rest;
                if is_control(char) {
                    write!(f, "{}", char.escape_default())?;
                } else {
                    f.write_char(char)?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Returns true if the character controls a terminal or changes the direction of text.
fn is_control(char: char) -> bool {
    let changes_direction = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || changes_direction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = Excerpt(text).to_string();
        assert_eq!(found, expected, "{text:?}");
        assert!(found.chars().count() <= LENGTH + 1);
    }

    #[test]
    fn white_space_is_collapsed() {
        check("", "");
        check(" \r\n\t ", "");
        check(
            "{\n  \"error\": {\n    \"message\": \"no\"\n  }\n}\n",
            "{ \"error\": { \"message\": \"no\" } }",
        );
        check("<html>\r\n\r\n<head>\u{a0}\u{2028}x", "<html> <head> x");
    }

    #[test]
    fn a_long_text_is_cut() {
        let long = "é".repeat(LENGTH);
        check(&long, &long);
        check(&format!(" {long}\n "), &long);
        check(&format!("{long}a"), &format!("{long}…"));
        check(&format!("{long} a"), &format!("{long}…"));
        // An escape is never cut.
        let text = "a".repeat(LENGTH - 1);
        check(&format!("{text}\u{1b}"), &format!("{text}…"));
    }

    #[test]
    fn control_characters_are_escaped() {
        check("\u{1b}[31m\u{9b}\u{7f}\0", "\\u{1b}[31m\\u{9b}\\u{7f}\\u{0}");
        check("\u{202e}a\u{2066}\u{61c}", "\\u{202e}a\\u{2066}\\u{61c}");
        check("é 🙂 \\", "é 🙂 \\");
    }
}
