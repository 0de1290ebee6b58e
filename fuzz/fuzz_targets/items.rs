//! The decoder gives the items of the oracle for any stream in any cut: events, comments, ids and reconnection times.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::{check_items, cut};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, stream) = input;
    check_items::<16>(stream, &cut(stream, &lengths));
});
