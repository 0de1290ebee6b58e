//! The pauses between attempts to reach a log.

use std::time::Duration;

/// Pauses between attempts. Each is longer than the last, and they are random, so that many processes do not try at
/// once.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn next(&mut self) -> Duration {
        let longest = Duration::from_millis(20 << self.failures.min(6));
        self.failures += 1;
        longest / 2 + longest.mul_f64(fastrand::f64() / 2.0)
    }
}
