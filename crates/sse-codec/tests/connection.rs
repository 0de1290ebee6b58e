//! `reset` and `set_last_event_id`: what stays for the next connection, and what is dropped.

#![cfg(feature = "alloc")]

use std::time::Duration;

use sse_codec::{Decoder, EventId};

fn feed(decoder: &mut Decoder, stream: &str) -> Vec<(String, String)> {
    let mut input = stream.as_bytes();
    let mut events = Vec::new();
    while let Some(event) = decoder.next_event(&mut input).unwrap() {
        events.push((event.data().to_owned(), event.last_event_id().to_owned()));
    }
    events
}

fn event(data: &str, id: &str) -> (String, String) {
    (data.to_owned(), id.to_owned())
}

#[test]
fn the_id_and_the_reconnection_time_stay() {
    let mut decoder = Decoder::new();
    feed(&mut decoder, "id: 1\nretry: 5\ndata: a\n\n");
    decoder.reset();
    assert_eq!(decoder.last_event_id(), "1");
    assert_eq!(decoder.reconnection_time(), Some(Duration::from_millis(5)));
    assert_eq!(feed(&mut decoder, "data: b\n\n"), [event("b", "1")]);
}

#[test]
fn the_unfinished_event_is_dropped() {
    for unfinished in
        ["id: 2\nevent: x\ndata: a\n", "id: 2\nda", "data: a", "data: a\r", "\u{feff}", "id: 2", "x"]
    {
        let mut decoder = Decoder::new();
        feed(&mut decoder, "id: 1\n\n");
        feed(&mut decoder, unfinished);
        decoder.reset();
        assert_eq!(feed(&mut decoder, "\ndata: b\n\n"), [event("b", "1")], "{unfinished:?}");
    }
}

#[test]
fn a_byte_order_mark_is_dropped_again() {
    let mut decoder = Decoder::new();
    assert_eq!(feed(&mut decoder, "\u{feff}data: a\n\n"), [event("a", "")]);
    decoder.reset();
    assert_eq!(feed(&mut decoder, "\u{feff}data: b\n\n"), [event("b", "")]);
}

#[test]
fn setting_the_id_drops_the_id_of_an_unfinished_block() {
    for unfinished in ["id: 12", "id: 12\n", "id: 1\nid: 2"] {
        let mut decoder = Decoder::new();
        feed(&mut decoder, unfinished);
        decoder.set_last_event_id(&EventId::from(7));
        assert_eq!(feed(&mut decoder, "34\n\ndata: a\n\n"), [event("a", "7")], "{unfinished:?}");
    }
}

#[test]
fn a_stored_id_is_the_first_last_event_id() {
    let mut decoder = Decoder::new();
    decoder.set_last_event_id(&EventId::from(41));
    assert_eq!(decoder.last_event_id(), "41");
    assert_eq!(feed(&mut decoder, "data: a\n\nid: 42\ndata: b\n\n"), [event("a", "41"), event("b", "42")]);
}
