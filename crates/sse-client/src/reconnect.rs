//! When to reconnect, and after how long: facts in, decision out.
//!
//! - Pure: time and chance are arguments; nothing here reads a clock, a socket or a generator.
//! - A server can ask for a longer wait than ours, never for a shorter one than the shortest.
//! - A connection that brings nothing and is over soon counts as a failure, so that no server can make a client spin.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use http::StatusCode;

/// The policy by which an [`EventSource`](crate::EventSource) reconnects, and what it knows of the past.
///
/// The wait is the reconnection time that the server asked for, within bounds, and a random part of a time that
/// doubles with each failure: of 1 s at first, of 60 s at most. The random part spreads clients that lost their server
/// together.
///
/// A failure is an attempt without a good response, and a connection that brought no event and did not outlive the wait
/// before it. After a connection that was none, the time is halved, and after one that lasted for 60 s it is 1 s again.
///
/// ```
/// use std::time::Duration;
/// use sse_client::Reconnect;
///
/// let patient = Reconnect::new().backoff(Duration::from_secs(5)..=Duration::from_secs(300));
/// let at_most_ten_times = Reconnect::new().max_failures(10);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Reconnect {
    reconnects: bool,
    backoff: RangeInclusive<Duration>,
    /// What the server may ask for.
    bounds: RangeInclusive<Duration>,
    healthy_after: Duration,
    max_failures: u32,
    retries_statuses: bool,
    reconnection_time: Duration,
    /// How many failures there were in a row.
    failures: u32,
    /// How many times the backoff has doubled, and once more.
    level: u32,
    opened: Option<Opened>,
}

/// A connection that had a good response.
#[derive(Clone, Copy, Debug)]
struct Opened {
    at: Instant,
    event_received: bool,
}

/// How a connection, or the attempt at one, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// There was no response, or the connection broke.
    Network,
    /// The body ended.
    End,
    /// The response had this status.
    Status(StatusCode),
    /// The response was no event stream.
    ContentType,
    /// The request can't succeed as it is: a URL of another scheme than HTTP, or a loop of redirects.
    Request,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Connect again after this time.
    Wait(Duration),
    /// Never connect again: another attempt would not go better, or none is wanted.
    Stop,
    /// Never connect again: there were too many failures.
    GiveUp,
}

impl Reconnect {
    /// The default: 1 s doubling up to 60 s; also after 408, 425, 429 and 5xx, which pass.
    pub fn new() -> Self {
        Self {
            reconnects: true,
            backoff: Duration::from_secs(1)..=Duration::from_secs(60),
            bounds: Duration::from_millis(100)..=Duration::from_secs(5 * 60),
            healthy_after: Duration::from_secs(60),
            max_failures: u32::MAX,
            retries_statuses: true,
            reconnection_time: Duration::ZERO,
            failures: 0,
            level: 0,
            opened: None,
        }
    }

    /// The standard's own (9.2.3): the reconnection time each time, 3 s at first as in browsers, and as long as the
    /// server likes, but 100 ms at least; and no other status than 200 is tried again.
    pub fn standard() -> Self {
        Self {
            backoff: Duration::ZERO..=Duration::ZERO,
            bounds: Duration::from_millis(100)..=Duration::MAX,
            retries_statuses: false,
            reconnection_time: Duration::from_secs(3),
            ..Self::new()
        }
    }

    /// No reconnect at all.
    pub fn never() -> Self {
        Self { reconnects: false, ..Self::new() }
    }

    /// From where to where the longest random wait doubles; 1 s to 60 s by default.
    pub fn backoff(mut self, times: RangeInclusive<Duration>) -> Self {
        self.backoff = times;
        self
    }

    /// What reconnection times are taken from a server; 100 ms to 5 min by default. What is outside counts as the
    /// nearest bound.
    pub fn reconnection_times(mut self, bounds: RangeInclusive<Duration>) -> Self {
        self.bounds = bounds;
        self
    }

    /// How long a connection must have lasted for the random wait to begin anew; 60 s by default.
    pub fn healthy_after(mut self, time: Duration) -> Self {
        self.healthy_after = time;
        self
    }

    /// After how many failures in a row to try again; with the next one it gives up. Without limit by default.
    pub fn max_failures(mut self, failures: u32) -> Self {
        self.max_failures = failures;
        self
    }

    // The facts.

    /// There is a good response.
    pub fn opened(&mut self, now: Instant) {
        self.opened = Some(Opened { at: now, event_received: false });
    }

    /// The connection brought an event.
    pub fn event_received(&mut self) {
        if let Some(opened) = &mut self.opened {
            opened.event_received = true;
        }
    }

    /// The server asked for this reconnection time.
    pub fn set_reconnection_time(&mut self, time: Duration) {
        // Not `clamp`, which panics on an empty range.
        self.reconnection_time = time.max(*self.bounds.start()).min(*self.bounds.end());
    }

    /// The connection, or the attempt at one, ended. `jitter` is a random number from 0 to 1.
    pub fn closed(&mut self, cause: Cause, now: Instant, jitter: f64) -> Decision {
        let opened = self.opened.take();
        if !self.reconnects || !self.is_passing(cause) {
            return Decision::Stop;
        }
        self.count(opened, now);
        if self.failures > self.max_failures {
            return Decision::GiveUp;
        }
        Decision::Wait(self.reconnection_time.saturating_add(part(self.longest_backoff(), jitter)))
    }

    /// Counts a connection, or the attempt at one, as a failure or not.
    fn count(&mut self, opened: Option<Opened>, now: Instant) {
        let lasted = opened.map(|opened| now.saturating_duration_since(opened.at));
        let fruitful = opened.is_some_and(|opened| opened.event_received);
        if lasted.is_some_and(|lasted| lasted >= self.healthy_after) {
            self.failures = 0;
            self.level = 0;
        } else if fruitful || lasted.is_some_and(|lasted| lasted > self.longest_backoff()) {
            self.failures = 0;
            self.level = self.level.saturating_sub(1);
        } else {
            self.failures = self.failures.saturating_add(1);
            self.level = self.level.saturating_add(1);
        }
    }

    /// Whether another attempt may go better.
    fn is_passing(&self, cause: Cause) -> bool {
        match cause {
            Cause::Network | Cause::End => true,
            Cause::Status(status) => {
                self.retries_statuses
                    && (matches!(status.as_u16(), 408 | 425 | 429) || status.is_server_error())
            }
            Cause::ContentType | Cause::Request => false,
        }
    }

    /// The longest random wait now.
    fn longest_backoff(&self) -> Duration {
        let doublings = self.level.saturating_sub(1).min(31);
        self.backoff.start().saturating_mul(1 << doublings).min(*self.backoff.end())
    }
}

/// The part of `time` that `jitter`, a number from 0 to 1, stands for.
fn part(time: Duration, jitter: f64) -> Duration {
    // `Duration::mul_f64` would panic on NaN and near the greatest time: both count as the whole.
    Duration::try_from_secs_f64(time.as_secs_f64() * jitter.clamp(0.0, 1.0)).unwrap_or(time)
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A policy with a clock of its own, so that tests read as a sequence of facts.
    struct Story {
        policy: Reconnect,
        now: Instant,
    }

    fn story(policy: Reconnect) -> Story {
        Story { policy, now: Instant::now() }
    }

    impl Story {
        fn after(&mut self, time: Duration) -> &mut Self {
            self.now += time;
            self
        }

        fn opened(&mut self) -> &mut Self {
            self.policy.opened(self.now);
            self
        }

        fn event(&mut self) -> &mut Self {
            self.policy.event_received();
            self
        }

        fn asked_for(&mut self, millis: u64) -> &mut Self {
            self.policy.set_reconnection_time(Duration::from_millis(millis));
            self
        }

        /// The longest wait after this cause, which is that with the greatest jitter; `None` to stop.
        fn closed(&mut self, cause: Cause) -> Option<Duration> {
            let shortest = self.policy.clone().closed(cause, self.now, 0.0);
            match (shortest, self.policy.closed(cause, self.now, 1.0)) {
                (Decision::Wait(shortest), Decision::Wait(longest)) => {
                    assert_eq!(shortest, self.policy.reconnection_time);
                    Some(longest)
                }
                (Decision::Stop, Decision::Stop) | (Decision::GiveUp, Decision::GiveUp) => None,
                (shortest, longest) => panic!("chance decided: {shortest:?}, {longest:?}"),
            }
        }

        fn seconds(&mut self, cause: Cause) -> Option<f64> {
            self.closed(cause).map(|wait| wait.as_secs_f64())
        }
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut story = story(Reconnect::new());
        let waits: Vec<_> = (0..9).map(|_| story.seconds(Cause::Network)).collect();
        assert_eq!(waits, [1., 2., 4., 8., 16., 32., 60., 60., 60.].map(Some));
    }

    #[test]
    fn a_healthy_connection_lets_the_waits_begin_anew() {
        let mut story = story(Reconnect::new());
        for _ in 0..5 {
            story.closed(Cause::Network);
        }
        assert_eq!(story.opened().after(60 * SECOND).seconds(Cause::End), Some(1.));
    }

    #[test]
    fn a_shorter_one_with_events_halves_them() {
        let mut story = story(Reconnect::new());
        for _ in 0..5 {
            story.closed(Cause::Network);
        }
        let waits: Vec<_> =
            (0..6).map(|_| story.opened().event().after(SECOND).seconds(Cause::End)).collect();
        assert_eq!(waits, [8., 4., 2., 1., 1., 1.].map(Some));
    }

    #[test]
    fn a_silent_connection_that_outlives_its_wait_is_no_failure() {
        let mut story = story(Reconnect::new().max_failures(1));
        for _ in 0..100 {
            assert_eq!(story.opened().after(30 * SECOND).seconds(Cause::End), Some(1.));
        }
        for _ in 0..2 {
            story.opened().after(SECOND).closed(Cause::End);
        }
        assert_eq!(story.opened().after(SECOND).closed(Cause::End), None);
    }

    #[test]
    fn accept_then_close_is_a_failure() {
        let mut story = story(Reconnect::new());
        let waits: Vec<_> = (0..4).map(|_| story.opened().seconds(Cause::End)).collect();
        assert_eq!(waits, [1., 2., 4., 8.].map(Some));
    }

    #[test]
    fn an_event_makes_it_none() {
        let mut story = story(Reconnect::new());
        for _ in 0..4 {
            assert_eq!(story.opened().event().seconds(Cause::End), Some(1.));
        }
    }

    #[test]
    fn the_servers_reconnection_time_is_the_least() {
        let mut story = story(Reconnect::new());
        assert_eq!(story.asked_for(3000).closed(Cause::End), Some(4 * SECOND));
        assert_eq!(story.closed(Cause::End), Some(5 * SECOND));
    }

    #[test]
    fn the_servers_reconnection_time_is_bounded() {
        let mut story = story(Reconnect::new());
        assert_eq!(
            story.asked_for(0).opened().event().closed(Cause::End),
            Some(SECOND + Duration::from_millis(100))
        );
        assert_eq!(story.asked_for(u64::MAX >> 11).opened().event().closed(Cause::End), Some(301 * SECOND));
    }

    #[test]
    fn which_statuses_pass() {
        for status in 100..=599 {
            let passes = matches!(status, 408 | 425 | 429 | 500..=599);
            let cause = Cause::Status(StatusCode::from_u16(status).unwrap());
            assert_eq!(story(Reconnect::new()).closed(cause).is_some(), passes, "{status}");
            assert_eq!(story(Reconnect::standard()).closed(cause), None, "{status}");
        }
        assert_eq!(story(Reconnect::new()).closed(Cause::ContentType), None);
        assert_eq!(story(Reconnect::new()).closed(Cause::Request), None);
    }

    #[test]
    fn the_standard_waits_the_reconnection_time() {
        let mut story = story(Reconnect::standard());
        for _ in 0..3 {
            assert_eq!(story.closed(Cause::Network), Some(3 * SECOND));
        }
        assert_eq!(story.asked_for(500).closed(Cause::End), Some(SECOND / 2));
        assert_eq!(story.asked_for(3_600_000).closed(Cause::End), Some(3600 * SECOND), "as long as it likes");
        assert_eq!(story.asked_for(0).closed(Cause::End), Some(SECOND / 10), "but no spinning");
    }

    #[test]
    fn failures_in_a_row_can_be_bounded() {
        let mut story = story(Reconnect::new().max_failures(2));
        for _ in 0..10 {
            assert!(story.closed(Cause::Network).is_some());
            assert!(story.closed(Cause::Network).is_some());
            assert!(story.opened().event().closed(Cause::End).is_some(), "an event breaks the row");
        }
        assert!(story.closed(Cause::Network).is_some());
        assert!(story.closed(Cause::Network).is_some());
        assert_eq!(story.policy.closed(Cause::Network, story.now, 0.0), Decision::GiveUp);
        assert_eq!(self::story(Reconnect::new().max_failures(0)).closed(Cause::Network), None);
    }

    #[test]
    fn never_is_never() {
        let mut story = story(Reconnect::never());
        assert_eq!(story.opened().event().policy.closed(Cause::End, Instant::now(), 0.0), Decision::Stop);
    }

    #[test]
    fn a_good_connection_counts_for_itself_only() {
        let mut story = story(Reconnect::new());
        assert_eq!(story.opened().event().after(60 * SECOND).seconds(Cause::End), Some(1.));
        assert_eq!(story.seconds(Cause::Network), Some(1.));
        assert_eq!(story.seconds(Cause::Network), Some(2.));
    }

    #[test]
    fn a_long_backoff_doubles_all_the_way() {
        let day = 24 * 3600 * SECOND;
        let mut story = story(Reconnect::new().backoff(SECOND..=day));
        let longest = (0..20).map(|_| story.closed(Cause::Network)).max();
        assert_eq!(longest, Some(Some(day)));
    }

    #[test]
    fn odd_settings_do_not_panic() {
        let [short, long] = [SECOND, Duration::MAX];
        let mut story = story(Reconnect::new().backoff(long..=long).reconnection_times(long..=short));
        assert!(story.asked_for(7).closed(Cause::Network).is_some());
        let mut policy = Reconnect::new();
        assert_ne!(policy.closed(Cause::Network, Instant::now(), f64::NAN), Decision::Stop);
    }

    proptest! {
        #[test]
        fn no_wait_is_ever_out_of_bounds(
            facts in prop::collection::vec((0u8..5, 0u64..200_000), 0..200), jitter in 0.0f64..1.0,
        ) {
            let mut story = story(Reconnect::new());
            for (fact, number) in facts {
                match fact {
                    0 => drop(story.opened()),
                    1 => drop(story.event()),
                    2 => drop(story.after(Duration::from_millis(number))),
                    3 => drop(story.asked_for(number * number)),
                    _ => {
                        let decision = story.policy.closed(Cause::Network, story.now, jitter);
                        let Decision::Wait(wait) = decision else { panic!("stopped") };
                        prop_assert!(wait <= Duration::from_secs(5 * 60 + 60));
                        prop_assert!(wait >= story.policy.reconnection_time);
                    }
                }
            }
        }
    }
}
