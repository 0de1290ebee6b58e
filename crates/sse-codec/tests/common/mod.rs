//! What several test files share. The fuzz targets and the browser comparison use the same modules.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

pub mod cases;
pub mod oracle;
pub mod trouble;

use oracle::Outcome;
use sse_codec::{Decoder, Event, TooLarge};

/// Decodes `chunks` with a fresh decoder.
pub fn decode<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> Outcome {
    let mut decoder = Decoder::new();
    let mut outcome = Outcome::default();
    for mut chunk in chunks {
        while let Some(event) = decoder.next_event(&mut chunk).expect("the stream is under the limit") {
            outcome.push(&event.to_event());
        }
        assert!(chunk.is_empty(), "`None` means that the chunk is used up");
    }
    decoder.last_event_id().clone_into(&mut outcome.last_event_id);
    outcome.reconnection_time = decoder.reconnection_time();
    outcome
}

/// Decodes `chunks` under a limit.
pub fn decode_within(limit: usize, chunks: &[&[u8]]) -> Vec<Result<Event, TooLarge>> {
    let mut decoder = Decoder::with_limit(limit);
    let mut seen = Vec::new();
    for mut chunk in chunks.iter().copied() {
        while let Some(item) = decoder.next_event(&mut chunk).map(|event| event.map(Event::from)).transpose()
        {
            seen.push(item);
        }
    }
    seen
}

/// Cuts `bytes` into chunks of the given lengths, in turn; what then remains is the last chunk.
pub fn cut<'b>(mut bytes: &'b [u8], lengths: &[u8]) -> Vec<&'b [u8]> {
    let mut chunks = Vec::new();
    // Lengths of 0 make empty chunks, but not without end.
    for &length in lengths.iter().cycle().take(bytes.len() + lengths.len()) {
        let (chunk, rest) = bytes.split_at(usize::from(length).min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks.push(bytes);
    chunks
}
