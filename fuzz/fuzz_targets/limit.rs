//! With a small limit, the decoder gives the same events and errors in any cut, and no text is over the limit. With a
//! limit of the data only, the events are those of the oracle.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::{cut, decode_data_within, decode_within, oracle};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 16;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, stream) = input;
    let whole = decode_within::<LIMIT>(&[stream]);
    assert_eq!(decode_within::<LIMIT>(&cut(stream, &lengths)), whole);
    for (event_type, data, id) in whole.into_iter().flatten() {
        assert!(event_type.len() <= LIMIT && data.len() <= LIMIT && id.len() <= LIMIT);
    }

    let whole = decode_data_within::<LIMIT>(&[stream]);
    assert_eq!(decode_data_within::<LIMIT>(&cut(stream, &lengths)), whole);
    // The streams of the fuzzer are too short for types and ids over their limit of 8 KiB.
    let expected = oracle::interpret(stream).events.into_iter().filter(|(_, data, _)| data.len() <= LIMIT);
    assert!(whole.into_iter().flatten().eq(expected));
});
