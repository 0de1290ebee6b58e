//! The limits: one error per event, the same error in every cut, and the next event follows.

#![cfg(feature = "alloc")]

mod common;

use common::{decode_data_within, decode_within, every_cut};
use sse_codec::{Decoder, EventId, EventType, FixedDecoder, TooLarge};

/// Decodes `stream` with a limit of 8 bytes for each text, cut in two at every place and byte by byte. `!` stands for
/// `TooLarge`.
#[track_caller]
fn check(stream: &[u8], expected: &[&str]) {
    for chunks in every_cut(stream) {
        assert_eq!(
            decode(&chunks),
            expected,
            "{} cut after {}",
            stream.escape_ascii(),
            chunks.first().map_or(0, |chunk| chunk.len())
        );
    }
}

#[track_caller]
fn decode(chunks: &[&[u8]]) -> Vec<String> {
    let items = decode_within::<8>(chunks).into_iter();
    let shown = items.map(|item| match item {
        Ok((_, data, id)) => format!("{data}#{id}"),
        Err(TooLarge::Data { limit: 8, .. }) => "!".to_owned(),
        Err(TooLarge::EventType { limit: 8, .. }) => "!type".to_owned(),
        Err(TooLarge::Id { limit: 8, .. }) => "!id".to_owned(),
        Err(error) => panic!("{error:?}"),
    });
    shown.collect()
}

#[test]
fn an_event_as_long_as_the_limit_is_decoded_and_a_longer_one_is_one_error() {
    check(b"data: 12345678\n\ndata: a\n\n", &["12345678#", "a#"]);
    check(b"data: 123456789\n\ndata: a\n\n", &["!", "a#"]);
    check(b"data: 123456789012345678901234567890\ndata: 123456789\n\ndata: a\n\n", &["!", "a#"]);
}

#[test]
fn the_joining_line_feeds_count() {
    check(b"data: 123\ndata: 4567\n\n", &["123\n4567#"]);
    check(b"data: 1234\ndata: 5678\n\ndata: a\n\n", &["!", "a#"]);
    check(b"data\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n\n", &["\n\n\n\n\n\n\n\n#"]);
    check(b"data\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\ndata\n\n", &["!"]);
}

#[test]
fn a_limit_of_data_does_not_limit_types_and_ids() {
    let stream = b"event: 123456789\nid: 123456789\ndata: 12345678\n\ndata: 123456789\n\ndata: a\n\n";
    for chunks in every_cut(stream) {
        let found = decode_data_within::<8>(&chunks);
        let [Ok((event_type, data, id)), Err(TooLarge::Data { limit: 8, .. }), Ok(_)] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!([event_type, data, id], ["123456789", "12345678", "123456789"]);
    }
}

#[test]
fn the_type_counts_alone() {
    check(b"event: 12345678\ndata: 12345678\n\n", &["12345678#"]);
    check(b"event: 123456789\ndata: a\n\ndata: b\n\n", &["!type", "b#"]);
    check(b"data: a\nevent: 123456789\nevent: 1\n\ndata: b\n\n", &["!type", "b#"]);
    check(b"event: 123456789\n\ndata: a\n\n", &["!type", "a#"]);
}

#[test]
fn a_replacement_character_counts_as_three_bytes() {
    check(b"data: \xFF12345\n\ndata: \xFF123456\n\ndata: a\n\n", &["\u{fffd}12345#", "!", "a#"]);
    check(b"data: \xFF1\ndata: \xFF\n\ndata: \xFF12\ndata: \xFF\n\n", &["\u{fffd}1\n\u{fffd}#", "!"]);
    check(b"event: \xFF\xFF\xFF\ndata: a\n\ndata: b\n\n", &["!type", "b#"]);
    check(
        b"id: \xFF\xFF1\ndata: a\n\nid: \xFF\xFF\xFF\ndata: b\n\ndata: c\n\n",
        &["a#\u{fffd}\u{fffd}1", "!id", "c#\u{fffd}\u{fffd}1"],
    );
}

#[test]
fn the_id_counts_alone() {
    check(b"id: 12345678\ndata: 12345678\n\n", &["12345678#12345678"]);
    check(b"id: 1\ndata: a\n\nid: 123456789\ndata: b\n\ndata: c\n\n", &["a#1", "!id", "c#1"]);
    check(b"id: 12345678\x00123456789\ndata: a\n\n", &["a#"]);
    check(b"id: 123456789\0\ndata: a\n\ndata: b\n\n", &["!id", "b#"]);
}

#[test]
fn an_id_of_more_than_8_kib_is_dropped_with_any_limit() {
    let id = "7".repeat(8192);
    let mut decoder = Decoder::new();
    let stream = format!("id: {id}\ndata: a\n\n");
    assert_eq!(decoder.next_event(&mut stream.as_bytes()).unwrap().unwrap().last_event_id(), id);
    let stream = format!("id: {id}7\ndata: b\n\ndata: c\n\n");
    let mut input = stream.as_bytes();
    let error = decoder.next_event(&mut input).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the id of an event is longer than 8192 bytes; longer ones are always dropped"
    );
    assert!(EventId::new(&id).is_ok());
    let error = EventId::new(&format!("{id}7")).unwrap_err();
    assert_eq!(error.to_string(), "the field `id` can't be longer than 8192 bytes; use a shorter text");
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
        matches!(decoder.next_event(&mut input), Err(TooLarge::Data { limit, .. }) if limit == data.len())
    );
}

#[test]
fn an_event_over_the_limit_is_one_error_whatever_follows() {
    check(b"data: 123456789\nid: 123456789\nevent: 123456789\ndata: 123456789\n\ndata: a\n\n", &["!", "a#"]);
}

#[test]
fn the_id_of_a_dropped_event_counts() {
    check(b"id: 7\ndata: 123456789\n\ndata: a\n\n", &["!", "a#7"]);
    check(b"data: 123456789\nid: 7\n\ndata: a\n\n", &["!", "a#7"]);
}

#[test]
fn comments_unknown_fields_and_retry_have_no_limit() {
    let long = "x".repeat(100);
    let stream = format!(": {long}\n{long}: {long}\nretry: {}\ndata: a\n\n", "1".repeat(100));
    check(stream.as_bytes(), &["a#"]);
}

#[test]
fn a_large_event_is_an_error_before_it_ends() {
    assert_eq!(decode(&[&b"data: "[..], &[b'x'; 100]]), ["!"]);
}

#[test]
fn the_error_names_the_limit() {
    let error = Decoder::with_limit(1).next_event(&mut &b"data: 12\n"[..]).unwrap_err();
    assert_eq!(error.to_string(), "the data of an event is longer than 1 bytes; to read it, raise the limit");
    let error = FixedDecoder::<1, 2>::fixed().next_event(&mut &b"event: abc\n"[..]).unwrap_err();
    assert_eq!(error.to_string(), "the type of an event is longer than 2 bytes; to read it, raise the limit");
    let error = FixedDecoder::<1, 2>::fixed().next_event(&mut &b"id: abc\n"[..]).unwrap_err();
    assert_eq!(error.to_string(), "the id of an event is longer than 2 bytes; to read it, raise the limit");
}

#[test]
fn a_type_of_more_than_8_kib_is_dropped_with_any_limit() {
    let name = "x".repeat(8192);
    let stream = format!("event: {name}\ndata: a\n\nevent: {name}x\ndata: a\n\n");
    let (mut decoder, mut input) = (Decoder::new(), stream.as_bytes());
    assert_eq!(decoder.next_event(&mut input).unwrap().unwrap().event_type(), name);
    assert!(matches!(decoder.next_event(&mut input), Err(TooLarge::EventType { limit: 8192, .. })));
    assert!(EventType::new(&name).is_ok());
    assert!(EventType::new(&format!("{name}x")).is_err());
}

#[test]
fn a_set_id_must_fit_into_fixed_storage() {
    let mut decoder = FixedDecoder::<8, 4>::fixed();
    decoder.set_last_event_id(&EventId::from_static("1234")).unwrap();
    let error = decoder.set_last_event_id(&EventId::from_static("12345")).unwrap_err();
    assert!(matches!(error, TooLarge::Id { limit: 4, .. }));
    assert_eq!(decoder.last_event_id(), "1234");
}
