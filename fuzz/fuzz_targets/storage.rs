//! Fixed storage gives what growing storage gives: events, errors and what stays, over chunks and new connections.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::check_storages;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|connections: Vec<(Option<&str>, Vec<&[u8]>)>| check_storages::<64>(connections));
