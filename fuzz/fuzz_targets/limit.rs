//! Under a small limit, a stream gives the same events and errors in any cut, no text is over the limit, and the events
//! under a limit of data are those of the oracle.

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
    // The fuzzer makes no streams with longer types and ids than are kept.
    let expected = oracle::interpret(stream).events.into_iter().filter(|(_, data, _)| data.len() <= LIMIT);
    assert!(whole.into_iter().flatten().eq(expected));
});
