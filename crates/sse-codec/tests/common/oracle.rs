//! The standard's algorithm to the letter (9.2.6), for whole streams only. It is clear and slow, and the decoder is
//! compared with it.
//!
//! It decodes all bytes, then splits the lines, and then takes the standard's steps in the standard's order.

use std::time::Duration;

/// The result of a whole stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Type, data and last event ID of each dispatched event.
    pub events: Vec<(String, String, String)>,
    pub last_event_id: String,
    pub reconnection_time: Option<Duration>,
}

/// An item of a stream: an event, a comment, an id or a reconnection time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Type, data and last event ID.
    Event(String, String, String),
    Comment(String),
    /// The id of a block without an event.
    LastEventId(String),
    ReconnectionTime(Duration),
}

pub fn items(stream: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    follow(lines(stream).iter().map(String::as_str), |item| items.push(item));
    items
}

pub fn interpret(stream: &[u8]) -> Outcome {
    dispatch(lines(stream).iter().map(String::as_str))
}

/// Returns the result of the lines of a stream.
pub fn dispatch<'l>(lines: impl IntoIterator<Item = &'l str>) -> Outcome {
    follow(lines, |_| {})
}

fn follow<'l>(lines: impl IntoIterator<Item = &'l str>, mut tell: impl FnMut(Item)) -> Outcome {
    let mut outcome = Outcome::default();
    let mut has_id = false;
    let (mut data, mut event_type, mut id) = (String::new(), String::new(), String::new());

    for line in lines {
        if line.is_empty() {
            outcome.last_event_id.clone_from(&id);
            let commits_id = std::mem::take(&mut has_id);
            if data.is_empty() {
                event_type.clear();
                if commits_id {
                    tell(Item::LastEventId(id.clone()));
                }
                continue;
            }
            data.pop();
            let event_type = std::mem::take(&mut event_type);
            let event_type = if event_type.is_empty() { "message".to_owned() } else { event_type };
            tell(Item::Event(event_type.clone(), data.clone(), id.clone()));
            outcome.events.push((event_type, std::mem::take(&mut data), id.clone()));
            continue;
        }
        let (name, value) = match line.split_once(':') {
            None => (line, ""),
            Some(("", comment)) => {
                tell(Item::Comment(comment.strip_prefix(' ').unwrap_or(comment).to_owned()));
                continue;
            }
            Some((name, value)) => (name, value.strip_prefix(' ').unwrap_or(value)),
        };
        match name {
            "event" => value.clone_into(&mut event_type),
            "data" => data.extend([value, "\n"]),
            "id" if !value.contains('\0') => {
                value.clone_into(&mut id);
                has_id = true;
            }
            "retry" if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => {
                // Greater numbers are cut to 2^53 - 1 (a decision of this project).
                let millis = value.parse().unwrap_or(u64::MAX).min((1 << 53) - 1);
                outcome.reconnection_time = Some(Duration::from_millis(millis));
                tell(Item::ReconnectionTime(Duration::from_millis(millis)));
            }
            _ => {}
        }
    }
    outcome
}

/// Returns the lines that end with CRLF, LF or CR. The text after the last ending is dropped.
pub fn lines(stream: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stream);
    let mut text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut lines = Vec::new();
    while let Some(end) = text.find(['\r', '\n']) {
        lines.push(text[..end].to_owned());
        let rest = &text[end..];
        text = rest.strip_prefix("\r\n").unwrap_or(&rest[1..]);
    }
    lines
}
