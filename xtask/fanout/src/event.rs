//! The data of an event: text of some length, then the time, then a mark.
//!
//! The mark is the last byte of the data, and stands nowhere else in a response. So a subscriber that reads the mark has
//! received all of the data.

use memchr::memchr_iter;

use crate::system;

const MARK: u8 = b'~';

/// The length of the time. It is fixed, so that the time can be found before the mark.
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

/// When the events that end in these bytes were published. Events whose time is not completely in the bytes are left out.
pub(crate) fn times(bytes: &[u8]) -> impl Iterator<Item = u64> {
    memchr_iter(MARK, bytes).filter_map(move |end| {
        let digits = bytes.get(end.checked_sub(TIME)?..end)?;
        str::from_utf8(digits).ok()?.parse().ok()
    })
}
