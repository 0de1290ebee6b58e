//! The reconnection time: a number of milliseconds in ASCII digits (9.2.6, `retry`).

use core::time::Duration;

/// The longest reconnection time, in milliseconds: 2^53 - 1, the greatest integer that a browser represents exactly.
/// Longer times are cut to this one, which is 285,000 years.
pub(crate) const MAX_MILLIS: u64 = (1 << 53) - 1;

/// The value of a `retry` field, which is read part by part.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digits {
    millis: Option<u64>,
    invalid: bool,
}

impl Digits {
    pub(crate) const fn new() -> Self {
        Self { millis: None, invalid: false }
    }

    /// Reads the next part of the value.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if !byte.is_ascii_digit() {
                self.invalid = true;
                return;
            }
            let millis = self.millis.unwrap_or(0) * 10 + u64::from(byte - b'0');
            self.millis = Some(millis.min(MAX_MILLIS));
        }
    }

    /// Returns the time, if the value has only ASCII digits, and at least one.
    pub(crate) fn duration(self) -> Option<Duration> {
        self.millis.filter(|_| !self.invalid).map(Duration::from_millis)
    }
}

/// Returns `time` in milliseconds, as it is written. It is rounded up, because a client must not reconnect too soon.
pub(crate) fn millis(time: Duration) -> u64 {
    let millis = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(millis).unwrap_or(MAX_MILLIS).min(MAX_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, expected: Option<u64>) {
        for cut in 0..=value.len() {
            let mut digits = Digits::new();
            digits.push(&value.as_bytes()[..cut]);
            digits.push(&value.as_bytes()[cut..]);
            assert_eq!(digits.duration(), expected.map(Duration::from_millis), "{value:?} cut at {cut}");
        }
    }

    #[test]
    fn ascii_digits_are_milliseconds() {
        check("0", Some(0));
        check("1000", Some(1000));
        check("0010", Some(10));
        check("9007199254740991", Some(MAX_MILLIS));
    }

    #[test]
    fn longer_times_are_cut_to_the_longest() {
        check("9007199254740992", Some(MAX_MILLIS));
        check("99999999999999999999999999999999999999999", Some(MAX_MILLIS));
    }

    #[test]
    fn other_values_are_ignored() {
        for value in ["", " 1", "1 ", "+1", "-1", "1e3", "0x10", "1.5", "1_0", "1\0", "x"] {
            check(value, None);
        }
        assert_eq!(
            {
                let mut digits = Digits::new();
                digits.push("١".as_bytes());
                digits.duration()
            },
            None,
            "Arabic digits"
        );
    }

    #[test]
    fn a_written_time_is_rounded_up() {
        assert_eq!(millis(Duration::from_micros(1)), 1);
        assert_eq!(millis(Duration::from_millis(1500)), 1500);
        assert_eq!(millis(Duration::MAX), MAX_MILLIS);
    }
}
