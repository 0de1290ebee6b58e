//! How the input becomes events.

use std::borrow::Cow;

use sse_server::{EventId, EventType};

use super::hub_ids;
use crate::envelope::Envelope;

/// What the input is.
#[derive(Debug)]
pub(super) enum Form {
    /// The data of an event with this type and this id.
    Data { event_type: Option<String>, id: Option<String> },
    /// An [`Envelope`], whose id may come from another hub.
    Json { ids: Ids },
}

/// What becomes of the ids in lines of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    /// Those that publishers gave are sent, those that hubs gave are left out.
    OfPublishers,
    /// All are left out.
    LeftOut,
}

impl Form {
    /// The event, as the hub takes it, in one line.
    pub(super) fn json(&self, text: &str) -> Result<String, String> {
        let envelope = match self {
            Self::Data { event_type, id } => Envelope {
                event_type: event_type.as_deref().map(Cow::Borrowed),
                id: id.as_deref().map(Cow::Borrowed),
                data: text.into(),
                ..Envelope::default()
            },
            Self::Json { ids } => {
                let Envelope { event_type, id, data, .. } = envelope(text)?;
                let id = id.filter(|id| *ids == Ids::OfPublishers && !hub_ids::is_a_hubs(id));
                Envelope { event_type, id, data, ..Envelope::default() }
            }
        };
        serde_json::to_string(&envelope).map_err(|error| error.to_string())
    }

    /// Returns whether empty lines are skipped.
    pub(super) fn skips_empty_lines(&self) -> bool {
        matches!(self, Self::Json { .. })
    }

    /// Leaves out all ids from now on. Returns whether that changes anything: an id from the command line stays.
    pub(super) fn leave_out_ids(&mut self) -> bool {
        match self {
            Self::Json { ids } if *ids != Ids::LeftOut => {
                *ids = Ids::LeftOut;
                true
            }
            Self::Json { .. } | Self::Data { .. } => false,
        }
    }
}

/// The event in this line of JSON, without its id; `None` if it has no id.
pub(super) fn without_id(json: &str) -> Option<String> {
    let mut envelope: Envelope<'_> = serde_json::from_str(json).ok()?;
    envelope.id.take()?;
    serde_json::to_string(&envelope).ok()
}

fn envelope(text: &str) -> Result<Envelope<'_>, String> {
    let envelope: Envelope<'_> = serde_json::from_str(text).map_err(|error| {
        let said = error.to_string();
        // The user counts lines in another way.
        let what = said.rsplit_once(" at line ").map_or(&*said, |(what, _)| what);
        format!(
            "{what}, at column {}; write {{\"data\":\"…\"}}, with type and id if you like",
            error.column()
        )
    })?;
    let checked = envelope.event_type.as_deref().map(event_type).transpose();
    checked.map_err(|error| format!("the type: {error}"))?;
    let checked = envelope.id.as_deref().map(event_id).transpose();
    checked.map_err(|error| format!("the id: {error}"))?;
    Ok(envelope)
}

/// The type, if it can be one.
pub(super) fn event_type(text: &str) -> Result<String, String> {
    EventType::try_from(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// The id, if it can be one.
pub(super) fn event_id(text: &str) -> Result<String, String> {
    EventId::try_from(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(form: &Form, text: &str, expected: Result<&str, &str>) {
        let found = form.json(text);
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            _ => panic!("{found:?}"),
        }
    }

    #[test]
    fn a_text_is_data() {
        let plain = Form::Data { event_type: None, id: None };
        check(&plain, "Hello", Ok(r#"{"data":"Hello"}"#));
        check(&plain, "", Ok(r#"{"data":""}"#));
        check(&plain, "two\nlines\r\0 \"é\" \\", Ok(r#"{"data":"two\nlines\r\u0000 \"é\" \\"}"#));
        let price = Form::Data { event_type: Some("price".to_owned()), id: Some("7".to_owned()) };
        check(&price, "1250", Ok(r#"{"type":"price","id":"7","data":"1250"}"#));
    }

    #[test]
    fn json_is_checked_before_it_is_sent() {
        let check = |text, expected| check(&Form::Json { ids: Ids::OfPublishers }, text, expected);
        check(r#"{"id":"7","type":"price","data":"1250"}"#, Ok(r#"{"type":"price","id":"7","data":"1250"}"#));
        check(" { \"data\" :\n{\"tea\":\n1250} }\r", Ok(r#"{"data":"{\"tea\":\n1250}"}"#));
        check(r#"{"type":"","id":"","data":""}"#, Ok(r#"{"type":"","id":"","data":""}"#));
        check("Hello", Err("expected value, at column 1; write {\"data\""));
        check(r#"{"data":"a""#, Err("EOF while parsing an object, at column 11"));
        check(r#"{"type":"a"}"#, Err("missing field `data`, at column 12"));
        check(r#"{"data":"a"} {}"#, Err("trailing characters, at column 14"));
        check(r#"{"topic":"b","time":"2026-01-01T00:00:00Z","data":"a"}"#, Ok(r#"{"data":"a"}"#));
        check(r#"{"data":"a","topics":"b"}"#, Err("unknown field `topics`"));
        check(r#"{"data":"a","type":"b\nc"}"#, Err("the type: "));
        check(r#"{"data":"a","id":"b\u0000"}"#, Err("the id: "));
    }

    #[test]
    fn only_ids_of_publishers_are_sent_and_none_when_they_are_left_out() {
        let mut form = Form::Json { ids: Ids::OfPublishers };
        check(&form, r#"{"id":"order-7","data":"a"}"#, Ok(r#"{"id":"order-7","data":"a"}"#));
        check(&form, r#"{"id":"31043490a327-6","data":"a"}"#, Ok(r#"{"data":"a"}"#));
        check(&form, r#"{"id":"1732550000000-7","data":"a"}"#, Ok(r#"{"data":"a"}"#));
        assert!(form.leave_out_ids());
        assert!(!form.leave_out_ids(), "it is done");
        check(&form, r#"{"id":"order-7","data":"a"}"#, Ok(r#"{"data":"a"}"#));
        let mut given = Form::Data { event_type: None, id: Some("order-7".to_owned()) };
        assert!(!given.leave_out_ids(), "the user wants it");
        assert_eq!(without_id(r#"{"type":"b","id":"7","data":"a"}"#).unwrap(), r#"{"type":"b","data":"a"}"#);
        assert_eq!(without_id(r#"{"data":"a"}"#), None);
    }
}
