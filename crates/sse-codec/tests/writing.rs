//! The writing rules E1 to E11, one by one.

#![cfg(feature = "alloc")]

use std::time::Duration;

use sse_codec::{Decoder, Event, EventId, EventType, Field, InvalidField, Message};

#[track_caller]
fn check(message: &Message<'_>, expected: &str) {
    assert_eq!(message.to_string(), expected);
}

#[test]
fn e1_an_event_is_fields_and_an_empty_line() {
    check(
        &Message::new("d")
            .comment("c")
            .event_type(EventType::from_static("t"))
            .id(EventId::from(1))
            .reconnection_time(Duration::from_secs(2)),
        ": c\nevent: t\ndata: d\nid: 1\nretry: 2000\n\n",
    );
}

#[test]
fn e2_a_value_may_have_any_characters_but_line_endings() {
    check(&Message::new("a:b\0\u{85}\u{2028}"), "data: a:b\0\u{85}\u{2028}\n\n");
}

#[test]
fn e3_data_is_cut_at_every_kind_of_line_ending() {
    check(&Message::new("a\nb\rc\r\nd\n\re"), "data: a\ndata: b\ndata: c\ndata: d\ndata:\ndata: e\n\n");
    check(&Message::new("a\n"), "data: a\ndata:\n\n");
    check(&Message::new("\r\n"), "data:\ndata:\n\n");
}

#[test]
fn e4_a_space_at_the_start_is_kept() {
    check(&Message::new(" a"), "data:  a\n\n");
    check(&Message::new(" "), "data:  \n\n");
}

#[test]
fn e5_type_and_id_refuse_bytes_that_would_end_the_field() {
    for (text, byte, position) in [("a\nb", b'\n', 1), ("\r", b'\r', 0), ("é\r\n", b'\r', 2)] {
        for error in [EventType::new(text).unwrap_err(), EventId::new(text).unwrap_err()] {
            let InvalidField::Byte { byte: found, position: place, .. } = error else { panic!("{error:?}") };
            assert_eq!((found, place), (byte, position), "{text:?}");
        }
    }
    assert_eq!(
        EventId::new("a\0").unwrap_err().to_string(),
        "NUL at byte 1 can't be written in the field `id`; remove it or escape it"
    );
    assert!(EventType::new("a\0").is_ok(), "NUL in a type is text");
    assert!(EventType::try_from(String::from("a\n")).is_err());
}

#[test]
fn e6_the_default_type_is_not_written() {
    check(&Message::new("a"), "data: a\n\n");
    let mut decoder = Decoder::new();
    let mut input = &b"event: message\ndata: a\n\n"[..];
    assert_eq!(decoder.next_event(&mut input).unwrap().unwrap().to_event(), Event::new("a"));
    let mut event = Event::new("a");
    event.set_event_type(&EventType::MESSAGE);
    assert_eq!(event, Event::new("a"));
    assert_eq!(event.to_string(), "data: a\n\n");
}

#[test]
fn e7_empty_data_is_written_and_no_data_is_not() {
    check(&Message::new(""), "data:\n\n");
    check(&Message::empty(), "\n");
}

#[test]
fn e8_an_empty_id_is_not_the_same_as_no_id() {
    check(&Message::new("a").id(EventId::from_static("")), "data: a\nid:\n\n");
}

#[test]
fn e9_retry_is_whole_milliseconds() {
    check(&Message::empty().reconnection_time(Duration::from_micros(1500)), "retry: 2\n\n");
    check(&Message::empty().reconnection_time(Duration::MAX), "retry: 9007199254740991\n\n");
}

#[test]
fn e10_a_comment_is_a_line_or_several() {
    check(&Message::empty().comment("a\nb\rc"), ": a\n: b\n: c\n\n");
    check(&Message::empty().comment(""), ":\n\n");
    assert_eq!(Field::Comment("ping").to_string(), ": ping\n");
}

#[test]
fn e11_every_message_ends_its_event() {
    let mut decoder = Decoder::new();
    let bytes = Message::new("a").to_vec();
    assert!(decoder.next_event(&mut &bytes[..]).unwrap().is_some());
}

#[test]
fn an_event_is_formatted_as_it_is_sent() {
    let wire = "event: t\ndata: a\ndata: b\nid: 1\n\n";
    let mut decoder = Decoder::new();
    let mut input = wire.as_bytes();
    let event = decoder.next_event(&mut input).unwrap().unwrap();
    assert_eq!(event.to_string(), wire);
    assert_eq!(event.to_event().to_string(), wire);
    assert_eq!(event.data_lines().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(Message::from(&event.to_event()).to_string(), wire);
}

/// Decodes `stream` and checks the message of its last event, from each form of the event.
#[track_caller]
fn check_message_of_event(stream: &str, expected: &str) {
    let mut decoder = Decoder::new();
    let mut input = stream.as_bytes();
    let mut last = None;
    while let Some(event) = decoder.next_event(&mut input).unwrap() {
        assert_eq!(Message::from(event), Message::from(&event.to_event()), "{stream:?}");
        assert_eq!(Message::from(event), Message::from(event.to_event()), "{stream:?}");
        last = Some(event.to_event());
    }
    let event = last.expect("the stream has an event");
    check(&event.clone().into(), expected);

    let mut decoder = Decoder::new();
    decoder.set_last_event_id(&EventId::new(event.last_event_id()).unwrap());
    assert_eq!(
        decoder.next_event(&mut expected.as_bytes()).unwrap().unwrap().to_event(),
        event,
        "{stream:?}"
    );
}

#[test]
fn the_message_of_an_event_has_its_type_its_data_and_its_last_event_id() {
    check_message_of_event("data: a\n\n", "data: a\n\n");
    check_message_of_event("data\n\n", "data:\n\n");
    check_message_of_event("data:  a\ndata\ndata: b\n\n", "data:  a\ndata:\ndata: b\n\n");
    check_message_of_event("event: t\nid: 1\ndata: a\n\n", "event: t\ndata: a\nid: 1\n\n");
}

#[test]
fn the_message_of_an_event_has_no_field_for_the_default_type() {
    check_message_of_event("event: message\ndata: a\n\n", "data: a\n\n");
    check_message_of_event("event\ndata: a\n\n", "data: a\n\n");
}

#[test]
fn the_message_of_an_event_without_an_id_has_the_id_before_it_or_no_id() {
    check_message_of_event("id: 1\ndata: a\n\ndata: b\n\n", "data: b\nid: 1\n\n");
    check_message_of_event("id: 1\n\ndata: b\n\n", "data: b\nid: 1\n\n");
    check_message_of_event("id: 1\ndata: a\n\nid\ndata: b\n\n", "data: b\n\n");
    check_message_of_event("id: 1\0\ndata: a\n\n", "data: a\n\n");
}

#[test]
fn the_message_of_an_event_has_no_comment_and_no_reconnection_time() {
    check_message_of_event(": c\nretry: 10\ndata: a\n\n", "data: a\n\n");
}

#[test]
fn the_message_of_an_event_can_have_the_longest_type_and_id() {
    let [event_type, id] = [EventType::MAX_LEN, EventId::MAX_LEN].map(|len| "x".repeat(len));
    let wire = format!("event: {event_type}\ndata: a\nid: {id}\n\n");
    check_message_of_event(&wire, &wire);
}

#[test]
fn line_endings_in_the_data_of_an_event_become_lf() {
    let mut event = Event::new("a\rb\r\nc");
    event.set_last_event_id(&EventId::from(1));
    check(&Message::from(event), "data: a\ndata: b\ndata: c\nid: 1\n\n");
}

#[test]
fn an_owned_message_is_the_same() {
    let text = |text: &str| String::from(text);
    let [data, event_type, id, comment] = ["d", "t", "1", "c"].map(text);
    let message = Message::new(&data)
        .comment(&comment)
        .event_type(EventType::new(&event_type).unwrap())
        .id(EventId::new(&id).unwrap())
        .reconnection_time(Duration::from_secs(1));
    assert_eq!(message.clone().into_owned(), message);
}

#[test]
fn an_owned_event_can_be_changed_and_emptied() {
    let mut event = Event::new("a");
    event.set_event_type(&EventType::from_static("t"));
    event.set_last_event_id(&EventId::from(1));
    event.set_data("b");
    assert_eq!((event.event_type(), event.data(), event.last_event_id()), ("t", "b", "1"));
    event.set_event_type(&EventType::from_static("longer"));
    event.set_data("c and more");
    event.set_last_event_id(&EventId::from_static("23"));
    assert_eq!((event.event_type(), event.data(), event.last_event_id()), ("longer", "c and more", "23"));
    event.set_last_event_id(&EventId::from_static(""));
    event.set_event_type(&EventType::MESSAGE);
    assert_eq!(event, Event::new("c and more"));
    assert_eq!(format!("{event:?}"), r#"Event { event_type: "", data: "c and more", last_event_id: "" }"#);
    event.clear();
    assert_eq!(event, Event::default());
    assert_eq!(event.event_type(), "message");
}

#[cfg(feature = "bytes")]
#[test]
fn a_field_is_appended_to_a_buffer() {
    let mut buffer = b"data: a\n".to_vec();
    Field::Data("b\nc").encode(&mut buffer);
    assert_eq!(buffer, b"data: a\ndata: b\ndata: c\n");
}

/// Keeps each write, as a socket would make it.
struct Writes(Vec<String>);

impl std::io::Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn formatting_makes_one_write() {
    use std::io::Write as _;

    #[track_caller]
    fn check_one_write(shown: &impl std::fmt::Display, expected: &str) {
        let mut writes = Writes(Vec::new());
        write!(writes, "{shown}").unwrap();
        assert_eq!(writes.0, [expected]);
    }

    for len in [0, 1, 400, 490, 500, 510, 600, 5000] {
        let data = "é\n".repeat(len);
        let message =
            Message::new(&data).comment("c").event_type(EventType::from_static("t")).id(EventId::from(1));
        let wire = String::from_utf8(message.to_vec()).unwrap();
        check_one_write(&message, &wire);
        check_one_write(&Field::Data(&data), &wire[": c\nevent: t\n".len()..wire.len() - "id: 1\n\n".len()]);

        let message = Message::new(&data);
        let wire = String::from_utf8(message.to_vec()).unwrap();
        let event = Event::new(&data);
        check_one_write(&event, &wire);
        check_one_write(&event.as_borrowed(), &wire);

        let line = "x".repeat(len) + "\n";
        let mut decoder = sse_codec::LineDecoder::new();
        check_one_write(&decoder.next_line(&mut line.as_bytes()).unwrap().unwrap(), &line);
    }
}

#[test]
fn messages_and_fields_are_appended_to_a_vector() {
    let mut buffer = b": c\n".to_vec();
    Message::new("a\nb").encode_to_vec(&mut buffer);
    Field::Data("c").encode_to_vec(&mut buffer);
    assert_eq!(buffer, b": c\ndata: a\ndata: b\n\ndata: c\n");
}
