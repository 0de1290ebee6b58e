//! The keeper's notes of a second: a pure function, so that the program can publish the past again.

use sse_server::{EventId, EventType, Message};

const WAVE: EventType<'static> = EventType::from_static("wave");
const SHIP: EventType<'static> = EventType::from_static("ship");

/// The last five of each twenty seconds are quiet: the keeper trims the lamp, and only heartbeats are sent.
const QUIET_FROM: u64 = 15;

/// A ship passes about this often, in seconds.
const SHIP_EVERY: u64 = 11;

const SHIPS: [&str; 8] = [
    "Halcyon",
    "Störtebeker",
    "Ville de Brest",
    "北斗丸",
    "Aurora",
    "Saltwind",
    "Nordstjernen",
    "Ocean Pearl",
];
const NOTES: [&str; 5] = [
    "Under full sail.",
    "Low in the water, northbound.\nAnswered the lamp twice.",
    "Flies the yellow flag.",
    "Fishing; three boats beside it.\nGulls.",
    "Passed close, greeted with the horn 📯",
];

/// Returns the entries of the log at `second`, counted from 1970. Each has an id of its own.
pub(crate) fn entries(second: u64) -> impl Iterator<Item = Message<'static>> {
    let awake = second % 20 < QUIET_FROM;
    let ship = awake && chance(second).is_multiple_of(SHIP_EVERY);
    [awake.then(|| wave(second)), ship.then(|| passing(second))].into_iter().flatten()
}

/// Returns the height of the sea: a swell, waves, and some spray.
fn wave(second: u64) -> Message<'static> {
    // A day has few enough seconds for an exact value.
    let time = f64::from(u32::try_from(second % 86_400).unwrap_or_default());
    let spray = f64::from(u32::try_from(chance(second) % 100).unwrap_or_default()) / 100.0;
    let height = 1.4 + 0.7 * (time / 23.0).sin() + 0.3 * (time / 5.3).sin() + 0.25 * spray;
    Message::new(format!("{{\"time\":{second},\"metres\":{height:.2}}}"))
        .event_type(WAVE)
        .id(EventId::from(second))
}

/// Returns the passing of a ship: its name on the first line, remarks on the following lines.
fn passing(second: u64) -> Message<'static> {
    let number = chance(second) / SHIP_EVERY;
    let [ship, note] = [pick(&SHIPS, number), pick(&NOTES, number / 64)];
    let id = EventId::try_from(format!("{second}-ship")).unwrap_or(EventId::from(second));
    Message::new(format!("{ship}\n{note}")).event_type(SHIP).id(id)
}

fn pick(texts: &[&'static str], number: u64) -> &'static str {
    texts[usize::try_from(number % texts.len() as u64).unwrap_or_default()]
}

/// Returns a number that looks random and is always the same for this second (the finaliser of `MurmurHash3`).
fn chance(second: u64) -> u64 {
    let mut hash = second.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
