//! Names of topics, and what else the query of a subscriber has.

use std::borrow::Cow;

/// How long a name may be, in bytes.
const MAX_BYTES: usize = 200;

/// How many topics one connection may have.
pub(crate) const MAX_TOPICS: usize = 100;

/// Checks the name of a topic: up to 200 bytes of any characters that can be seen.
pub(crate) fn check(name: &str) -> Result<&str, String> {
    if name.is_empty() {
        return Err("the topic has no name; write it behind /topics/".to_owned());
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
    Ok(name)
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
