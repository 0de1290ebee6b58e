//! An encoded message is decoded as it was written. Its text never ends its field.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::{cut, decode};
use libfuzzer_sys::fuzz_target;
use sse_codec::{EventId, EventType, Message};

fuzz_target!(|input: (&str, &str, &str, &str, Vec<u8>)| {
    let (data, event_type, id, comment, lengths) = input;
    let mut message = Message::new(data).comment(comment);
    let mut expected = ("message".to_owned(), data.replace("\r\n", "\n").replace('\r', "\n"), String::new());
    if let Ok(event_type) = EventType::new(event_type) {
        if !event_type.as_str().is_empty() {
            event_type.as_str().clone_into(&mut expected.0);
        }
        message = message.event_type(event_type);
    }
    if let Ok(id) = EventId::new(id) {
        id.as_str().clone_into(&mut expected.2);
        message = message.id(id);
    }
    let bytes = message.to_bytes();
    assert_eq!(bytes.len(), message.encoded_len());
    assert_eq!(decode(cut(&bytes, &lengths)).events, [expected]);
});
