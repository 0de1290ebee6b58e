//! When to reconnect, and after how long: facts in, decision out.
//!
//! - Pure: time and chance are arguments; nothing here reads a clock, a socket or a generator.
//! - A server can ask for a longer wait than ours, never for a shorter one than the shortest.
//! - A connection that brings nothing counts as a failure, so that no server can make a client spin.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use http::StatusCode;

/// The policy by which an [`EventSource`](crate::EventSource) reconnects, and what it knows of the past.
///
/// The wait is the reconnection time that the server asked for, within bounds, and a random part of a time that
/// doubles with each failure: from 1 s up to 60 s. The random part spreads clients that lost their server together.
///
/// ```
/// use std::time::Duration;
/// use sse_client::Reconnect;
///
/// let patient = Reconnect::new().backoff(Duration::from_secs(5)..=Duration::from_secs(300));
/// let at_most_ten_times = Reconnect::new().max_failures(10);
/// ```
#[derive(Clone, Debug)]
pub struct Reconnect {
    backoff: RangeInclusive<Duration>,
    /// What the server may ask for.
    bounds: RangeInclusive<Duration>,
    healthy_after: Duration,
    max_failures: u32,
    retries_statuses: bool,
    reconnection_time: Duration,
    /// How many connections in a row brought nothing.
    failures: u32,
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
    /// Never connect again.
    Stop,
}

impl Reconnect {
    /// The default: 1 s doubling up to 60 s; also after 408, 425, 429 and 5xx, which pass.
    pub fn new() -> Self {
        Self {
            backoff: Duration::from_secs(1)..=Duration::from_secs(60),
            bounds: Duration::from_millis(100)..=Duration::from_secs(5 * 60),
            healthy_after: Duration::from_secs(60),
            max_failures: u32::MAX,
            retries_statuses: true,
            reconnection_time: Duration::ZERO,
            failures: 0,
            opened: None,
        }
    }

    /// The standard to the letter (9.2.3): the reconnection time, 3 s at first as in browsers, each time; and no other
    /// status than 200 is tried again.
    pub fn standard() -> Self {
        Self {
            backoff: Duration::ZERO..=Duration::ZERO,
            retries_statuses: false,
            reconnection_time: Duration::from_secs(3),
            ..Self::new()
        }
    }

    /// No reconnect at all.
    pub fn never() -> Self {
        Self { max_failures: 0, ..Self::new() }
    }

    /// From where to where the random wait doubles; 1 s to 60 s by default.
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

    /// How long a connection must have lasted for the failures before it to be forgotten; 60 s by default.
    pub fn healthy_after(mut self, time: Duration) -> Self {
        self.healthy_after = time;
        self
    }

    /// After how many failures in a row to try again; after the next one it is given up. Without limit by default.
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
        if opened.is_some_and(|opened| now.saturating_duration_since(opened.at) >= self.healthy_after) {
            self.failures = 0;
        }
        if self.max_failures == 0 || !self.is_passing(cause) {
            return Decision::Stop;
        }
        if !opened.is_some_and(|opened| opened.event_received) {
            self.failures = self.failures.saturating_add(1);
        }
        if self.failures > self.max_failures {
            return Decision::Stop;
        }
        Decision::Wait(self.reconnection_time.saturating_add(part(self.backoff_time(), jitter)))
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

    /// The longest random wait after this many failures.
    fn backoff_time(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(31);
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
                (Decision::Stop, Decision::Stop) => None,
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
    fn a_healthy_connection_resets_the_failures() {
        let mut story = story(Reconnect::new());
        for _ in 0..5 {
            story.closed(Cause::Network);
        }
        assert_eq!(
            story.opened().event().after(59 * SECOND).seconds(Cause::End),
            Some(16.),
            "not healthy yet"
        );
        assert_eq!(story.opened().event().after(60 * SECOND).seconds(Cause::End), Some(1.));
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
    }

    #[test]
    fn failures_can_be_bounded() {
        let mut story = story(Reconnect::new().max_failures(2));
        assert_eq!(story.seconds(Cause::Network), Some(1.));
        assert_eq!(story.seconds(Cause::Network), Some(2.));
        assert_eq!(story.seconds(Cause::Network), None);
        assert_eq!(self::story(Reconnect::never()).opened().event().closed(Cause::End), None);
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
