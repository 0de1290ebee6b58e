//! Fixed and growing storage give the same events and errors, and keep the same last event ID and reconnection time,
//! over several connections in any cut.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::check_storages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|connections: Vec<(Option<&str>, Vec<&[u8]>)>| check_storages::<64>(connections));
