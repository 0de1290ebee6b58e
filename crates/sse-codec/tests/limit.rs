//! The size limit: one error per event, the same one in every cut, and the next event still arrives.

#![cfg(feature = "alloc")]

use sse_codec::{Decoder, EventId, TooLarge};

/// Decodes `stream` under a limit of 8 bytes, in every two-way cut and byte by byte. `!` stands for `TooLarge`.
#[track_caller]
fn check(stream: &str, expected: &[&str]) {
    let bytes = stream.as_bytes();
    assert_eq!(decode(&mut bytes.chunks(1)), expected, "{stream:?} byte by byte");
    for at in 0..=bytes.len() {
        assert_eq!(decode(&mut [&bytes[..at], &bytes[at..]].into_iter()), expected, "{stream:?} cut at {at}");
    }
}

fn decode(chunks: &mut dyn Iterator<Item = &[u8]>) -> Vec<String> {
    let mut decoder = Decoder::with_limit(8);
    let mut seen = Vec::new();
    for mut chunk in chunks {
        loop {
            match decoder.next_event(&mut chunk) {
                Ok(Some(event)) => seen.push(format!("{}#{}", event.data(), event.last_event_id())),
                Ok(None) => break,
                Err(TooLarge::Event { limit: 8, .. }) => seen.push("!".to_owned()),
                Err(TooLarge::Id { limit: 8, .. }) => seen.push("!id".to_owned()),
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    seen
}

#[test]
fn an_event_of_the_limit_is_decoded_and_a_larger_one_is_one_error() {
    check("data: 12345678\n\ndata: a\n\n", &["12345678#", "a#"]);
    check("data: 123456789\n\ndata: a\n\n", &["!", "a#"]);
    check("data: 123456789012345678901234567890\ndata: 123456789\n\ndata: a\n\n", &["!", "a#"]);
}

#[test]
fn the_joining_line_feeds_count() {
    check("data: 123\ndata: 4567\n\n", &["123\n4567#"]);
    check("data: 1234\ndata: 5678\n\ndata: a\n\n", &["!", "a#"]);
    check("data\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n\n", &["\n\n\n\n\n\n\n\n#"]);
    check("data\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n\n", &["!"]);
}

#[test]
fn the_type_counts_with_the_data() {
    check("event: 1234\ndata: 5678\n\n", &["5678#"]);
    check("event: 1234\ndata: 56789\n\ndata: a\n\n", &["!", "a#"]);
    check("data: 56789\nevent: 1234\n\ndata: a\n\n", &["!", "a#"]);
    check("event: 123456789\n\ndata: a\n\n", &["!", "a#"]);
    check("event: 12345678\nevent: 1\ndata: 2345678\n\n", &["2345678#"]);
}

#[test]
fn the_id_counts_alone() {
    check("id: 12345678\ndata: 12345678\n\n", &["12345678#12345678"]);
    check("id: 1\ndata: a\n\nid: 123456789\ndata: b\n\ndata: c\n\n", &["a#1", "!id", "c#1"]);
    check("id: 12345678\x00123456789\ndata: a\n\n", &["a#"]);
    check("id: 123456789\0\ndata: a\n\ndata: b\n\n", &["!id", "b#"]);
}

#[test]
fn an_id_is_short_whatever_the_limit() {
    let id = "7".repeat(8192);
    let mut decoder = Decoder::new();
    let stream = format!("id: {id}\ndata: a\n\n");
    assert_eq!(decoder.next_event(&mut stream.as_bytes()).unwrap().unwrap().last_event_id(), id);
    let stream = format!("id: {id}7\ndata: b\n\ndata: c\n\n");
    let mut input = stream.as_bytes();
    let error = decoder.next_event(&mut input).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the id of an event is longer than 8192 bytes; no server would take it back"
    );
    assert!(EventId::new(&id).is_ok());
    let error = EventId::new(&format!("{id}7")).unwrap_err();
    assert_eq!(error.to_string(), "the field `id` may be 8192 bytes long at most; use a shorter one");
    assert_eq!(decoder.next_event(&mut input).unwrap().unwrap().last_event_id(), id);
}

#[test]
fn the_default_limit_is_16_mib() {
    let data = "x".repeat(16 * 1024 * 1024);
    let mut decoder = Decoder::new();
    let stream = format!("data: {data}\n\ndata: {data}y\n\n");
    let mut input = stream.as_bytes();
    assert_eq!(decoder.next_event(&mut input).unwrap().unwrap().data().len(), data.len());
    assert!(
        matches!(decoder.next_event(&mut input), Err(TooLarge::Event { limit, .. }) if limit == data.len())
    );
}

#[test]
fn an_event_over_the_limit_is_told_once_whatever_follows() {
    check("data: 123456789\nid: 123456789\nevent: 123456789\ndata: 123456789\n\ndata: a\n\n", &["!", "a#"]);
}

#[test]
fn the_id_of_a_large_event_counts() {
    check("id: 7\ndata: 123456789\n\ndata: a\n\n", &["!", "a#7"]);
    check("data: 123456789\nid: 7\n\ndata: a\n\n", &["!", "a#7"]);
}

#[test]
fn what_is_not_stored_has_no_limit() {
    let long = "x".repeat(100);
    check(&format!(": {long}\n{long}: {long}\nretry: {}\ndata: a\n\n", "1".repeat(100)), &["a#"]);
}

#[test]
fn a_large_event_is_told_before_it_ends() {
    assert_eq!(decode(&mut [&b"data: "[..], &[b'x'; 100]].into_iter()), ["!"]);
}

#[test]
fn the_error_names_the_limit() {
    let mut decoder = Decoder::with_limit(1);
    let error = decoder.next_event(&mut &b"data: 12\n"[..]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an event is larger than the limit of 1 bytes; decode with a higher limit to get it"
    );
}
