//! Under a small limit, a stream gives the same events and errors in any cut, and no event is over the limit.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::{cut, decode_within};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 16;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, stream) = input;
    let whole = decode_within(LIMIT, &[stream]);
    assert_eq!(decode_within(LIMIT, &cut(stream, &lengths)), whole);
    for event in whole.into_iter().flatten() {
        // A byte that is not UTF-8 becomes three.
        assert!(event.data().len() <= 3 * LIMIT);
        assert!(event.last_event_id().len() <= 3 * LIMIT);
    }
});
