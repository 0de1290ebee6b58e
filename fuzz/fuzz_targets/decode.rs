//! Any stream in any cut decodes as the oracle does, and ends as an empty line ends it. The input's first bytes are the lengths of the chunks.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::{check_finish, cut, decode, oracle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, stream) = input;
    let expected = oracle::interpret(stream);
    assert_eq!(decode([stream]), expected);
    let chunks = cut(stream, &lengths);
    assert_eq!(decode(chunks.iter().copied()), expected);
    check_finish::<16>(stream, &chunks);
});
