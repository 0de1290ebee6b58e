//! Checks UTF-8, and repairs ill-formed text.

/// U+FFFD, which replaces each maximal ill-formed piece (Encoding Standard, "UTF-8 decode").
const REPLACEMENT: &[u8; 3] = b"\xEF\xBF\xBD";

/// Multiples of this many bytes are checked fastest.
pub(crate) const BLOCK: usize = 64;

/// Returns `bytes` as text, or `None` if they are not UTF-8.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Option<&str> {
    // For shorter text, preparing the vectors costs more than they save.
    #[cfg(feature = "std")]
    if bytes.len() >= BLOCK {
        return simdutf8::basic::from_utf8(bytes).ok();
    }
    if bytes.is_empty() {
        return Some("");
    }
    core::str::from_utf8(bytes).ok()
}

/// Returns the length of `bytes` after each ill-formed piece has become U+FFFD. It is never less than their length now,
/// because U+FFFD is as long as the longest ill-formed piece.
pub(crate) fn repaired_len(bytes: &[u8]) -> usize {
    let chunks = bytes.utf8_chunks();
    chunks
        .map(|chunk| chunk.valid().len() + if chunk.invalid().is_empty() { 0 } else { REPLACEMENT.len() })
        .sum()
}

/// Repairs the first `len` bytes of `bytes`. The repaired text fills all of `bytes`, which are as long as its
/// [`repaired_len`].
///
/// The bytes are moved to the end first, and repaired from there to the front. No ill-formed piece is longer than
/// U+FFFD, so that the writing never overtakes the reading.
pub(crate) fn repair(bytes: &mut [u8], len: usize) {
    let mut read = bytes.len() - len;
    let mut written = 0;
    bytes.copy_within(..len, read);
    while let Some(chunk) = bytes[read..].utf8_chunks().next() {
        let (valid, invalid) = (chunk.valid().len(), chunk.invalid().len());
        bytes.copy_within(read..read + valid, written);
        read += valid + invalid;
        written += valid;
        if invalid > 0 {
            bytes[written..written + REPLACEMENT.len()].copy_from_slice(REPLACEMENT);
            written += REPLACEMENT.len();
        }
    }
}

/// Appends `bytes` to `text`, with U+FFFD for each ill-formed piece.
#[cfg(any(test, feature = "alloc"))]
pub(crate) fn push_repaired(bytes: &[u8], text: &mut alloc::string::String) {
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn repaired(bytes: &[u8]) -> Vec<u8> {
        let mut all = bytes.to_vec();
        all.resize(repaired_len(bytes), 0);
        repair(&mut all, bytes.len());
        all
    }

    const PIECES: &[&[u8]] =
        &[b"a", b"\xC3\xA9", b"\xF0\x9F\x98\x80", b"\xF0\x9F", b"\xE2\x82", b"\xFF", b"\x80"];

    proptest! {
        #[test]
        fn text_is_repaired_as_by_the_standard_library(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60),
        ) {
            let bytes = pieces.concat();
            let expected = String::from_utf8_lossy(&bytes);
            prop_assert_eq!(repaired(&bytes), expected.as_bytes());
            let mut text = String::new();
            push_repaired(&bytes, &mut text);
            prop_assert_eq!(text, expected);
            prop_assert_eq!(check(&bytes), core::str::from_utf8(&bytes).ok());
        }
    }
}
