//! The streams that are read: two as LLM APIs send them, and two of larger events.

/// The approximate length of a block. The server sends it repeatedly, so that it stays in the cache.
const BLOCK: usize = 1 << 20;

pub(crate) const NAMES: [&str; 4] = ["openai", "anthropic", "4k", "64k"];

/// A kind of stream.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    /// The length of each event, in bytes.
    pub(crate) event: usize,
    /// Whole events.
    pub(crate) block: Vec<u8>,
    /// The number of events in a block.
    pub(crate) events: u64,
    /// The number of bytes of their data.
    pub(crate) data: u64,
}

pub(crate) fn all() -> Vec<Sample> {
    vec![
        repeat("openai", "", |number| {
            format!(
                "{{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,\"model\":\"gpt-4.1-2025-04-14\",\"service_tier\":\"default\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{number:04}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}"
            )
        }),
        repeat("anthropic", "event: content_block_delta\n", |number| {
            format!(
                "{{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" w{number:04}\"}}}}"
            )
        }),
        repeat("4k", "", |_| "0123456789abcdef".repeat(4 * 1024 / 16)),
        repeat("64k", "", |_| "0123456789abcdef".repeat(64 * 1024 / 16)),
    ]
}

/// Events of the same length, with other fields before the data.
fn repeat(name: &'static str, fields: &str, data: impl Fn(usize) -> String) -> Sample {
    let event = |number| format!("{fields}data: {}\n\n", data(number % 10_000)).into_bytes();
    let length = event(0).len();
    let events = BLOCK / length;
    let block = (0..events).map(event).collect::<Vec<_>>().concat();
    Sample { name, event: length, block, events: events as u64, data: (events * data(0).len()) as u64 }
}
