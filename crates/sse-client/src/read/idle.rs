//! The idle time-outs: notices that a connection brings nothing.
//!
//! - Any byte counts, also a byte of a comment.
//! - Only time in which the connection was polled counts. A program that is busy elsewhere for an hour does not know
//!   whether bytes have come meanwhile.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::platform::{Instant, Timer, later, now};

/// How long a connection may bring nothing before it is closed.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleTimeouts {
    /// Before its first event. A server may take long to compute an answer.
    initial: Option<Duration>,
    /// After its first event.
    later: Option<Duration>,
}

impl IdleTimeouts {
    pub(super) fn set_initial(&mut self, limit: Option<Duration>) {
        self.initial = limit;
    }

    pub(super) fn set_later(&mut self, limit: Option<Duration>) {
        self.later = limit;
    }

    /// Returns the limit of a connection, which depends on whether it has brought an event.
    pub(super) fn limit(&self, event_received: bool) -> Option<Duration> {
        if event_received { self.later } else { self.initial }
    }
}

impl Default for IdleTimeouts {
    fn default() -> Self {
        // LLM APIs give a request ten minutes. The slowest heartbeats in use come every three minutes.
        Self { initial: Some(Duration::from_secs(10 * 60)), later: Some(Duration::from_secs(5 * 60)) }
    }
}

/// If the timer is this late, the connection was not polled meanwhile.
const LATE: Duration = Duration::from_secs(1);

/// Measures how long one connection has brought nothing.
#[derive(Debug, Default)]
pub(super) struct Idle {
    idle_since: Option<Instant>,
    /// It may be ready too early, because it is not set again at each byte, but only when it is ready.
    timer: Option<Timer>,
}

impl Idle {
    /// Notes that bytes have come.
    pub(super) fn received(&mut self) {
        self.idle_since = None;
    }

    /// Notes that there is nothing to read now. It is ready when that has been so for `limit`.
    pub(super) fn poll_time_out(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let since = *self.idle_since.get_or_insert_with(now);
            let deadline = later(since, limit);
            let timer = self.timer.get_or_insert_with(|| Timer::at(deadline));
            if timer.deadline() > deadline {
                timer.set(deadline);
            }
            let due = timer.deadline();
            ready!(timer.poll(cx));
            let now = now();
            if now.saturating_duration_since(due) >= LATE {
                self.idle_since = Some(now);
            } else if now >= deadline {
                return Poll::Ready(());
            }
            timer.set(later(self.idle_since.unwrap_or(now), limit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::time::{advance, sleep, timeout};

    const MINUTE: Duration = Duration::from_secs(60);

    /// Polls until the time-out, and returns how long that took.
    async fn time_out(idle: &mut Idle, limit: Duration) -> Duration {
        let start = now();
        poll_fn(|cx| idle.poll_time_out(limit, cx)).await;
        now() - start
    }

    /// Polls for `time`, in which the time-out does not come.
    async fn poll_for(idle: &mut Idle, limit: Duration, time: Duration) {
        assert!(timeout(time, poll_fn(|cx| idle.poll_time_out(limit, cx))).await.is_err());
    }

    #[track_caller]
    fn about(found: Duration, expected: Duration) {
        assert!((expected..expected + Duration::from_millis(10)).contains(&found), "{found:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_counts_from_the_last_byte() {
        let mut idle = Idle::default();
        poll_for(&mut idle, MINUTE, MINUTE / 2).await;
        idle.received();
        about(time_out(&mut idle, MINUTE).await, MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_can_become_shorter() {
        let mut idle = Idle::default();
        poll_for(&mut idle, 10 * MINUTE, MINUTE).await;
        about(time_out(&mut idle, 3 * MINUTE).await, 2 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_can_become_longer() {
        let mut idle = Idle::default();
        poll_for(&mut idle, 3 * MINUTE, 2 * MINUTE).await;
        about(time_out(&mut idle, 5 * MINUTE).await, 3 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn time_without_a_poll_does_not_count() {
        let mut idle = Idle::default();
        poll_for(&mut idle, MINUTE, MINUTE / 2).await;
        sleep(60 * MINUTE).await;
        about(time_out(&mut idle, MINUTE).await, MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_limit_is_never_reached() {
        let mut idle = Idle::default();
        poll_for(&mut idle, Duration::MAX, Duration::from_secs(1_000_000)).await;
        advance(Duration::from_millis(1)).await;
        poll_for(&mut idle, Duration::MAX, MINUTE).await;
    }
}
