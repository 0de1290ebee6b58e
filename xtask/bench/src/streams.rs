//! The streams that are decoded. Each is of a kind that real servers send.

/// A kind of stream, and one stream of it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
    /// The length of one event, for chunks of one event each.
    pub(crate) event: usize,
}

/// The approximate length of a stream, in bytes.
const LENGTH: usize = 1 << 20;

pub(crate) fn all() -> Vec<Sample> {
    vec![
        repeat("openai", |number| {
            format!(
                "data: {{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,\"model\":\"gpt-4.1-2025-04-14\",\"service_tier\":\"default\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\" word{:04}\"}},\"logprobs\":null,\"finish_reason\":null}}]}}\n\n",
                number % 10_000
            )
        }),
        repeat("anthropic", |number| {
            format!(
                "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" w{:04}\"}}}}\n\n",
                number % 10_000
            )
        }),
        repeat("ticks", |number| {
            format!("id: {:06}\ndata: {:06}\n\n", number % 1_000_000, number * 7 % 1_000_000)
        }),
        repeat("big", |_| format!("data: {}\n\n", "0123456789abcdef".repeat(16 * 1024))),
        repeat("lines", |number| {
            let line =
                format!("data:     {{ \"line\": {number:06}, \"of\": \"a pretty printed document\" }},\n");
            line.repeat(32) + "\n"
        }),
        repeat("heartbeats", |number| {
            let beats = ": heartbeat\n\n".repeat(16);
            format!("{beats}data: {number:06}\n\n")
        }),
        repeat("chinese", |number| {
            format!(
                "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"服务器发送事件让网页实时更新，非常简单可靠 😀 {:04} 流式输出逐字显示\"}}}}]}}\n\n",
                number % 10_000
            )
        }),
        repeat("crlf", |number| {
            format!(
                "event: delta\r\nid: {number:06}\r\ndata: {{\"text\":\"a line ended by CRLF, as some servers do\"}}\r\n\r\n"
            )
        }),
    ]
}

/// The sample of this name, if there is one.
pub(crate) fn named(name: &str) -> Option<Sample> {
    all().into_iter().find(|sample| sample.name == name)
}

fn repeat(name: &'static str, event: impl Fn(usize) -> String) -> Sample {
    let length = event(0).len();
    let events = (LENGTH / length).max(4);
    Sample { name, bytes: (0..events).flat_map(|number| event(number).into_bytes()).collect(), event: length }
}
