//! Names of topics, and the other query parameters of a subscriber.

use std::borrow::Cow;

use icu_properties::props::{
    DefaultIgnorableCodePoint, GeneralCategory, NoncharacterCodePoint, PrependedConcatenationMark,
};
use icu_properties::{CodePointMapData, CodePointSetData};

/// How long a name may be, in bytes.
const MAX_BYTES: usize = 200;

/// How many topics one connection may have.
pub(crate) const MAX_TOPICS: usize = 100;

/// Checks the name of a topic: up to 200 bytes of any visible characters. Invisible ones would make two topics of names
/// that look the same.
pub(crate) fn check(name: &str) -> Result<&str, String> {
    if name.is_empty() {
        return Err("the topic has no name; write it after /topics/".to_owned());
    }
    if name.len() > MAX_BYTES {
        return Err(format!(
            "the topic's name has {} bytes; {MAX_BYTES} are allowed, so choose a shorter one",
            name.len()
        ));
    }
    if name.trim() != name || name.contains(char::is_control) {
        return Err(format!(
            "the topic's name {name:?} has control characters, or spaces around it; leave them out"
        ));
    }
    if let Some((at, char)) = name.char_indices().find(|(_, char)| !can_be_seen(*char)) {
        return Err(format!(
            "the topic's name has the character U+{:04X} at byte {at}, which can't be seen; leave it out",
            u32::from(char)
        ));
    }
    Ok(name)
}

/// Returns whether a character is visible, or is the plain space. Marks that only change how others look, such as those
/// of emoji, are not visible.
fn can_be_seen(char: char) -> bool {
    /// Characters of visible kinds that are blank all the same: a pattern of Braille without a dot, a note without a
    /// head, a filler of the Khitan script.
    const BLANK: [char; 3] = ['\u{2800}', '\u{1d159}', '\u{16fe4}'];

    let is_format = || {
        CodePointMapData::<GeneralCategory>::new().get(char) == GeneralCategory::Format
            && !CodePointSetData::new::<PrependedConcatenationMark>().contains(char)
    };
    char == ' '
        || !(char.is_control()
            || char.is_whitespace()
            || BLANK.contains(&char)
            || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(char)
            || CodePointSetData::new::<NoncharacterCodePoint>().contains(char)
            || is_format())
}

/// The topics of a query, `topic=a&topic=b`.
pub(crate) fn of_query(query: &str) -> Result<Vec<String>, String> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let names = pairs.filter(|(key, _)| key == "topic").map(|(_, name)| name);
    let names: Vec<String> = names.map(|name| check(&name).map(str::to_owned)).collect::<Result<_, _>>()?;
    match names.len() {
        0 => Err("no topic is named; ask for /topics/NAME, or /topics?topic=NAME&topic=NAME".to_owned()),
        1..=MAX_TOPICS => Ok(names),
        many => Err(format!(
            "{many} topics are more than the {MAX_TOPICS} that one connection may have; use several"
        )),
    }
}

/// How many of the newest events a query asks for at the beginning, `last=20`.
pub(crate) fn last_of_query(query: &str) -> Result<Option<usize>, String> {
    let last = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "last");
    let number = |(_, text): (_, Cow<'_, str>)| {
        text.parse().map_err(|_| format!("last={text}: write a number of events, as last=20"))
    };
    last.map(number).transpose()
}

/// Returns the text that names must contain, `search=orders`; empty if the query has none.
pub(crate) fn search_of_query(query: &str) -> String {
    let search = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "search");
    search.map_or_else(String::new, |(_, text)| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_name(name: &str, error: Option<&str>) {
        let found = check(name);
        assert_eq!(
            found.as_ref().err().map(String::as_str).map(|text| text.contains(error.unwrap_or("\0"))),
            error.map(|_| true),
            "{found:?}"
        );
    }

    #[test]
    fn a_name_is_anything_that_can_be_seen() {
        check_name("news", None);
        check_name("builds/linux, nightly (x86)", None);
        check_name("日本語 🙂", None);
        check_name("..", None);
        check_name(&"a".repeat(200), None);
        check_name(&"a".repeat(201), Some("201 bytes"));
        check_name("", Some("no name"));
        check_name(" news", Some("spaces around"));
        check_name("a\nb", Some(r#""a\nb" has control characters"#));
        check_name("a\u{85}b", Some("control characters"));
    }

    #[test]
    fn what_cannot_be_seen_is_in_no_name() {
        for (kind, characters) in [
            ("zero width", "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{ad}\u{34f}"),
            (
                "directions",
                "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}",
            ),
            ("variations", "\u{fe00}\u{fe0f}\u{e0100}\u{e01ef}\u{180b}\u{180f}"),
            ("tags", "\u{e0000}\u{e0001}\u{e0020}\u{e007f}"),
            ("annotations", "\u{fff9}\u{fffa}\u{fffb}"),
            ("separators", "\u{2028}\u{2029}"),
            ("spaces", "\u{a0}\u{1680}\u{2003}\u{202f}\u{205f}\u{3000}"),
            ("fillers", "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{2800}\u{17b4}\u{180e}\u{16fe4}"),
            ("other steering", "\u{206a}\u{206f}\u{2061}\u{13430}\u{1bca0}\u{1d173}\u{1d159}\u{fff0}"),
            ("none", "\u{fdd0}\u{fffe}\u{10ffff}"),
        ] {
            for char in characters.chars() {
                let name = format!("a{char}b");
                assert!(check(&name).is_err(), "{kind}: {}", char.escape_unicode());
            }
        }
        check_name(
            "caf\u{200b}e",
            Some("has the character U+200B at byte 3, which can't be seen; leave it out"),
        );
        for name in
            ["a b", "cafe\u{301}", "हिन्दी", "العربية", "\u{600}12", "ไทย", "👍🏽", "🇪🇺", "…", "\u{fffd}"]
        {
            check_name(name, None);
        }
    }

    #[track_caller]
    fn check_query(query: &str, expected: Result<&[&str], &str>) {
        match (of_query(query), expected) {
            (Ok(names), Ok(expected)) => assert_eq!(names, expected),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (found, _) => panic!("{query}: {found:?}"),
        }
    }

    #[test]
    fn a_query_names_up_to_a_hundred_topics() {
        check_query("topic=a&topic=b%2Fc&lastEventId=7&topic=a+b", Ok(&["a", "b/c", "a b"]));
        check_query("", Err("no topic is named"));
        check_query("topics=a", Err("no topic is named"));
        check_query("topic=a&topic=", Err("no name"));
        check_query(&"topic=a&".repeat(100), Ok(&["a"; 100]));
        check_query(&"topic=a&".repeat(101), Err("101 topics are more than the 100"));
    }

    #[test]
    fn a_query_may_ask_for_the_newest_events() {
        assert_eq!(last_of_query("topic=a&last=20"), Ok(Some(20)));
        assert_eq!(last_of_query("topic=last"), Ok(None));
        for wrong in ["last=", "last=-1", "last=all", "last=99999999999999999999"] {
            let error = last_of_query(wrong).unwrap_err();
            assert_eq!(error, format!("{wrong}: write a number of events, as last=20"));
        }
    }
}
