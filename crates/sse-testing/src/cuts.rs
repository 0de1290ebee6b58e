//! Bytes in chunks, as a network delivers them.
//!
//! A client gets the bytes of a stream in chunks that end anywhere: in a character, between the CR and the LF of a line
//! end, in an event. Its result must not depend on the cuts. [`check`] tests that:
//!
//! ```
//! use sse_testing::cuts;
//!
//! let stream = "\u{feff}data: Grüße\r\nid: 1\r\n\r\ndata: two\n\n".as_bytes();
//! let events = cuts::check(stream, |chunks| {
//!     // The parser under test; here, the decoder of `sse-codec`.
//!     let mut decoder = sse_codec::Decoder::new();
//!     let mut events = Vec::new();
//!     for mut chunk in chunks.iter().copied() {
//!         while let Some(event) = decoder.next_event(&mut chunk).unwrap() {
//!             events.push(event.to_event());
//!         }
//!     }
//!     events
//! });
//! assert_eq!(events.len(), 2);
//! assert_eq!(events[0].data(), "Grüße");
//! ```

use std::fmt::Debug;
use std::iter;

use fastrand::Rng;

/// How many random cuts [`check`] tries.
const RANDOM: u64 = 100;

/// Calls `read` with the bytes in one chunk, byte by byte, in every cut in two, and in 100 random cuts. Returns the
/// result for one chunk.
///
/// These are `bytes.len() + 103` calls. The random cuts are the same each time.
///
/// # Panics
///
/// If the result of `read` differs for one of the cuts. The message shows the chunks of this cut.
#[track_caller]
pub fn check<T: Debug + PartialEq>(bytes: &[u8], mut read: impl FnMut(&[&[u8]]) -> T) -> T {
    let whole = read(&[bytes]);
    let cuts = iter::once(byte_by_byte(bytes))
        .chain(in_two(bytes).map(Vec::from))
        .chain((0..RANDOM).map(|seed| random(bytes, seed)));
    for chunks in cuts {
        let seen = read(&chunks);
        if seen != whole {
            let chunks: Vec<_> = chunks.iter().map(|chunk| chunk.escape_ascii().to_string()).collect();
            panic!("in these chunks the result is\n  {seen:?}, not\n  {whole:?}\n  {chunks:?}");
        }
    }
    whole
}

/// Returns the bytes as chunks of one byte each.
pub fn byte_by_byte(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.chunks(1).collect()
}

/// Returns the bytes in every cut in two: `bytes.len() + 1` times, from an empty first part to an empty second part.
pub fn in_two(bytes: &[u8]) -> impl Iterator<Item = [&[u8]; 2]> {
    (0..=bytes.len()).map(|length| {
        let (first, second) = bytes.split_at(length);
        [first, second]
    })
}

/// Returns the bytes in random chunks. The same seed gives the same cuts of the same bytes. Some chunks may be empty.
pub fn random(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut rng = Rng::with_seed(seed);
    // Many short chunks, or few long ones.
    let longest = 1 << rng.u32(1..=10);
    let (mut chunks, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (chunk, more) = rest.split_at(rng.usize(0..=longest).min(rest.len()));
        chunks.push(chunk);
        rest = more;
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_is_of_the_same_bytes() {
        let bytes = b"data: 1\r\n\r\n";
        let mut cuts = 0;
        check(bytes, |chunks| {
            cuts += 1;
            assert_eq!(chunks.concat(), bytes);
        });
        assert_eq!(cuts, bytes.len() + 103);
        assert!((0..100).any(|seed| random(bytes, seed).iter().any(|chunk| chunk.is_empty())));
    }

    #[test]
    #[should_panic = "[\"a\\\\r\", \"\\\\nb\"]"]
    fn a_result_that_depends_on_a_cut_is_reported_with_the_cut() {
        check(b"a\r\nb", |chunks| {
            let [first, .., _] = chunks else { return 0 };
            usize::from(*first == b"a\r")
        });
    }
}
