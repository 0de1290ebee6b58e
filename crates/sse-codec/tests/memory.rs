//! The memory of decoders: how it is freed after a large event, and its bound.

#![cfg(feature = "alloc")]

use sse_codec::{Decoder, EventId, LineDecoder};

/// Decodes an event of 100 kB and then `before`, shrinks the decoder, and compares the event that ends in `after`.
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
fn memory_is_freed_and_an_unfinished_event_stays() {
    check("", "data: a\n\n", ["message", "a", "1"]);
    check("data: a", "b\n\n", ["message", "ab", "1"]);
    check("event: t\nid: 2\ndata: a\n", "data: b\n\n", ["t", "a\nb", "2"]);
    check("event: t", "u\ndata: b\n\n", ["tu", "b", "1"]);
    check("id: 2", "3\ndata: b\n\n", ["message", "b", "23"]);
    check("data: \u{fffd}", "\u{fffd}\n\n", ["message", "\u{fffd}\u{fffd}", "1"]);
}

#[test]
fn each_text_counts() {
    let text = "x".repeat(8000);
    let mut decoder = Decoder::new();
    let mut before = decoder.memory();
    for field in ["id: ", "event: ", "data: "] {
        // Each text is cut, so the decoder must keep it.
        for mut chunk in [field, &text[..4000], &text[4000..], "\n"].map(str::as_bytes) {
            assert!(decoder.next_event(&mut chunk).unwrap().is_none());
        }
        let grown = decoder.memory() - before;
        assert!(grown >= text.len(), "{field}: {grown}");
        before = decoder.memory();
    }
}

/// Feeds `piece` to a decoder with a limit of 1,000 bytes until it has read 300 kB.
#[track_caller]
fn check_bound(piece: &[u8]) {
    let mut decoder = Decoder::with_limit(1000);
    for mut chunk in piece.repeat(300_000 / piece.len()).chunks(1400) {
        while !chunk.is_empty() {
            let _ = decoder.next_item(&mut chunk);
        }
        // Each buffer holds a text twice if it is ill-formed, and a vector doubles its capacity.
        let bound = 4 * (1000 + 4 * EventId::MAX_LEN);
        assert!(decoder.memory() <= bound, "{}: {} bytes", piece.escape_ascii(), decoder.memory());
    }
}

#[test]
fn no_stream_makes_a_decoder_grow_beyond_its_limits() {
    for line in [&b"data: "[..], b"event: ", b"id: ", b": ", b"retry: ", b"other: ", b"other"] {
        for end in [&b""[..], b"\n"] {
            for value in [&b"x"[..], &[b'x'; 900], &[0xFF; 9000]] {
                check_bound(&[line, value, end].concat());
            }
        }
    }
    check_bound(b"x");
    check_bound(b"data");
}

#[test]
fn a_line_decoder_frees_memory() {
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
