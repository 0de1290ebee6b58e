//! `finish` returns what an empty line at the end of the stream would have led to.

#![cfg(feature = "alloc")]

mod common;

use common::{cases, check_finish, every_cut, items_to_the_end, lines};
use sse_codec::{Decoder, LineDecoder, TooLarge};

/// Decodes `stream` to its end, in every cut. Each event is shown as its type, its data and its last event ID.
#[track_caller]
fn check(stream: &[u8], expected: &[[&str; 3]], last_event_id: &str) {
    for chunks in every_cut(stream) {
        let mut decoder = Decoder::new();
        let found: Vec<_> =
            items_to_the_end(&mut decoder, chunks.iter().copied()).into_iter().map(Result::unwrap).collect();
        let found: Vec<_> = found.iter().map(|(event_type, data, id)| [&**event_type, data, id]).collect();
        assert_eq!(found, expected, "{chunks:?}");
        assert_eq!(decoder.last_event_id(), last_event_id, "{chunks:?}");
        check_finish::<8>(stream, &chunks);
    }
}

#[test]
fn an_event_without_its_empty_line_is_returned() {
    check(b"data: a\n\ndata: [DONE]\n", &[["message", "a", ""], ["message", "[DONE]", ""]], "");
    check(b"data: a\r\n\r\ndata: [DONE]\r\n", &[["message", "a", ""], ["message", "[DONE]", ""]], "");
    check(b"data: a\r", &[["message", "a", ""]], "");
    check(b"event: message_stop\ndata: {}\n", &[["message_stop", "{}", ""]], "");
    check(b"data: a\ndata: b\nid: 7\n: c\n", &[["message", "a\nb", "7"]], "7");
}

#[test]
fn a_line_without_its_ending_counts() {
    check(b"data: [DONE]", &[["message", "[DONE]", ""]], "");
    check(b"data: [DONE] ", &[["message", "[DONE] ", ""]], "");
    check(b"data: a\ndata:", &[["message", "a\n", ""]], "");
    check(b"data: a\ndata", &[["message", "a\n", ""]], "");
    check(b"data: a\ndat", &[["message", "a", ""]], "");
    check(b"data: a\nid: 7", &[["message", "a", "7"]], "7");
    check(b"data: a\nid: 7\0", &[["message", "a", ""]], "");
    check(b"data: a\nevent: e", &[["e", "a", ""]], "");
    check(b"\xEF\xBB\xBFdata: a", &[["message", "a", ""]], "");
    check(b"data: \xE2\x82", &[["message", "\u{fffd}", ""]], "");
}

#[test]
fn without_an_unfinished_event_nothing_is_returned() {
    for stream in [&b""[..], b"\xEF", b"\xEF\xBB", b"\xEF\xBB\xBF", b": c", b"event: e\n", b"retry: 5", b"x"]
    {
        check(stream, &[], "");
    }
    check(b"data: a\n\n", &[["message", "a", ""]], "");
    check(b"data: a\r\r", &[["message", "a", ""]], "");
    check(b"data: a\n\nid: 7", &[["message", "a", ""]], "7");
}

#[test]
fn each_case_of_the_standard_ends_as_by_an_empty_line() {
    for case in cases::all() {
        for chunks in every_cut(&case.stream) {
            check_finish::<8>(&case.stream, &chunks);
        }
    }
}

#[test]
fn an_event_over_the_limit_is_one_error() {
    let mut decoder = Decoder::with_limit(4);
    let mut input = &b"id: 7\ndata: 12345"[..];
    assert!(matches!(decoder.next_event(&mut input), Err(TooLarge::Data { .. })));
    assert_eq!(decoder.next_event(&mut input), Ok(None));
    assert_eq!(decoder.finish(), Ok(None));
    assert_eq!(decoder.last_event_id(), "7");

    let mut input = &b"data: \xFF\xFF"[..];
    assert_eq!(decoder.next_event(&mut input), Ok(None));
    assert!(matches!(decoder.finish(), Err(TooLarge::Data { limit: 4, .. })));
    assert_eq!(decoder.finish(), Ok(None));
}

/// Reads the lines of `stream` to its end, in every cut.
#[track_caller]
fn check_lines(stream: &[u8], expected: &[&str]) {
    for chunks in every_cut(stream) {
        let mut decoder = LineDecoder::with_limit(8);
        let mut found: Vec<_> = lines(&mut decoder, chunks.iter().copied())
            .into_iter()
            .map(|line| line.unwrap_or("!".into()))
            .collect();
        let last = decoder.finish().map(|line| line.map(|line| line.as_str().to_owned())).transpose();
        found.extend(last.map(|line| line.unwrap_or("!".into())));
        assert_eq!(found, expected, "{chunks:?}");
        assert_eq!(decoder.finish(), Ok(None));
        assert_eq!(lines(&mut decoder, [&b"\xEF\xBB\xBFx\n"[..]]), [Ok("x".to_owned())]);
    }
}

#[test]
fn the_last_line_without_its_ending_is_returned() {
    check_lines(b"a\nb", &["a", "b"]);
    check_lines(b"a\n", &["a"]);
    check_lines(b"a\r", &["a"]);
    check_lines(b"", &[]);
    check_lines(b"\xEF\xBB\xBF", &[]);
    check_lines(b"\xEF\xBB", &["\u{fffd}"]);
    check_lines(b"a\n012345678", &["a", "!"]);
    check_lines(b"a\n\xFF\xFF\xFF", &["a", "!"]);
}
