//! The ids that a hub gives to events.

use sse_codec::EventId;

use crate::log::{Position, SharedLog};

/// Makes and reads ids.
#[derive(Clone, Debug)]
pub(crate) enum Ids {
    /// An epoch and a sequence number. The epoch tells the ids of this hub from those of one that was lost.
    Epoch(u64),
    /// The positions of a log.
    Log(SharedLog),
}

impl Ids {
    /// The id of a sequence number.
    pub(crate) fn of(&self, sequence: u64) -> EventId<'static> {
        match self {
            // Digits and a hyphen are always an id.
            Self::Epoch(epoch) => {
                EventId::try_from(format!("{epoch:012x}-{sequence}")).unwrap_or(EventId::from(sequence))
            }
            Self::Log(log) => log.id(Position::new(sequence)),
        }
    }

    /// The sequence number of an id that [`of`](Self::of) made.
    pub(crate) fn parse(&self, id: &str) -> Option<u64> {
        if let Self::Log(log) = self {
            return log.position(id).map(Position::get);
        }
        let sequence = id.split_once('-')?.1.parse().ok()?;
        // One sequence number has one form: no sign, no zeros ahead.
        (self.of(sequence).as_str() == id).then_some(sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        let ids = Ids::Epoch(0xE);
        assert_eq!(ids.of(7).as_str(), "00000000000e-7");
        assert_eq!(ids.parse("00000000000e-7"), Some(7));
        for id in [
            "",
            "x",
            "-",
            "e-7",
            "00000000000f-7",
            "00000000000e-",
            "00000000000e-07",
            "00000000000e-+7",
            "00000000000e-99999999999999999999",
            "\u{fffd}",
        ] {
            assert_eq!(ids.parse(id), None, "{id:?}");
        }
    }
}
