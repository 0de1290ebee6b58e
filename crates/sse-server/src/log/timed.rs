//! Positions that are made of a time, and their ids.
//!
//! Such a position is a time in milliseconds and a number below 2^20, in 64 bits. Its id has both in decimal, as in
//! `1732550000000-7`. Redis Streams have such ids. The times last until the year 2527.
//!
//! A log with such positions gives higher ones also after it was lost and began anew, as [`Log`](super::Log) requires.

use std::time::{Duration, SystemTime};

use sse_codec::EventId;

use crate::history::Position;

const NUMBER_BITS: u32 = 20;

/// Returns the position of a time in milliseconds and a number, if they fit.
pub fn position(time: u64, number: u64) -> Option<Position> {
    let fits = time < 1 << (u64::BITS - NUMBER_BITS) && number < 1 << NUMBER_BITS;
    fits.then(|| Position::new(time << NUMBER_BITS | number))
}

/// Returns the time of a position, in milliseconds.
pub fn time(position: Position) -> u64 {
    position.get() >> NUMBER_BITS
}

/// Returns the time of a position, for [`Log::time`](super::Log::time).
pub fn system_time(position: Position) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(time(position))
}

/// Returns the text of a position, which is its id.
pub fn text(position: Position) -> String {
    format!("{}-{}", time(position), position.get() & ((1 << NUMBER_BITS) - 1))
}

/// Returns the id of a position, for [`Log::id`](super::Log::id).
pub fn id(position: Position) -> EventId<'static> {
    // Digits and a hyphen are always a valid id.
    EventId::try_from(text(position)).unwrap_or_else(|_| EventId::from(position.get()))
}

/// Returns the position of an id, for [`Log::position`](super::Log::position); `None` if the id is not the text of a
/// position.
pub fn parse(id: &str) -> Option<Position> {
    let (time, number) = id.split_once('-')?;
    let position = position(time.parse().ok()?, number.parse().ok()?)?;
    // One position has one text, without a sign and without leading zeros.
    (text(position) == id).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, position: Option<u64>) {
        assert_eq!(parse(text).map(Position::get), position, "{text:?}");
    }

    #[test]
    fn an_id_has_one_text() {
        check("0-0", Some(0));
        check("1-0", Some(1 << 20));
        check("1732550000000-7", Some(1_732_550_000_000 << 20 | 7));
        check("17592186044415-1048575", Some(u64::MAX));
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "01-0",
            "1-00",
            "+1-0",
            "1-0 ",
            "1-1048576",
            "17592186044416-0",
            "1-0-0",
            "1-x",
            "99999999999999999999-0",
            "\u{fffd}",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn a_later_entry_has_a_higher_position() {
        let ids =
            ["0-0", "0-1", "0-1048575", "1-0", "1-1", "2-0", "1732550000000-0", "17592186044415-1048575"];
        let positions: Vec<_> = ids.iter().map(|id| parse(id).unwrap()).collect();
        assert!(positions.is_sorted());
        assert!(positions.iter().zip(ids).all(|(&position, text)| super::text(position) == text));
    }
}
