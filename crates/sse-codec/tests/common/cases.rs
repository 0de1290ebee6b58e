//! Reads `cases.txt`: streams, and the events that the standard dispatches for them.

use std::time::Duration;

use super::oracle::Outcome;

pub struct Case {
    /// The rules that the case tests and a title, as in `P7 CRLF is one ending`.
    pub title: String,
    pub stream: Vec<u8>,
    pub outcome: Outcome,
}

/// Returns all cases of the file.
pub fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in include_str!("../cases.txt").lines().enumerate() {
        let place = format!("cases.txt:{}", number + 1);
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        if word.is_empty() || word == "#" {
            continue;
        }
        if word == "case" {
            cases.push(Case { title: rest.to_owned(), stream: Vec::new(), outcome: Outcome::default() });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{place}: begin with a `case` line"));
        let values = strings(rest).unwrap_or_else(|| panic!("{place}: can't read the strings of {rest:?}"));
        let texts: Vec<String> =
            values.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect();
        match (word, &texts[..]) {
            // A stream can be written on several lines.
            ("stream", [_, ..]) => case.stream.extend(values.concat()),
            ("event", [event_type, data]) => {
                let id = case.outcome.events.last().map(|event| event.2.clone()).unwrap_or_default();
                case.outcome.events.push((event_type.clone(), data.clone(), id));
            }
            ("event", [event_type, data, id]) => {
                case.outcome.events.push((event_type.clone(), data.clone(), id.clone()));
                case.outcome.last_event_id.clone_from(id);
            }
            ("id", [id]) => case.outcome.last_event_id.clone_from(id),
            ("retry", [millis]) => {
                let millis = millis.parse().unwrap_or_else(|_| panic!("{place}: not a number"));
                case.outcome.reconnection_time = Some(Duration::from_millis(millis));
            }
            _ => panic!("{place}: can't read {line:?}"),
        }
    }
    cases
}

/// Returns the quoted strings of a line. They are written as Rust literals of bytes; `\u{…}` is allowed as well.
fn strings(line: &str) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = line.trim();
    while !rest.is_empty() {
        let mut bytes = Vec::new();
        let mut chars = rest.strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => escape(&mut chars, &mut bytes)?,
                char => bytes.extend(char.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
        found.push(bytes);
        rest = chars.as_str().trim_start();
    }
    Some(found)
}

fn escape(chars: &mut std::str::Chars<'_>, bytes: &mut Vec<u8>) -> Option<()> {
    match chars.next()? {
        'n' => bytes.push(b'\n'),
        'r' => bytes.push(b'\r'),
        't' => bytes.push(b'\t'),
        '0' => bytes.push(0),
        char @ ('"' | '\\') => bytes.push(char as u8),
        'x' => {
            let (digits, rest) = chars.as_str().split_at_checked(2)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            *chars = rest.chars();
        }
        'u' => {
            let (digits, rest) = chars.as_str().strip_prefix('{')?.split_once('}')?;
            let char = char::from_u32(u32::from_str_radix(digits, 16).ok()?)?;
            bytes.extend(char.encode_utf8(&mut [0; 4]).bytes());
            *chars = rest.chars();
        }
        _ => return None,
    }
    Some(())
}
