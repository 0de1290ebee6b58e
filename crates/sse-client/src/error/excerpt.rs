//! What others sent, as a part of an error's text.

use std::fmt::{self, Write as _};

/// The beginning of a text in one line: white space collapsed, at most 200 characters, and no character that could steer
/// a terminal or turn its text around.
pub(super) struct Excerpt<'t>(pub(super) &'t str);

/// How many characters an excerpt has.
const LENGTH: usize = 200;

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = LENGTH;
        for (number, word) in self.0.split_whitespace().enumerate() {
            let space = (number > 0).then_some(' ');
            for char in space.into_iter().chain(word.chars()) {
                let length = if steers(char) { char.escape_default().len() } else { 1 };
                let Some(rest) = left.checked_sub(length) else { return f.write_char('…') };
                left = rest;
                if steers(char) {
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

fn steers(char: char) -> bool {
    let turns_text = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    char.is_control() || turns_text
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
    fn it_is_cut() {
        let long = "é".repeat(LENGTH);
        check(&long, &long);
        check(&format!(" {long}\n "), &long);
        check(&format!("{long}a"), &format!("{long}…"));
        check(&format!("{long} a"), &format!("{long}…"));
        // An escape is whole or not there.
        let text = "a".repeat(LENGTH - 1);
        check(&format!("{text}\u{1b}"), &format!("{text}…"));
    }

    #[test]
    fn what_could_steer_a_terminal_is_escaped() {
        check("\u{1b}[31m\u{9b}\u{7f}\0", "\\u{1b}[31m\\u{9b}\\u{7f}\\u{0}");
        check("\u{202e}a\u{2066}\u{61c}", "\\u{202e}a\\u{2066}\\u{61c}");
        check("é 🙂 \\", "é 🙂 \\");
    }
}
