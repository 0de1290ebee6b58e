//! Under a small limit, a stream gives the same events and errors in any cut, and no event is over the limit.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::cut;
use libfuzzer_sys::fuzz_target;
use sse_codec::{Decoder, Event, TooLarge};

const LIMIT: usize = 16;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, stream) = input;
    let whole = decode(&[stream]);
    assert_eq!(decode(&cut(stream, &lengths)), whole);
    for event in whole.into_iter().flatten() {
        // A byte that is not UTF-8 becomes three.
        assert!(event.data().len() <= 3 * LIMIT);
        assert!(event.last_event_id().len() <= 3 * LIMIT);
    }
});

fn decode(chunks: &[&[u8]]) -> Vec<Result<Event, TooLarge>> {
    let mut decoder = Decoder::with_limit(LIMIT);
    let mut seen = Vec::new();
    for mut chunk in chunks.iter().copied() {
        while let Some(item) = decoder.next_event(&mut chunk).map(|event| event.map(Event::from)).transpose()
        {
            seen.push(item);
        }
    }
    seen
}
