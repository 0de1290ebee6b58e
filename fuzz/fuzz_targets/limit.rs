//! Under a small limit, a stream gives the same events and errors in any cut, and no text is over the limit.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::{cut, decode_within};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 16;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, stream) = input;
    let whole = decode_within::<LIMIT>(&[stream]);
    assert_eq!(decode_within::<LIMIT>(&cut(stream, &lengths)), whole);
    for (event_type, data, id) in whole.into_iter().flatten() {
        assert!(event_type.len() <= LIMIT && data.len() <= LIMIT && id.len() <= LIMIT);
    }
});
