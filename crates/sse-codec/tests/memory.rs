//! Memory that is given back after a large event, and what must stay.

#![cfg(feature = "alloc")]

use sse_codec::{Decoder, LineDecoder};

/// Shrinks a decoder after `before`, which has one event of 100 kB, and returns the data of the event that `after` ends.
#[track_caller]
fn check(before: &str, after: &str, expected: [&str; 3]) {
    let large = format!("event: e\nid: 1\ndata: {}\n\n", "x".repeat(100_000));
    let mut decoder = Decoder::new();
    for mut chunk in [large.as_bytes(), before.as_bytes()].concat().chunks(1000) {
        while decoder.next_event(&mut chunk).unwrap().is_some() {}
    }
    assert!(decoder.memory() >= 100_000, "{}", decoder.memory());
    decoder.shrink_to(100);
    assert!(decoder.memory() < 1000, "{}", decoder.memory());
    let mut chunk = after.as_bytes();
    let event = decoder.next_event(&mut chunk).unwrap().unwrap();
    assert_eq!([event.event_type(), event.data(), event.last_event_id()], expected);
}

#[test]
fn memory_is_given_back_and_what_is_unfinished_stays() {
    check("", "data: a\n\n", ["message", "a", "1"]);
    check("data: a", "b\n\n", ["message", "ab", "1"]);
    check("event: t\nid: 2\ndata: a\n", "data: b\n\n", ["t", "a\nb", "2"]);
    check("event: t", "u\ndata: b\n\n", ["tu", "b", "1"]);
    check("id: 2", "3\ndata: b\n\n", ["message", "b", "23"]);
    check("data: \u{fffd}", "\u{fffd}\n\n", ["message", "\u{fffd}\u{fffd}", "1"]);
}

#[test]
fn a_line_decoder_gives_memory_back() {
    let mut decoder = LineDecoder::new();
    let long = "x".repeat(100_000) + "\nun";
    for mut chunk in long.as_bytes().chunks(1000) {
        while decoder.next_line(&mut chunk).unwrap().is_some() {}
    }
    assert!(decoder.memory() >= 100_000);
    decoder.shrink_to(100);
    assert!(decoder.memory() < 1000);
    assert_eq!(decoder.next_line(&mut &b"finished\n"[..]).unwrap().unwrap().as_str(), "unfinished");
}
