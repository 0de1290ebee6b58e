//! Follows a reconnect policy: it is told what happens to connections, and returns decisions.
//!
//! - It is pure: the time and random numbers are arguments.
//! - A server can ask for a longer wait, but never for a shorter one than the shortest.
//! - A connection that brings no event and ends soon counts as a failure, so that no server can make a client reconnect
//!   without a pause.

use std::time::Duration;

use http::StatusCode;

use super::policy::{Cause, Decision, Reconnect};
use crate::platform::Instant;

/// Follows a [`Reconnect`] policy. You tell it what happens to connections, and it decides whether and when another
/// attempt follows.
///
/// ```
/// use std::time::Instant;
/// use sse_client::{Cause, Decision, Reconnect, Reconnector};
///
/// let mut reconnector = Reconnector::new(Reconnect::new().max_retries(1));
/// let jitter = 0.5;
/// let Decision::Wait(wait) = reconnector.closed(Cause::Network, Instant::now(), jitter) else { panic!() };
/// assert_eq!(wait.as_millis(), 100 + 500);
/// assert_eq!(reconnector.closed(Cause::Network, Instant::now(), jitter), Decision::GiveUp);
/// ```
#[derive(Clone, Debug)]
pub struct Reconnector {
    policy: Reconnect,
    renews_requests: bool,
    /// The reconnection time that the server has asked for.
    reconnection_time: Option<Duration>,
    /// The `Retry-After` of the last response.
    retry_after: Option<Duration>,
    opened: Option<Opened>,
    /// There has been a good response.
    has_opened: bool,
    /// The wait that was decided last.
    wait: Duration,
    /// The number of failures in a row.
    failures: u32,
    /// The time of the first of them.
    failing_since: Option<Instant>,
    /// The request of the last attempt was renewed because of a 401.
    renewed: bool,
    /// How many times the backoff is doubled, or `None` if nothing fails.
    doublings: Option<u32>,
}

/// A connection that had a good response.
#[derive(Clone, Copy, Debug)]
struct Opened {
    at: Instant,
    event_received: bool,
}

impl Reconnector {
    /// Creates a reconnector that follows `policy`. No attempt has been made yet.
    pub fn new(policy: Reconnect) -> Self {
        Self {
            policy,
            renews_requests: false,
            reconnection_time: None,
            retry_after: None,
            opened: None,
            has_opened: false,
            wait: Duration::ZERO,
            failures: 0,
            failing_since: None,
            renewed: false,
            doublings: None,
        }
    }

    /// Creates a reconnector that follows `policy` for requests that are renewed for each attempt, as by
    /// [`on_attempt`](crate::EventSourceBuilder::on_attempt). Because a 401 may mean that a credential has expired,
    /// another attempt follows at once. A second 401 without a good response in between is final.
    pub fn with_renewed_requests(policy: Reconnect) -> Self {
        Self { renews_requests: true, ..Self::new(policy) }
    }

    /// Records a good response.
    pub fn opened(&mut self, now: Instant) {
        self.opened = Some(Opened { at: now, event_received: false });
        self.has_opened = true;
        self.renewed = false;
    }

    /// Records an event.
    pub fn event_received(&mut self) {
        if let Some(opened) = &mut self.opened {
            opened.event_received = true;
        }
    }

    /// Records the reconnection time that the server asks for (`retry`). It applies until the server asks for another
    /// one.
    pub fn reconnection_time_received(&mut self, time: Duration) {
        self.reconnection_time = Some(time);
    }

    /// Records the `Retry-After` of a response that is not an event stream. It applies only to the next decision.
    pub fn retry_after_received(&mut self, time: Duration) {
        self.retry_after = Some(time);
    }

    /// Records the end of a connection or of an attempt, and returns what to do. `jitter` is a random number from 0 to
    /// 1.
    pub fn closed(&mut self, cause: Cause, now: Instant, jitter: f64) -> Decision {
        let opened = self.opened.take();
        let retry_after = self.retry_after.take();
        if cause == Cause::Status(StatusCode::UNAUTHORIZED) && self.renews_requests && !self.renewed {
            self.renewed = true;
            return Decision::Wait(Duration::ZERO);
        }
        if !self.policy.tries_again_after(cause, self.has_opened) {
            return Decision::Stop;
        }
        self.count(cause, opened, now);
        self.wait = self.next_wait(retry_after, jitter);
        let next = |since| now.saturating_duration_since(since).saturating_add(self.wait);
        if self.policy.gives_up(self.failures, self.failing_since.map(next)) {
            return Decision::GiveUp;
        }
        Decision::Wait(self.wait)
    }

    /// Counts a connection or an attempt, as a failure or not.
    fn count(&mut self, cause: Cause, opened: Option<Opened>, now: Instant) {
        let lasted = opened.map(|opened| now.saturating_duration_since(opened.at));
        let event_received = opened.is_some_and(|opened| opened.event_received);
        // A connection that lasts may be closed by a proxy without an event, which is not a failure. A connection that
        // was closed by an idle time-out has lasted only because the client waited.
        let outlives_wait = cause != Cause::IdleTimeout
            && lasted.is_some_and(|lasted| lasted > self.wait && !self.wait.is_zero());
        if lasted.is_some_and(|lasted| self.policy.is_healthy(lasted)) {
            self.failures = 0;
            self.doublings = None;
        } else if event_received || outlives_wait {
            self.failures = 0;
            self.doublings = self.doublings.and_then(|doublings| doublings.checked_sub(1));
        } else {
            self.failures = self.failures.saturating_add(1);
            self.doublings = Some(self.doublings.map_or(0, |doublings| doublings.saturating_add(1)));
        }
        self.failing_since = if self.failures == 0 { None } else { self.failing_since.or(Some(now)) };
    }

    /// Returns the next wait: the time that the server has asked for, and a random part of the backoff.
    fn next_wait(&self, retry_after: Option<Duration>, jitter: f64) -> Duration {
        let asked = self.policy.bounded_reconnection_time(self.reconnection_time);
        let asked = asked.max(self.policy.bounded_retry_after(retry_after));
        let mut backoff = self.policy.doubled_backoff(self.doublings.unwrap_or(0));
        // A server that closes after each event and asks for a short reconnection time does not fail, and means that
        // time.
        let is_polled = self.doublings.is_none() && self.reconnection_time.is_some();
        if is_polled {
            backoff = backoff.min(asked / POLLING_JITTER);
        }
        asked.saturating_add(part(backoff, jitter))
    }
}

/// As long as nothing fails, the backoff is at most the time that the server asks for, divided by this.
const POLLING_JITTER: u32 = 4;

/// Returns a part of `time`, from nothing for a `jitter` of 0 to all of it for 1.
fn part(time: Duration, jitter: f64) -> Duration {
    // `Duration::mul_f64` would panic on NaN and near the greatest time. Both return the whole time.
    Duration::try_from_secs_f64(time.as_secs_f64() * jitter.clamp(0.0, 1.0)).unwrap_or(time)
}

#[cfg(test)]
mod tests;
