//! Fixed storage gives what growing storage gives: events, errors and what stays, over chunks and new connections.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::items;
use libfuzzer_sys::fuzz_target;
use sse_codec::{Decoder, EventId, FixedDecoder};

const LIMIT: usize = 64;

fuzz_target!(|connections: Vec<(Option<&str>, Vec<&[u8]>)>| {
    let mut growing = Decoder::with_limit(LIMIT);
    let mut fixed = FixedDecoder::<LIMIT, LIMIT>::fixed();
    for (id, chunks) in connections {
        if let Some(Ok(id)) = id.map(EventId::new)
            && fixed.set_last_event_id(&id).is_ok()
        {
            growing.set_last_event_id(&id);
        }
        assert_eq!(items(&mut fixed, chunks.iter().copied()), items(&mut growing, chunks));
        assert_eq!(fixed.last_event_id(), growing.last_event_id());
        assert_eq!(fixed.reconnection_time(), growing.reconnection_time());
        fixed.reset();
        growing.reset();
    }
});
