//! Converts entries as Redis sends them.

use std::sync::Arc;

use sse_server::log::{Entry, Position, Record, timed};

/// The id of an entry, and its fields with their values.
pub(crate) type RawEntry = (String, Vec<(String, Vec<u8>)>);

/// Converts an entry. Returns `None` if its id can't be converted to a position.
pub(crate) fn entry((id, fields): RawEntry) -> Option<Entry> {
    let Some(position) = timed::parse(&id) else {
        skipped(&id, "its id can't be converted to a position");
        return None;
    };
    let (mut topic, mut key, mut event, mut previous) = (None, None, None, None);
    for (name, value) in fields {
        match name.as_str() {
            "topic" => topic = text(value),
            "key" => key = text(value),
            "event" => event = Some(value),
            "previous" => previous = text(value).and_then(|id| timed::parse(&id)),
            _ => {}
        }
    }
    let record = topic.zip(event).map(|(topic, event)| Record::from_parts(topic, key, event.into()));
    let record = match record {
        Some(Ok(record)) => Some(record),
        Some(Err(_)) => {
            skipped(&id, "its field `event` is not an event without an id");
            None
        }
        None => {
            skipped(&id, "it has no field `topic` or no field `event`");
            None
        }
    };
    // An entry without a valid `previous` is a gap for every reader.
    let previous = previous.unwrap_or(Position::new(position.get().saturating_sub(1)));
    Some(Entry::new(position, previous, record))
}

fn text(value: Vec<u8>) -> Option<Arc<str>> {
    String::from_utf8(value).ok().map(Arc::from)
}

#[cfg(feature = "tracing")]
pub(crate) fn skipped(id: &str, reason: &'static str) {
    tracing::warn!(id, reason, "an entry of the stream is skipped");
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn skipped(_id: &str, _reason: &'static str) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the record of an entry with these fields (its topic, key and event), and the entry before it.
    #[track_caller]
    fn check(fields: &[(&str, &str)], record: Option<(&str, Option<&str>, &str)>, previous: &str) {
        let fields =
            fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let entry = entry(("7-1".to_owned(), fields)).unwrap();
        assert_eq!(
            (timed::text(entry.position), timed::text(entry.previous)),
            ("7-1".to_owned(), previous.to_owned())
        );
        let seen = entry.record.as_ref();
        let seen = seen.map(|it| (it.topic(), it.key(), std::str::from_utf8(it.fields()).unwrap()));
        assert_eq!(seen, record);
    }

    #[test]
    fn an_entry_is_a_message_and_a_link() {
        let whole = [("topic", "t"), ("event", "data: x\n"), ("previous", "7-0")];
        check(&whole, Some(("t", None, "data: x\n")), "7-0");
        let keyed = [("topic", "t"), ("event", "data: x\n"), ("previous", "6-3"), ("key", "")];
        check(&keyed, Some(("t", Some(""), "data: x\n")), "6-3");
    }

    #[test]
    fn an_entry_that_is_not_a_message_keeps_its_position() {
        check(&[], None, "7-0");
        check(&[("topic", "t"), ("previous", "6-2")], None, "6-2");
        check(&[("event", "data: x\n"), ("previous", "6-2")], None, "6-2");
        check(&[("topic", "t"), ("event", "data: x\n\ndata: y\n"), ("previous", "6-2")], None, "6-2");
        check(
            &[("topic", "t"), ("event", "data: x\n"), ("previous", "?")],
            Some(("t", None, "data: x\n")),
            "7-0",
        );
    }

    #[test]
    fn an_id_that_is_not_a_position_is_skipped() {
        assert_eq!(entry(("7-9999999".to_owned(), vec![])), None);
    }
}
