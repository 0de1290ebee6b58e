//! When to reconnect, and after how long: facts in, decision out.
//!
//! - Pure: time and chance are arguments; nothing here reads a clock, a socket or a generator.
//! - A server can ask for a longer wait than ours, never for a shorter one than the shortest.
//! - A connection that brings nothing and is over soon counts as a failure, so that no server can make a client spin.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use http::StatusCode;

/// The policy by which an [`EventSource`](crate::EventSource) reconnects.
///
/// The wait is the reconnection time that the server asked for, within bounds, and on top of it a random part of the
/// *backoff*, which spreads clients that lost their server together. The backoff is 1 s at first, doubles with each
/// failure up to 60 s, halves with each connection that was none, and is 1 s again after one that lasted for a minute.
///
/// A failure is an attempt without a good response, or a connection that brought no event and was over sooner than the
/// wait before it.
///
/// ```
/// use std::time::Duration;
/// use sse_client::Reconnect;
///
/// let patient = Reconnect::new().backoff(Duration::from_secs(5)..=Duration::from_secs(300));
/// let at_most_ten_times = Reconnect::new().max_retries(10);
/// ```
///
/// It can be driven without an event source, by [`Attempts`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Reconnect {
    reconnects: bool,
    backoff: RangeInclusive<Duration>,
    reconnection_times: RangeInclusive<Duration>,
    /// Until the server asks for another one.
    first_reconnection_time: Duration,
    healthy_after: Duration,
    max_retries: u32,
    retries_statuses: bool,
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
#[non_exhaustive]
pub enum Decision {
    /// Connect again after this time.
    Wait(Duration),
    /// Never connect again: another attempt would not go better, or none is wanted.
    Stop,
    /// Never connect again: there were too many failures.
    GiveUp,
}

impl Reconnect {
    /// The default. It also tries again after 408, 425, 429 and 5xx, because they pass.
    pub fn new() -> Self {
        Self {
            reconnects: true,
            backoff: Duration::from_secs(1)..=Duration::from_secs(60),
            reconnection_times: Duration::from_millis(100)..=Duration::from_secs(5 * 60),
            first_reconnection_time: Duration::ZERO,
            healthy_after: Duration::from_secs(60),
            max_retries: u32::MAX,
            retries_statuses: true,
        }
    }

    /// The standard's own (9.2.3): the reconnection time each time, 3 s at first as in browsers, and as long as the
    /// server likes, but 100 ms at least; and no other status than 200 is tried again.
    pub fn standard() -> Self {
        Self {
            backoff: Duration::ZERO..=Duration::ZERO,
            reconnection_times: Duration::from_millis(100)..=Duration::MAX,
            first_reconnection_time: Duration::from_secs(3),
            retries_statuses: false,
            ..Self::new()
        }
    }

    /// No reconnect at all.
    pub fn never() -> Self {
        Self { reconnects: false, ..Self::new() }
    }

    /// The shortest and the longest backoff; 1 s and 60 s by default.
    pub fn backoff(mut self, times: RangeInclusive<Duration>) -> Self {
        self.backoff = times;
        self
    }

    /// The bounds of what a server may ask for; 100 ms and 5 min by default. What is outside counts as the nearest
    /// bound, and so does the time until the server asks for one.
    pub fn reconnection_times(mut self, bounds: RangeInclusive<Duration>) -> Self {
        self.reconnection_times = bounds;
        self
    }

    /// How long a connection must have lasted for the backoff to begin anew; 60 s by default.
    pub fn healthy_after(mut self, time: Duration) -> Self {
        self.healthy_after = time;
        self
    }

    /// How many times in a row to try again after a failure, before giving up; without limit by default.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.max_retries = retries;
        self
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
}

impl Default for Reconnect {
    fn default() -> Self {
        Self::new()
    }
}

/// A policy at work: it is told what happens to connections, and decides.
///
/// ```
/// use std::time::Instant;
/// use sse_client::{Attempts, Cause, Decision, Reconnect};
///
/// let mut attempts = Attempts::new(Reconnect::new().max_retries(1));
/// let jitter = 0.5;
/// let Decision::Wait(wait) = attempts.closed(Cause::Network, Instant::now(), jitter) else { panic!() };
/// assert_eq!(wait.as_millis(), 100 + 500);
/// assert_eq!(attempts.closed(Cause::Network, Instant::now(), jitter), Decision::GiveUp);
/// ```
#[derive(Clone, Debug)]
pub struct Attempts {
    policy: Reconnect,
    /// What the server asked for, if it did.
    reconnection_time: Option<Duration>,
    opened: Option<Opened>,
    /// What was decided last.
    wait: Duration,
    /// How many failures there were in a row.
    failures: u32,
    /// How many times the backoff is to be doubled; `None` before the first failure.
    doublings: Option<u32>,
}

/// A connection that had a good response.
#[derive(Clone, Copy, Debug)]
struct Opened {
    at: Instant,
    event_received: bool,
}

impl Attempts {
    /// No attempt has been made yet.
    pub fn new(policy: Reconnect) -> Self {
        Self {
            policy,
            reconnection_time: None,
            opened: None,
            wait: Duration::ZERO,
            failures: 0,
            doublings: None,
        }
    }

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

    /// The server asks for this reconnection time.
    pub fn set_reconnection_time(&mut self, time: Duration) {
        self.reconnection_time = Some(time);
    }

    /// The connection, or the attempt at one, ended. `jitter` is a random number from 0 to 1.
    pub fn closed(&mut self, cause: Cause, now: Instant, jitter: f64) -> Decision {
        let opened = self.opened.take();
        if !self.policy.reconnects || !self.policy.is_passing(cause) {
            return Decision::Stop;
        }
        self.count(opened, now);
        if self.failures > self.policy.max_retries {
            return Decision::GiveUp;
        }
        self.wait = self.reconnection_time().saturating_add(part(self.backoff(), jitter));
        Decision::Wait(self.wait)
    }

    /// Counts a connection, or the attempt at one, as a failure or not.
    fn count(&mut self, opened: Option<Opened>, now: Instant) {
        let lasted = opened.map(|opened| now.saturating_duration_since(opened.at));
        let event_received = opened.is_some_and(|opened| opened.event_received);
        if lasted.is_some_and(|lasted| lasted >= self.policy.healthy_after) {
            self.failures = 0;
            self.doublings = None;
        } else if event_received || lasted.is_some_and(|lasted| lasted > self.wait && !self.wait.is_zero()) {
            self.failures = 0;
            self.doublings = self.doublings.and_then(|doublings| doublings.checked_sub(1));
        } else {
            self.failures = self.failures.saturating_add(1);
            self.doublings = Some(self.doublings.map_or(0, |doublings| doublings.saturating_add(1)));
        }
    }

    fn reconnection_time(&self) -> Duration {
        let bounds = &self.policy.reconnection_times;
        // Not `clamp`, which panics on an empty range.
        self.reconnection_time
            .unwrap_or(self.policy.first_reconnection_time)
            .max(*bounds.start())
            .min(*bounds.end())
    }

    fn backoff(&self) -> Duration {
        let times = &self.policy.backoff;
        let doubled = 1 << self.doublings.unwrap_or(0).min(31);
        times.start().saturating_mul(doubled).min(*times.end())
    }
}

/// The part of `time` that `jitter`, a number from 0 to 1, stands for.
fn part(time: Duration, jitter: f64) -> Duration {
    // `Duration::mul_f64` would panic on NaN and near the greatest time: both count as the whole.
    Duration::try_from_secs_f64(time.as_secs_f64() * jitter.clamp(0.0, 1.0)).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A policy with a clock of its own, so that tests read as a sequence of facts.
    struct Story {
        attempts: Attempts,
        now: Instant,
    }

    fn story(policy: Reconnect) -> Story {
        Story { attempts: Attempts::new(policy), now: Instant::now() }
    }

    /// The default policy, and one that waits for nothing but its backoff.
    fn backoff_only() -> Reconnect {
        Reconnect::new().reconnection_times(Duration::ZERO..=Duration::ZERO)
    }

    impl Story {
        fn after(&mut self, time: Duration) -> &mut Self {
            self.now += time;
            self
        }

        fn opened(&mut self) -> &mut Self {
            self.attempts.opened(self.now);
            self
        }

        fn event(&mut self) -> &mut Self {
            self.attempts.event_received();
            self
        }

        fn asked_for(&mut self, time: Duration) -> &mut Self {
            self.attempts.set_reconnection_time(time);
            self
        }

        /// The shortest and the longest wait after this cause, by the least and the greatest jitter; `None` to stop.
        fn closed(&mut self, cause: Cause) -> Option<(Duration, Duration)> {
            let shortest = self.attempts.clone().closed(cause, self.now, 0.0);
            match (shortest, self.attempts.closed(cause, self.now, 1.0)) {
                (Decision::Wait(shortest), Decision::Wait(longest)) => Some((shortest, longest)),
                (Decision::Stop, Decision::Stop) | (Decision::GiveUp, Decision::GiveUp) => None,
                (shortest, longest) => panic!("chance decided: {shortest:?}, {longest:?}"),
            }
        }

        /// The longest wait, in seconds.
        fn seconds(&mut self, cause: Cause) -> Option<f64> {
            self.closed(cause).map(|(_, longest)| longest.as_secs_f64())
        }
    }

    const SECOND: Duration = Duration::from_secs(1);
    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut story = story(backoff_only());
        let waits: Vec<_> = (0..9).map(|_| story.seconds(Cause::Network)).collect();
        assert_eq!(waits, [1., 2., 4., 8., 16., 32., 60., 60., 60.].map(Some));
    }

    #[test]
    fn a_healthy_connection_lets_the_backoff_begin_anew() {
        let mut story = story(backoff_only());
        for _ in 0..5 {
            story.closed(Cause::Network);
        }
        assert_eq!(story.opened().after(60 * SECOND).seconds(Cause::End), Some(1.));
        assert_eq!(story.seconds(Cause::Network), Some(1.), "and it counts for itself only");
        assert_eq!(story.seconds(Cause::Network), Some(2.));
    }

    #[test]
    fn a_shorter_one_with_events_halves_it() {
        let mut story = story(backoff_only());
        for _ in 0..5 {
            story.closed(Cause::Network);
        }
        let waits: Vec<_> = (0..6).map(|_| story.opened().event().seconds(Cause::End)).collect();
        assert_eq!(waits, [8., 4., 2., 1., 1., 1.].map(Some));
    }

    #[test]
    fn accept_then_close_is_a_failure() {
        let mut story = story(backoff_only());
        let waits: Vec<_> = (0..4).map(|_| story.opened().after(MILLISECOND).seconds(Cause::End)).collect();
        assert_eq!(waits, [1., 2., 4., 8.].map(Some));
    }

    #[test]
    fn a_silent_connection_that_outlives_the_wait_before_it_is_none() {
        let mut story = story(backoff_only().max_retries(1));
        assert_eq!(
            story.opened().after(30 * SECOND).seconds(Cause::End),
            Some(1.),
            "there was no wait before it"
        );
        for _ in 0..100 {
            assert_eq!(story.opened().after(30 * SECOND).seconds(Cause::End), Some(1.));
        }
        assert_eq!(story.opened().after(SECOND).seconds(Cause::End), Some(1.));
        assert_eq!(story.opened().after(SECOND).seconds(Cause::End), None);
    }

    #[test]
    fn the_servers_reconnection_time_comes_first() {
        let mut story = story(Reconnect::new());
        story.asked_for(3 * SECOND);
        assert_eq!(story.closed(Cause::End), Some((3 * SECOND, 4 * SECOND)));
        assert_eq!(story.closed(Cause::End), Some((3 * SECOND, 5 * SECOND)));
    }

    #[test]
    fn the_reconnection_time_is_bounded() {
        let shortest = 100 * MILLISECOND;
        let mut story = story(Reconnect::new());
        assert_eq!(
            story.closed(Cause::End),
            Some((shortest, shortest + SECOND)),
            "also before any was asked for"
        );
        story.asked_for(Duration::ZERO).opened().event();
        assert_eq!(story.closed(Cause::End), Some((shortest, shortest + SECOND)));
        story.asked_for(Duration::MAX).opened().event();
        assert_eq!(story.closed(Cause::End), Some((300 * SECOND, 301 * SECOND)));
        let mut late = self::story(Reconnect::standard().reconnection_times(10 * SECOND..=20 * SECOND));
        assert_eq!(late.closed(Cause::End), Some((10 * SECOND, 10 * SECOND)));
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
            assert_eq!(story.seconds(Cause::Network), Some(3.));
        }
        assert_eq!(story.asked_for(SECOND / 2).seconds(Cause::End), Some(0.5));
        assert_eq!(story.asked_for(3600 * SECOND).seconds(Cause::End), Some(3600.), "as long as it likes");
        assert_eq!(story.asked_for(Duration::ZERO).seconds(Cause::End), Some(0.1), "but no spinning");
    }

    #[test]
    fn failures_in_a_row_can_be_bounded() {
        for policy in [Reconnect::new(), Reconnect::standard()] {
            let mut story = story(policy.max_retries(2));
            for _ in 0..10 {
                assert!(story.closed(Cause::Network).is_some());
                assert!(story.opened().after(MILLISECOND).closed(Cause::End).is_some());
                assert!(story.opened().event().closed(Cause::End).is_some(), "an event breaks the row");
            }
            assert!(story.closed(Cause::Network).is_some());
            assert!(story.opened().after(MILLISECOND).closed(Cause::End).is_some());
            assert_eq!(story.attempts.closed(Cause::Network, story.now, 0.0), Decision::GiveUp);
        }
        assert_eq!(story(Reconnect::new().max_retries(0)).closed(Cause::Network), None);
    }

    #[test]
    fn never_is_never() {
        let mut story = story(Reconnect::never());
        assert_eq!(story.opened().event().attempts.closed(Cause::End, Instant::now(), 0.0), Decision::Stop);
    }

    #[test]
    fn a_long_backoff_doubles_all_the_way() {
        let day = 24 * 3600 * SECOND;
        let mut story = story(backoff_only().backoff(SECOND..=day));
        let longest = (0..20).map(|_| story.closed(Cause::Network)).max();
        assert_eq!(longest, Some(Some((Duration::ZERO, day))));
    }

    #[test]
    fn odd_settings_do_not_panic() {
        let [short, long] = [SECOND, Duration::MAX];
        let mut story = story(Reconnect::new().backoff(long..=long).reconnection_times(long..=short));
        assert!(story.asked_for(SECOND).closed(Cause::Network).is_some());
        let mut attempts = Attempts::new(Reconnect::new());
        assert_ne!(attempts.closed(Cause::Network, Instant::now(), f64::NAN), Decision::Stop);
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
                    3 => drop(story.asked_for(Duration::from_millis(number * number))),
                    _ => {
                        let decision = story.attempts.closed(Cause::Network, story.now, jitter);
                        let Decision::Wait(wait) = decision else { panic!("stopped") };
                        prop_assert!(wait <= Duration::from_secs(5 * 60 + 60));
                        prop_assert!(wait >= Duration::from_millis(100));
                    }
                }
            }
        }
    }
}
