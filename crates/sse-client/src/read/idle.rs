//! The watch over a connection that brings nothing.
//!
//! - Any byte is a sign of life, comments too.
//! - Only silence that somebody listened to counts: a program that is busy elsewhere for an hour has not heard whether
//!   there was something to hear.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::platform::{Instant, Timer, later, now};

/// How long a connection may be silent before it counts as dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct IdleTimeouts {
    /// Until its first event: a server may have to think before it answers.
    initial: Option<Duration>,
    /// Afterwards.
    later: Option<Duration>,
}

impl IdleTimeouts {
    pub(super) fn set_initial(&mut self, limit: Option<Duration>) {
        self.initial = limit;
    }

    pub(super) fn set_later(&mut self, limit: Option<Duration>) {
        self.later = limit;
    }

    /// The limit of a connection that has brought an event, or has not.
    pub(super) fn limit(&self, event_received: bool) -> Option<Duration> {
        if event_received { self.later } else { self.initial }
    }
}

impl Default for IdleTimeouts {
    fn default() -> Self {
        // LLM APIs give a request ten minutes; the slowest heartbeats in use come every three.
        Self { initial: Some(Duration::from_secs(10 * 60)), later: Some(Duration::from_secs(5 * 60)) }
    }
}

/// A timer that comes so late was not polled in time.
const LATE: Duration = Duration::from_secs(1);

/// The watch over one connection.
#[derive(Debug, Default)]
pub(super) struct Idle {
    silent_since: Option<Instant>,
    /// May go off too early: it is not set anew with each byte, only when it has gone off.
    timer: Option<Timer>,
}

impl Idle {
    /// There was a byte.
    pub(super) fn heard(&mut self) {
        self.silent_since = None;
    }

    /// There is nothing to read now. Ready when that has been so for `limit`.
    pub(super) fn poll_silence(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let since = *self.silent_since.get_or_insert_with(now);
            let deadline = later(since, limit);
            let timer = self.timer.get_or_insert_with(|| Timer::at(deadline));
            if timer.deadline() > deadline {
                timer.set(deadline);
            }
            let due = timer.deadline();
            ready!(timer.poll(cx));
            let now = now();
            if now.saturating_duration_since(due) >= LATE {
                self.silent_since = Some(now);
            } else if now >= deadline {
                return Poll::Ready(());
            }
            timer.set(later(self.silent_since.unwrap_or(now), limit));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::time::{advance, sleep, timeout};

    const MINUTE: Duration = Duration::from_secs(60);

    async fn silence(idle: &mut Idle, limit: Duration) -> Duration {
        let start = now();
        poll_fn(|cx| idle.poll_silence(limit, cx)).await;
        now() - start
    }

    /// Listens for so long, in which the watch does not go off.
    async fn listen(idle: &mut Idle, limit: Duration, time: Duration) {
        assert!(timeout(time, poll_fn(|cx| idle.poll_silence(limit, cx))).await.is_err());
    }

    #[track_caller]
    fn about(found: Duration, expected: Duration) {
        assert!((expected..expected + Duration::from_millis(10)).contains(&found), "{found:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_lasts_from_the_last_byte_on() {
        let mut idle = Idle::default();
        listen(&mut idle, MINUTE, MINUTE / 2).await;
        idle.heard();
        about(silence(&mut idle, MINUTE).await, MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_limit_may_become_shorter() {
        let mut idle = Idle::default();
        listen(&mut idle, 10 * MINUTE, MINUTE).await;
        about(silence(&mut idle, 3 * MINUTE).await, 2 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn and_longer() {
        let mut idle = Idle::default();
        listen(&mut idle, 3 * MINUTE, 2 * MINUTE).await;
        about(silence(&mut idle, 5 * MINUTE).await, 3 * MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_listened_does_not_count() {
        let mut idle = Idle::default();
        listen(&mut idle, MINUTE, MINUTE / 2).await;
        sleep(60 * MINUTE).await;
        about(silence(&mut idle, MINUTE).await, MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_limit_is_none() {
        let mut idle = Idle::default();
        listen(&mut idle, Duration::MAX, Duration::from_secs(1_000_000)).await;
        advance(Duration::from_millis(1)).await;
        listen(&mut idle, Duration::MAX, MINUTE).await;
    }
}
