//! An event as a line of JSON: `listen --json` prints it, `publish --json` reads it, and the hub accepts it in batches
//! and sends it on request.

use std::borrow::Cow;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;

/// An event as an object of JSON, `{"type":"price","id":"7","data":"1250"}`; only the data is required. Data that is
/// not a string is taken as the JSON that it is: `{"data":{"tea":1250}}` has the data `{"tea":1250}`.
///
/// The topic and the time say where an event was read, and when it was published there. A publisher names the topic in
/// the URL, so both are ignored there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope<'a> {
    /// The topic that the event is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<Cow<'a, str>>,
    /// When it was published, or, in the output of a listener, when it came; in the form of RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<Cow<'a, str>>,
    /// The event type; without it, `message`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_type: Option<Cow<'a, str>>,
    /// The event's id. A hub gives an id to an event that has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Cow<'a, str>>,
    /// The data.
    #[serde(borrow, deserialize_with = "text")]
    pub(crate) data: Cow<'a, str>,
}

/// Returns the text of a time, as RFC 3339 has it, in milliseconds.
pub(crate) fn time(time: SystemTime) -> Option<String> {
    Timestamp::try_from(time).ok().map(|time| format!("{time:.3}"))
}

/// The header by which a client asks for data in this form, and by which a hub says that the data has it: `json`.
pub(crate) const HEADER: &str = "sse-envelope";

/// The content type of such lines.
pub(crate) const JSON_LINES: &str = "application/x-ndjson";

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cow<'de, str>, D::Error> {
    let json = <&RawValue>::deserialize(deserializer)?.get();
    if json.starts_with('"') {
        serde_json::from_str(json).map_err(de::Error::custom)
    } else {
        Ok(json.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expected: Option<(Option<&str>, Option<&str>, &str)>) {
        let envelope: Result<Envelope<'_>, _> = serde_json::from_str(json);
        let found = envelope.as_ref().ok();
        let found = found.map(|found| (found.event_type.as_deref(), found.id.as_deref(), &*found.data));
        assert_eq!(found, expected, "{json}: {envelope:?}");
    }

    #[test]
    fn only_the_data_must_be_there_and_it_may_be_any_json() {
        check(r#"{"data":"a"}"#, Some((None, None, "a")));
        check(r#"{"data":"two\nlines \u00e9 \ud83d\ude00"}"#, Some((None, None, "two\nlines é 😀")));
        check(r#"{"type":"price","id":"7","data":"a"}"#, Some((Some("price"), Some("7"), "a")));
        check(r#"{"data":{"tea": 1250}}"#, Some((None, None, r#"{"tea": 1250}"#)));
        check(r#"{"data":7}"#, Some((None, None, "7")));
        check(r#"{"data":null}"#, Some((None, None, "null")));
        check(r#"{"data":""}"#, Some((None, None, "")));
        check(r#"{"type":null,"data":"a"}"#, Some((None, None, "a")));
        check(r#"{"type":"price"}"#, None);
        check(r#"{"topic":"b","time":"2026-01-01T00:00:00Z","data":"a"}"#, Some((None, None, "a")));
        check(r#"{"data":"a","topics":"b"}"#, None);
        check(r#"{"data":"\ud800"}"#, None);
        check(r#""a""#, None);
    }

    #[test]
    fn what_is_written_is_read() {
        let envelope = Envelope { id: Some("7".into()), data: "{\"a\":\n1}".into(), ..Envelope::default() };
        let json = serde_json::to_string(&envelope).unwrap();
        assert_eq!(json, r#"{"id":"7","data":"{\"a\":\n1}"}"#);
        assert_eq!(serde_json::from_str::<Envelope<'_>>(&json).unwrap(), envelope);
    }
}
