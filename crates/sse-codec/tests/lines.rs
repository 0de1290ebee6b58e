//! The line decoder returns every line, in order, for any cut.

#![cfg(feature = "alloc")]

mod common;

use common::{every_cut, lines_within, oracle};
use sse_codec::{LineDecoder, TooLarge};

/// Reads the lines of `stream` with a limit of 16 bytes, cut in two at every place and byte by byte. `!` stands for
/// `TooLarge`.
#[track_caller]
fn check(stream: &[u8], expected: &[&str]) {
    for chunks in every_cut(stream) {
        assert_eq!(
            read(&chunks),
            expected,
            "{} cut after {}",
            stream.escape_ascii(),
            chunks.first().map_or(0, |chunk| chunk.len())
        );
    }
}

#[track_caller]
fn read(chunks: &[&[u8]]) -> Vec<String> {
    let lines = lines_within::<16>(chunks).into_iter();
    let shown = lines.map(|line| match line {
        Ok(line) => line,
        Err(TooLarge::Line { limit: 16, .. }) => "!".to_owned(),
        Err(error) => panic!("{error:?}"),
    });
    shown.collect()
}

#[test]
fn all_lines_come_in_order() {
    check(
        b": c\nid: 1\n\nretry: 5\nother\n\ndata: a\ndata\n\n",
        &[": c", "id: 1", "", "retry: 5", "other", "", "data: a", "data", ""],
    );
}

#[test]
fn every_ending_ends_a_line() {
    check(b"a\nb\rc\r\n\r\r\n\n", &["a", "b", "c", "", "", ""]);
}

#[test]
fn the_mark_is_dropped_only_at_the_start() {
    check(b"\xEF\xBB\xBFa\n\xEF\xBB\xBFb\n", &["a", "\u{feff}b"]);
    check(b"\xEF\xBB\xBF\n", &[""]);
    check(b"\xEF\xBBa\n", &["\u{fffd}a"]);
    check(b"\xEF\n", &["\u{fffd}"]);
}

#[test]
fn ill_formed_text_becomes_replacement_characters() {
    check(b"data: \xFF\xE2\x82x\n", &["data: \u{fffd}\u{fffd}x"]);
}

#[test]
fn a_line_over_the_limit_is_one_error_and_the_next_one_follows() {
    check(b"0123456789abcdef\n0123456789abcdefg\nx\n", &["0123456789abcdef", "!", "x"]);
    check(
        b"\xFF\xFF\xFF\xFF\xFF\n\xFF\xFF\xFF\xFF\xFF\xFF\r\n\n",
        &["\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}", "!", ""],
    );
    let error = LineDecoder::with_limit(1).next_line(&mut &b"ab\n"[..]).unwrap_err();
    assert_eq!(error.to_string(), "a line is longer than 1 bytes; to read it, raise the limit");
}

#[test]
fn an_unfinished_line_is_not_returned() {
    check(b"a\nb", &["a"]);
    check(b"", &[]);
}

#[test]
fn a_reset_drops_the_unfinished_line() {
    let mut decoder = LineDecoder::new();
    assert_eq!(decoder.next_line(&mut &b"\xEF\xBB\xBFhalf a li"[..]), Ok(None));
    decoder.reset();
    let mut input = &b"\xEF\xBB\xBFa\n"[..];
    assert_eq!(decoder.next_line(&mut input).unwrap().unwrap().as_str(), "a");
}

#[test]
fn relayed_lines_lead_to_the_same_events() {
    let stream = b"\xEF\xBB\xBF: c\r\nid: 1\r\rdata:a\ndata:  b\nevent:e\nretry: 7\nid\0:\n\n: end\n\n";
    let (mut decoder, mut input, mut relayed) = (LineDecoder::new(), &stream[..], String::new());
    while let Some(line) = decoder.next_line(&mut input).unwrap() {
        relayed += &line.to_string();
    }
    assert_eq!(oracle::interpret(relayed.as_bytes()), oracle::interpret(stream));
    assert_eq!(relayed.lines().count(), oracle::lines(stream).len());
}
