//! The decoder gives the events of the oracle for any stream in any cut, and `finish` gives what an empty line at the
//! end gives. The first part of the input is the lengths of the chunks.

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
