//! Entries as Redis sends them.

use std::sync::Arc;

use sse_server::log::{Entry, Position, Record, timed};

/// An id, and the fields with their values.
pub(crate) type RawEntry = (String, Vec<(String, Vec<u8>)>);

/// What an entry says; `None` if its id can't be one of this crate's, so that there is no place for it.
pub(crate) fn entry((id, fields): RawEntry) -> Option<Entry> {
    let Some(position) = timed::parse(&id) else {
        skipped(&id, "its id is not one that this crate gives");
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
            skipped(&id, "its event is not one in the form of the wire");
            None
        }
        None => {
            skipped(&id, "it has no topic or no event");
            None
        }
    };
    // Where it is not known what an entry was appended behind, that is not what any reader has seen: it is a gap.
    let previous = previous.unwrap_or(Position::new(position.get().saturating_sub(1)));
    Some(Entry::new(position, previous, record))
}

fn text(value: Vec<u8>) -> Option<Arc<str>> {
    String::from_utf8(value).ok().map(Arc::from)
}

#[cfg(feature = "tracing")]
pub(crate) fn skipped(id: &str, reason: &'static str) {
    tracing::warn!(id, reason, "an entry of the stream is passed over");
}

#[cfg(not(feature = "tracing"))]
pub(crate) fn skipped(_id: &str, _reason: &'static str) {}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an entry with these fields: its topic, key and event, and what it is behind.
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
    fn what_is_no_message_keeps_its_place() {
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
    fn an_id_of_others_has_no_place() {
        assert_eq!(entry(("7-9999999".to_owned(), vec![])), None);
    }
}
