//! Finds members and elements in JSON without parsing all of it.
//!
//! - A value stays text. Text that is not JSON has no members.
//! - Names are compared as they are written, so that a name with an escape is another name.

const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Returns the value of a member if `text` is an object. If several members have the name, the last one counts.
pub(super) fn member<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let members = Values::of(text, '{')?.members();
    members.filter(|(found, _)| string(found) == Some(name)).last().map(|(_, value)| value)
}

/// Iterates over the elements if `text` is an array.
pub(super) fn elements(text: &str) -> impl Iterator<Item = &str> {
    Values::of(text, '[').into_iter().flatten()
}

/// Returns the text between the quotes if `value` is a string.
pub(super) fn string(value: &str) -> Option<&str> {
    value.strip_prefix('"')?.strip_suffix('"')
}

/// Iterates over the values in an array, or over the names and values in an object.
struct Values<'t>(&'t str);

impl<'t> Values<'t> {
    /// Returns the values of the object or array that begins with `opening`.
    fn of(text: &'t str, opening: char) -> Option<Self> {
        text.trim_start_matches(WHITE_SPACE).strip_prefix(opening).map(Self)
    }

    /// Iterates over pairs of a name and a value.
    fn members(mut self) -> impl Iterator<Item = (&'t str, &'t str)> {
        std::iter::from_fn(move || Some((self.next()?, self.next()?)))
    }
}

impl<'t> Iterator for Values<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let is_between = |char| matches!(char, ',' | ':') || WHITE_SPACE.contains(&char);
        let rest = self.0.trim_start_matches(is_between);
        let (value, rest) = rest.split_at(value_length(rest)?);
        self.0 = rest;
        (!value.is_empty()).then_some(value)
    }
}

/// Returns the length of the value with which `text` begins. It is 0 if the object or array ends here, and `None` if
/// the text ends within the value.
fn value_length(text: &str) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_string,
            b'"' if is_string => {
                is_string = false;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ if is_string => {}
            b'"' => is_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;
    use serde_json::Value;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(member(text, "a"), expected, "{text}");
    }

    #[test]
    fn a_member_is_found_by_its_name() {
        for (text, expected) in [
            (r#"{"a":1}"#, "1"),
            ("\n{ \"a\" : 1 }\n", "1"),
            (r#"{"b":2,"a":"x"}"#, r#""x""#),
            (r#"{"a":{"b":[1,{"a":2}]},"c":3}"#, r#"{"b":[1,{"a":2}]}"#),
            (r#"{"b":"\"a\":","a":[]}"#, "[]"),
            (r#"{"b":"\\","a":null}"#, "null"),
            (r#"{"b":"}","a":"é]"}"#, r#""é]""#),
            (r#"{"a":1,"a":2}"#, "2"),
        ] {
            check(text, Some(expected));
        }
    }

    #[test]
    fn text_that_is_not_an_object_has_no_members() {
        for text in [
            "",
            " ",
            "a",
            "1",
            "\"a\"",
            "{",
            "{}",
            "[]",
            r#"["a",1]"#,
            r#"{"b":{"a":1}}"#,
            r#"{"b":"a"}"#,
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            r#"{"A":1}"#,
            "{{{{",
            "}}}}",
            r#"{"a\"#,
            "data",
        ] {
            check(text, None);
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[a-c]", "[\\PC\"\\\\{}\\[\\]:,]{0,8}"];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-c]", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).expect("a found value is whole")
    }

    proptest! {
        #[test]
        fn it_finds_the_same_as_a_parser(value in json()) {
            for text in [serde_json::to_string(&value).unwrap(), serde_json::to_string_pretty(&value).unwrap()] {
                // Parsed again, because not every number is written exactly.
                let value = parsed(&text);
                for name in ["a", "b"] {
                    prop_assert_eq!(member(&text, name).map(parsed), value.get(name).cloned());
                }
                let found: Vec<_> = elements(&text).map(parsed).collect();
                prop_assert_eq!(found, value.as_array().cloned().unwrap_or_default());
            }
        }

        #[test]
        fn it_never_panics(text in r#"[\PC"\\{}\[\]:, ]{0,40}"#) {
            _ = (member(&text, "a"), elements(&text).count());
        }
    }

    #[test]
    fn the_elements_of_an_array_are_found() {
        for (text, expected) in [
            ("[]", &[][..]),
            ("[1, \"a,b\" ,[2,3],{\"a\":[4]}]", &["1", "\"a,b\"", "[2,3]", "{\"a\":[4]}"]),
            ("{}", &[]),
            ("", &[]),
            ("[1,", &["1"]),
        ] {
            assert_eq!(elements(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
