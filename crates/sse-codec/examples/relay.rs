//! A relay that passes whole blocks on unchanged, including comments, unknown fields and ids without data.
//!
//! ```sh
//! printf ': hello\r\rid: 7\r\rdata: unfini' | cargo run -p sse-codec --example relay
//! ```

use std::io::{self, Read, Write};

use sse_codec::LineDecoder;

/// The longest block that is passed on, in bytes.
const MAX_BLOCK: usize = 1024 * 1024;

fn main() -> io::Result<()> {
    relay(io::stdin().lock(), io::stdout().lock())
}

/// Copies the blocks of an event stream. A block that is unfinished at the end is left out, because clients ignore it.
fn relay(mut upstream: impl Read, mut downstream: impl Write) -> io::Result<()> {
    let mut decoder = LineDecoder::with_limit(MAX_BLOCK);
    let mut block = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = upstream.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        let mut chunk = &buffer[..length];
        while let Some(line) = decoder.next_line(&mut chunk).map_err(io::Error::other)? {
            if block.len() + line.as_str().len() > MAX_BLOCK {
                return Err(io::Error::other("a block is too large to be passed on"));
            }
            write!(block, "{line}")?;
            if line.is_blank() {
                downstream.write_all(&block)?;
                downstream.flush()?;
                block.clear();
            }
        }
    }
}

#[test]
fn whole_blocks_are_passed_on() -> io::Result<()> {
    let mut passed = Vec::new();
    relay(&b"\xEF\xBB\xBF: hello\r\n\r\nid: 7\r\rother:x\ndata\n\ndata: unfini"[..], &mut passed)?;
    assert_eq!(passed, b": hello\n\nid: 7\n\nother:x\ndata\n\n");
    Ok(())
}

#[test]
fn a_block_without_an_end_is_an_error() {
    let error = relay(Endless, io::sink()).unwrap_err();
    assert_eq!(error.to_string(), "a block is too large to be passed on");
}

/// A source of comments without an empty line.
#[cfg(test)]
struct Endless;

#[cfg(test)]
impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let comments = b":x\n".iter().cycle();
        buffer.iter_mut().zip(comments).for_each(|(place, &byte)| *place = byte);
        Ok(buffer.len() / 3 * 3)
    }
}
