//! What is published: data that says which event of which run it is, and when it was due.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

/// The mark of one run, by which its events are told apart from all others in the topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

/// What the data of an event says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The events of a run are numbered from 0, in the order of publishing.
    pub(super) sequence: u64,
    /// When it was due, since the start of the run.
    pub(super) due: Duration,
}

impl Mark {
    pub(super) fn random() -> Self {
        // Its keys are random.
        Self(RandomState::new().build_hasher().finish())
    }

    /// The data of an event, which is `size` bytes long, or as long as it must be.
    pub(super) fn data(self, stamp: Stamp, size: usize) -> String {
        let mut data = format!("{:016x} {} {} ", self.0, stamp.sequence, stamp.due.as_nanos());
        let padding = size.saturating_sub(data.len());
        data.extend(std::iter::repeat_n('.', padding));
        data
    }

    /// Reads the data of an event; `None` if the event is not of this run.
    pub(super) fn read(self, data: &str) -> Option<Stamp> {
        let mut words = data.splitn(4, ' ');
        if u64::from_str_radix(words.next()?, 16) != Ok(self.0) {
            return None;
        }
        let sequence = words.next()?.parse().ok()?;
        let due = Duration::from_nanos(words.next()?.parse().ok()?);
        Some(Stamp { sequence, due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: Mark = Mark(0xa1);

    #[track_caller]
    fn check(data: &str, expected: Option<(u64, u64)>) {
        let found =
            MARK.read(data).map(|stamp| (stamp.sequence, u64::try_from(stamp.due.as_nanos()).unwrap()));
        assert_eq!(found, expected, "{data:?}");
    }

    #[test]
    fn only_the_events_of_the_run_are_read() {
        check("00000000000000a1 7 1500 ....", Some((7, 1500)));
        check("00000000000000a1 7 1500 ", Some((7, 1500)));
        check("00000000000000a2 7 1500 ", None);
        check("00000000000000a1 7", None);
        check("00000000000000a1 7 1.5 ", None);
        check("00000000000000a1 -7 15 ", None);
        check("price", None);
        check("", None);
    }

    #[test]
    fn what_is_written_is_read_and_has_the_size() {
        let stamp = Stamp { sequence: 12_345, due: Duration::from_millis(1_234_567) };
        for size in [0, 10, 64, 1000] {
            let data = MARK.data(stamp, size);
            assert_eq!(MARK.read(&data), Some(stamp));
            assert_eq!(data.len(), size.max("00000000000000a1 12345 1234567000000 ".len()));
        }
    }
}
