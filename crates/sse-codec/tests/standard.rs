//! Each rule of the standard, by the cases of `cases.txt`, in every cut.

#![cfg(feature = "alloc")]

mod common;

use common::oracle::{self, Outcome};
use common::{cases, decode};

#[test]
fn every_case_decodes_as_the_standard_says() {
    for case in cases::all() {
        check(&case.title, &case.stream, &case.outcome);
    }
}

/// Compares what the oracle gives, and what the decoder gives for `stream`: whole, byte by byte, with empty chunks, and
/// cut at every place.
#[track_caller]
fn check(title: &str, stream: &[u8], expected: &Outcome) {
    assert_eq!(&oracle::interpret(stream), expected, "{title}: the oracle");
    assert_eq!(&decode([stream]), expected, "{title}: whole");
    assert_eq!(&decode(stream.chunks(1)), expected, "{title}: byte by byte");
    assert_eq!(
        &decode(stream.chunks(1).flat_map(|byte| [byte, b""])),
        expected,
        "{title}: with empty chunks"
    );
    for at in 0..=stream.len() {
        assert_eq!(&decode([&stream[..at], &stream[at..]]), expected, "{title}: cut at {at}");
    }
}

#[test]
fn every_decoding_rule_has_a_case() {
    let titles: String = cases::all().iter().map(|case| format!("{} ", case.title)).collect();
    let words: Vec<&str> = titles.split(' ').collect();
    // P31 only says what other programs may leave out.
    let missing: Vec<String> = (1..=32)
        .filter(|&rule| rule != 31)
        .map(|rule| format!("P{rule}"))
        .filter(|rule| !words.contains(&&**rule))
        .collect();
    assert_eq!(missing, [""; 0]);
}
