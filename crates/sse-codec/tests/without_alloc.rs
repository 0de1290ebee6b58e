//! The encoder writes into slices, as a program without an allocator uses it. With an allocator, the same code
//! compiles.

use core::time::Duration;

use sse_codec::{EventId, EventType, Message};

const TICK: EventType<'static> = EventType::from_static("tick");

#[test]
fn a_message_is_written_to_a_slice() {
    let message = Message::new("1\n2").event_type(TICK).id(EventId::from_static("7"));
    let message = message.reconnection_time(Duration::from_secs(1)).comment("hi");
    let mut buffer = [0; 64];
    let length = message.encode_to_slice(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b": hi\nevent: tick\ndata: 1\ndata: 2\nid: 7\nretry: 1000\n\n");
    assert_eq!(length, message.encoded_len());
}

#[test]
fn a_slice_that_is_too_short_is_not_changed() {
    let mut buffer = [b'x'; 8];
    let error = Message::new("123").encode_to_slice(&mut buffer).unwrap_err();
    assert_eq!(error.to_string(), "the slice is too short for the message, which takes 11 bytes");
    assert_eq!(&buffer, b"xxxxxxxx");
}

#[test]
fn text_that_would_end_its_field_is_refused() {
    let text = String::from("a\nb");
    assert!(EventType::new(&text).is_err());
    assert!(EventId::new(&text).is_err());
}

#[test]
fn an_id_can_be_a_number() {
    const FIRST: EventId<'static> = EventId::from_number(0);
    let mut buffer = [0; 64];
    let length = Message::new("a").id(EventId::from(u64::MAX)).encode_to_slice(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"data: a\nid: 18446744073709551615\n\n");
    assert_eq!(FIRST.as_str(), "0");
    assert_eq!(FIRST, EventId::from_static("0"));
    assert!(FIRST < EventId::from(9));
}

#[test]
fn a_message_of_any_length_is_formatted() {
    for len in [0, 400, 500, 505, 506, 600, 2000] {
        let data = "é\n".repeat(len) + &"x".repeat(len);
        let message = Message::new(&*data).event_type(TICK);
        let mut buffer = vec![0; message.encoded_len()];
        message.encode_to_slice(&mut buffer).unwrap();
        assert_eq!(message.to_string().as_bytes(), buffer);
    }
}
