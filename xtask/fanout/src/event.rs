//! The data of an event: some length of text, with the time at its end and a mark behind it.
//!
//! The mark is the last byte, so whoever sees it has got the whole of the data; and it is nowhere else in a response.

use memchr::memchr_iter;

use crate::system;

const MARK: u8 = b'~';

/// How long the time is. Its width is fixed, so it is found by its place before the mark.
const TIME: usize = 20;

/// The data of an event that is published now.
pub(crate) fn text(length: usize) -> String {
    let mut text = ".".repeat(length - TIME - 1);
    text.push_str(&format!("{:0TIME$}", system::now()));
    text.push(char::from(MARK));
    text
}

/// How many events end in these bytes.
pub(crate) fn count(bytes: &[u8]) -> usize {
    memchr_iter(MARK, bytes).count()
}

/// When the events that end in these bytes were published. Those whose time is not all in them are left out.
pub(crate) fn times(bytes: &[u8]) -> impl Iterator<Item = u64> {
    memchr_iter(MARK, bytes).filter_map(move |end| {
        let digits = bytes.get(end.checked_sub(TIME)?..end)?;
        str::from_utf8(digits).ok()?.parse().ok()
    })
}
