//! The ids that a hub gives to events: an epoch and a sequence number.

use sse_codec::EventId;

/// Makes and reads ids. The epoch tells the ids of this hub from those of one that was lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ids {
    epoch: u64,
}

impl Ids {
    pub(crate) const fn new(epoch: u64) -> Self {
        Self { epoch }
    }

    /// The id of a sequence number.
    pub(crate) fn of(self, sequence: u64) -> EventId<'static> {
        // Digits and a hyphen are always an id.
        EventId::try_from(format!("{:012x}-{sequence}", self.epoch)).unwrap_or(EventId::from(sequence))
    }

    /// The sequence number of an id that [`of`](Self::of) made.
    pub(crate) fn parse(self, id: &str) -> Option<u64> {
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
        let ids = Ids::new(0xE);
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
