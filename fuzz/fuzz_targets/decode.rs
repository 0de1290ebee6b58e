//! Any stream in any cut decodes as the oracle does. The input's first bytes are the lengths of the chunks.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::{cut, decode, oracle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, stream) = input;
    let expected = oracle::interpret(stream);
    assert_eq!(decode([stream]), expected);
    assert_eq!(decode(cut(stream, &lengths)), expected);
});
