//! Decides when an outage is logged: at its beginning, then at a rate, and at its end.

use std::time::Duration;

use tokio::time::Instant;

/// How often an outage is logged while it lasts.
const LOGGED_EACH: Duration = Duration::from_secs(30);

/// Whether an operation fails, since when, and when that was last logged. Attempts may fail many times a second.
#[derive(Debug, Default)]
pub(crate) struct Outage(Option<Times>);

#[derive(Clone, Copy, Debug)]
struct Times {
    begun: Instant,
    logged: Instant,
}

impl Outage {
    /// Notes that an attempt has failed. Returns how long the outage has lasted, if it must be logged now.
    pub(crate) fn failed(&mut self, now: Instant) -> Option<Duration> {
        let Some(Times { begun, logged }) = &mut self.0 else {
            self.0 = Some(Times { begun: now, logged: now });
            return Some(Duration::ZERO);
        };
        if now.saturating_duration_since(*logged) < LOGGED_EACH {
            return None;
        }
        *logged = now;
        Some(between(*begun, now))
    }

    /// Notes that an attempt has succeeded. Returns how long the outage has lasted, if this ends one.
    pub(crate) fn succeeded(&mut self, now: Instant) -> Option<Duration> {
        self.0.take().map(|Times { begun, .. }| between(begun, now))
    }
}

/// Returns the time between two moments, cut to milliseconds so that it is short in a log.
fn between(begun: Instant, now: Instant) -> Duration {
    let time = now.saturating_duration_since(begun);
    Duration::new(time.as_secs(), time.subsec_millis() * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks what is logged after attempts. Each attempt is a time in seconds, and whether it succeeds. `+` stands for
    /// an outage, and `-` for its end.
    #[track_caller]
    fn check(attempts: &[(u64, bool)], expected: &[&str]) {
        let (start, mut outage) = (Instant::now(), Outage::default());
        let logged = attempts.iter().filter_map(|&(second, is_success)| {
            let now = start + Duration::from_secs(second);
            if is_success {
                outage.succeeded(now).map(|lasted| format!("-{}", lasted.as_secs()))
            } else {
                outage.failed(now).map(|lasted| format!("+{}", lasted.as_secs()))
            }
        });
        assert_eq!(logged.collect::<Vec<_>>(), expected, "{attempts:?}");
    }

    #[test]
    fn an_outage_is_logged_at_its_beginning_at_a_rate_and_at_its_end() {
        check(&[(0, true), (1, true)], &[]);
        check(&[(0, false), (0, false), (1, false), (3, true), (4, true)], &["+0", "-3"]);
        let night: Vec<_> = (10..=100).map(|second| (second, false)).chain([(105, true)]).collect();
        check(&night, &["+0", "+30", "+60", "+90", "-95"]);
        check(&[(0, false), (1, true), (2, false), (50, true)], &["+0", "-1", "+0", "-48"]);
    }
}
