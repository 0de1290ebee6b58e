//! Data as JSON.

#![cfg(feature = "json")]

use std::collections::BTreeMap;

use sse_codec::{Decoder, Event, EventType, Message};

#[test]
fn a_written_value_is_read_again() {
    let value = BTreeMap::from([("text", "a\nb\r\n\u{2028}"), ("更", "\"\\\0")]);
    let bytes = Message::json(&value).unwrap().event_type(EventType::from_static("map")).to_vec();
    let mut decoder = Decoder::new();
    let mut input = &bytes[..];
    let event = decoder.next_event(&mut input).unwrap().unwrap();
    assert_eq!(event.event_type(), "map");
    let read: BTreeMap<String, String> = event.json().unwrap();
    assert!(read.iter().map(|(key, value)| (&**key, &**value)).eq(value));
}

#[test]
fn json_over_several_lines_is_read() {
    assert_eq!(Event::new("[1,\n2]").json::<[u8; 2]>().unwrap(), [1, 2]);
}

#[test]
fn text_without_escapes_is_borrowed() {
    let event = Event::new(r#""plain""#);
    assert_eq!(event.json::<&str>().unwrap(), "plain");
}

#[test]
fn an_error_names_the_type_and_the_position() {
    let mut event = Event::new("[1,\n\"x\"]");
    event.set_event_type(&EventType::from_static("numbers"));
    let error = event.json::<Vec<u8>>().unwrap_err();
    assert_eq!(error.event_type(), Some("numbers"));
    let text = error.to_string();
    assert!(text.starts_with("the data of an event of type `numbers` is not the expected JSON: "), "{text}");
    assert!(text.ends_with("at line 2 column 3"), "{text}");
}

#[test]
fn a_value_that_can_not_be_json_is_an_error() {
    let error = Message::json(&BTreeMap::from([([1u8], 2)])).unwrap_err();
    assert_eq!(error.event_type(), None);
    assert!(error.to_string().starts_with("the value can't be written as JSON: "), "{error}");
}
