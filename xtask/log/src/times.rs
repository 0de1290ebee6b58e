//! How long each operation of a measurement took.

use std::time::Duration;

pub(crate) struct Times {
    pub(crate) per_second: f64,
    sorted: Vec<Duration>,
}

impl Times {
    /// The times of all operations that ended within `measured`.
    pub(crate) fn new(mut times: Vec<Duration>, measured: Duration) -> Self {
        times.sort_unstable();
        Self { per_second: times.len() as f64 / measured.as_secs_f64(), sorted: times }
    }

    /// How many operations there were.
    pub(crate) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// A percentile in milliseconds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        let place = self.sorted.len() * percent / 100;
        self.sorted.get(place).or(self.sorted.last()).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
    }
}
