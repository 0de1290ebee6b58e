//! Items of a stream in its order: events, comments, ids and reconnection times.

#![cfg(feature = "alloc")]

mod common;

use std::time::Duration;

use common::{all_items, cases, check_items, every_cut, oracle};
use oracle::Item::{self, Comment, LastEventId, ReconnectionTime};
use sse_codec::{Decoder, FixedDecoder, TooLarge};

fn event(event_type: &str, data: &str, id: &str) -> Item {
    Item::Event(event_type.into(), data.into(), id.into())
}

/// Reads the items of `stream` in every cut.
#[track_caller]
fn check(stream: &[u8], expected: &[Item]) {
    for chunks in every_cut(stream) {
        let found = all_items(&mut Decoder::new(), chunks.iter().copied());
        let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(found, expected, "{chunks:?}");
        check_items::<8>(stream, &chunks);
    }
}

#[test]
fn items_come_in_the_order_of_the_stream() {
    check(
        b"retry: 5\n: one\n\nid: 1\n\ndata: a\n: two\ndata: b\nretry: 6\nid: 2\nevent: e\n\n:\n",
        &[
            ReconnectionTime(Duration::from_millis(5)),
            Comment("one".into()),
            LastEventId("1".into()),
            Comment("two".into()),
            ReconnectionTime(Duration::from_millis(6)),
            event("e", "a\nb", "2"),
            Comment(String::new()),
        ],
    );
}

#[test]
fn a_comment_is_text_without_the_colon_and_one_space() {
    check(
        b":a\r\n:  b\r: c: d\n:\xFF\n::\n",
        &["a", " b", "c: d", "\u{fffd}", ":"].map(|text| Comment(text.into())),
    );
    check(b"\xEF\xBB\xBF: a\n: unfinished", &[Comment("a".into())]);
}

#[test]
fn an_id_is_returned_once() {
    check(b"id: 1\ndata: a\n\n", &[event("message", "a", "1")]);
    check(b"id: 1\n\n\n\nid\n\n", &[LastEventId("1".into()), LastEventId(String::new())]);
    check(b"id: 1\0\n\nevent: e\nid: 2\n\n", &[LastEventId("2".into())]);
    check(b"retry: x\nother: y\n\n", &[]);
}

#[test]
fn the_items_of_each_case_are_those_of_the_oracle() {
    for case in cases::all() {
        for chunks in every_cut(&case.stream) {
            check_items::<8>(&case.stream, &chunks);
        }
    }
}

#[test]
fn a_long_comment_is_one_error_and_the_event_around_it_stays() {
    let stream = b"data: a\n: 12345678\n: 123456789 and more\ndata: b\n\n: \xFF\xFF\xFF\n";
    for chunks in every_cut(stream) {
        let found = all_items(&mut FixedDecoder::<8, 8>::fixed(), chunks.iter().copied());
        let [Ok(Comment(comment)), Err(error), Ok(seen), Err(TooLarge::Comment { .. })] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((&**comment, seen), ("12345678", &event("message", "a\nb", "")));
        assert_eq!(error.to_string(), "a comment is longer than 8 bytes; to read it, raise the limit");
    }
    let long = format!(": {}\n", "x".repeat(8193));
    let error = Decoder::new().next_item(&mut long.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "a comment is longer than 8192 bytes; longer ones are always dropped");
}

#[test]
fn the_id_of_a_dropped_event_is_returned() {
    let mut decoder = Decoder::with_limit(2);
    let found = all_items(&mut decoder, [&b"data: abc\nid: 7\n\n"[..]]);
    assert!(
        matches!(&found[..], [Err(TooLarge::Data { .. }), Ok(LastEventId(id))] if id == "7"),
        "{found:?}"
    );
}

#[test]
fn a_comment_that_was_read_in_part_by_the_other_method_is_skipped() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.next_event(&mut &b": half"[..]), Ok(None));
    assert_eq!(decoder.next_item(&mut &b" of it\n"[..]), Ok(None));
    assert_eq!(decoder.next_item(&mut &b": a"[..]), Ok(None));
    assert_eq!(decoder.next_event(&mut &b"b"[..]), Ok(None));
    assert_eq!(decoder.next_item(&mut &b"c\n"[..]), Ok(None));
}
