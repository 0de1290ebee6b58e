//! Positions in a stream, and the ids of its entries.
//!
//! An id of Redis is a time in milliseconds and a number. `append.lua` keeps the number below 2^20, so both fit into 64
//! bits, until the year 2527.

use sse_server::EventId;
use sse_server::log::Position;

const NUMBER_BITS: u32 = 20;

/// The position of an id's time and number, if they fit.
pub(crate) fn of(time: u64, number: u64) -> Option<Position> {
    let fits = time < 1 << (u64::BITS - NUMBER_BITS) && number < 1 << NUMBER_BITS;
    fits.then(|| Position::new(time << NUMBER_BITS | number))
}

/// The time of an id, in milliseconds.
pub(crate) fn time(position: Position) -> u64 {
    position.get() >> NUMBER_BITS
}

/// The text of an id.
pub(crate) fn id(position: Position) -> String {
    format!("{}-{}", time(position), position.get() & ((1 << NUMBER_BITS) - 1))
}

pub(crate) fn event_id(position: Position) -> EventId<'static> {
    // Digits and a hyphen are always an id.
    EventId::try_from(id(position)).unwrap_or_else(|_| EventId::from(position.get()))
}

/// The position that an id is the text of.
pub(crate) fn parse(id_text: &str) -> Option<Position> {
    let (time, number) = id_text.split_once('-')?;
    let position = of(time.parse().ok()?, number.parse().ok()?)?;
    // One position has one text: no sign, no zeros ahead.
    (id(position) == id_text).then_some(position)
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
        assert!(positions.iter().zip(ids).all(|(&position, text)| id(position) == text));
    }
}
