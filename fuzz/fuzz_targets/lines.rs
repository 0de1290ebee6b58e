//! The line decoder gives every line, and these lines lead to the events of the decoder. With a limit, it gives the
//! lines that are not longer.

#![no_main]

#[path = "../../crates/sse-codec/tests/common/mod.rs"]
mod common;

use common::{cut, decode, lines, lines_within, oracle};
use libfuzzer_sys::fuzz_target;
use sse_codec::LineDecoder;

const LIMIT: usize = 16;

fuzz_target!(|input: (Vec<u8>, &[u8])| {
    let (lengths, stream) = input;
    let chunks = cut(stream, &lengths);

    let found: Vec<String> =
        lines(&mut LineDecoder::new(), chunks.iter().copied()).into_iter().map(Result::unwrap).collect();
    assert_eq!(found, oracle::lines(stream));
    assert_eq!(oracle::dispatch(found.iter().map(String::as_str)), decode([stream]));

    let limited = lines_within::<LIMIT>(&chunks);
    assert_eq!(limited, lines_within::<LIMIT>(&[stream]));
    let short = found.into_iter().filter(|line| line.len() <= LIMIT);
    assert!(limited.into_iter().flatten().eq(short));
});
