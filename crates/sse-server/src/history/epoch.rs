//! The ids that a hub without a log gives to its events.

use sse_codec::EventId;

use super::position::Position;

/// A number that distinguishes the ids of one hub from those of another hub, or of the same hub before a restart. An id
/// is the epoch and a position: `31043490a327-6`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch(u64);

/// How many hexadecimal digits an epoch has in an id.
const DIGITS: usize = 12;

impl Epoch {
    /// Returns an epoch of the lowest 48 bits of a random number, which keep ids short.
    pub(crate) fn new(random: u64) -> Self {
        Self(random >> 16)
    }

    /// Returns the id of a position.
    pub(crate) fn id(self, position: Position) -> EventId<'static> {
        // Digits and a hyphen are always a valid id.
        EventId::try_from(format!("{:0DIGITS$x}-{position}", self.0)).unwrap_or(EventId::from(position.get()))
    }

    /// Returns the position of an id that [`id`](Self::id) returned.
    pub(crate) fn position(self, id: &str) -> Option<Position> {
        let (epoch, position) = parts(id)?;
        (epoch == self.0).then_some(position)
    }
}

/// Returns whether an id has the form of the ids that hubs give, whatever its epoch.
pub(crate) fn is_hubs(id: &str) -> bool {
    parts(id).is_some()
}

fn parts(id: &str) -> Option<(u64, Position)> {
    let (epoch, position) = id.split_once('-')?;
    let is_epoch =
        epoch.len() == DIGITS && epoch.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let number: u64 = position.parse().ok()?;
    // One position has one form, without a sign and without leading zeros.
    let is_position =
        position.bytes().all(|byte| byte.is_ascii_digit()) && (position == "0" || !position.starts_with('0'));
    if !is_epoch || !is_position {
        return None;
    }
    Some((u64::from_str_radix(epoch, 16).ok()?, Position::new(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        let epoch = Epoch(0xE);
        assert_eq!(epoch.id(Position::new(7)).as_str(), "00000000000e-7");
        assert_eq!(epoch.position("00000000000e-7"), Some(Position::new(7)));
        assert_eq!(epoch.position("00000000000e-0"), Some(Position::START));
        assert_eq!(epoch.position("00000000000f-7"), None, "an id of another hub");
        assert!(is_hubs("00000000000f-7"));
        for id in [
            "",
            "x",
            "-",
            "e-7",
            "00000000000E-7",
            "00000000000e-",
            "00000000000e-07",
            "00000000000e-+7",
            "00000000000e-99999999999999999999",
            "\u{fffd}",
        ] {
            assert_eq!(epoch.position(id), None, "{id:?}");
            assert!(!is_hubs(id), "{id:?}");
        }
    }
}
