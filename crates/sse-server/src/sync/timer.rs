//! The timers of one stream: a delay, and a heartbeat of its own.
//!
//! They need a tokio runtime with time enabled. Without one, a delay is over at once, and a heartbeat is never due.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep_until};

/// A time to wait, which begins when it is first polled.
#[derive(Debug)]
pub(crate) enum Delay {
    New(Duration),
    Running(Pin<Box<Sleep>>),
    Over,
}

impl Delay {
    pub(crate) fn new(duration: Duration) -> Self {
        if duration.is_zero() { Self::Over } else { Self::New(duration) }
    }

    /// Ready when the time is over. It may be polled again after that.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::New(duration) = *self {
            *self = match Handle::try_current() {
                Ok(_) => Self::Running(Box::pin(sleep_until(far(Instant::now(), duration)))),
                Err(_) => Self::Over,
            };
        }
        if let Self::Running(sleep) = self {
            ready!(sleep.as_mut().poll(cx));
            *self = Self::Over;
        }
        Poll::Ready(())
    }
}

/// A heartbeat, which is due when nothing else was sent for an interval.
#[derive(Debug)]
pub(crate) struct Pulse {
    interval: Duration,
    last_sent: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Pulse {
    pub(crate) fn new(interval: Duration) -> Self {
        Self { interval, last_sent: Instant::now(), sleep: None }
    }

    /// Begins the interval anew, because something was sent.
    pub(crate) fn put_off(&mut self) {
        self.last_sent = Instant::now();
    }

    /// Ready when the heartbeat is due. Then the next interval begins.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sleep.is_none() && Handle::try_current().is_err() {
            return Poll::Pending;
        }
        let (last_sent, interval) = (&mut self.last_sent, self.interval);
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(far(*last_sent, interval))));
        loop {
            ready!(sleep.as_mut().poll(cx));
            let now = Instant::now();
            let is_due = far(*last_sent, interval) <= now;
            if is_due {
                *last_sent = now;
            }
            sleep.as_mut().reset(far(*last_sent, interval));
            if is_due {
                return Poll::Ready(());
            }
        }
    }
}

/// Returns the moment after this duration, or the latest moment that timers support.
pub(crate) fn far(from: Instant, duration: Duration) -> Instant {
    from + duration.min(FAR)
}

/// The longest time that timers are used for: a year.
pub(crate) const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
