//! The heartbeat, with one timer for each topic.
//!
//! A comment is sent to every subscriber when nothing else was sent for an interval, because proxies and clients close
//! an idle connection (9.2.7).

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use sse_codec::{EventId, Message};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// The default interval. The standard suggests "every 15 seconds or so".
pub(crate) const DEFAULT: Duration = Duration::from_secs(15);

/// The shortest interval. With a shorter one, the heartbeats would be the main load.
const SHORTEST: Duration = Duration::from_millis(10);

/// An empty comment and an empty line. They end no event, because the route sends whole blocks.
pub(crate) const BLOCK: &[u8] = b":\n\n";

/// Returns the same, with the id by which a subscriber resumes if it may need one.
pub(crate) fn block(id: Option<EventId<'_>>) -> Bytes {
    id.map_or(Bytes::from_static(BLOCK), |id| Message::empty().comment("").id(id).to_bytes())
}

/// Returns the nearest interval that can be kept.
pub(crate) fn clamp(interval: Option<Duration>) -> Option<Duration> {
    interval.map(|interval| interval.max(SHORTEST))
}

/// The heartbeat of a topic.
#[derive(Debug)]
pub(crate) struct Beats {
    interval: Option<Duration>,
    /// How many heartbeats there have been.
    count: u64,
    /// When something was last sent to the subscribers.
    last_sent: Instant,
    /// The number of the running timer, if there is one.
    timer: Option<u64>,
    /// How many timers there have been.
    timers: u64,
}

/// What a timer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Sends a heartbeat, and looks again after this time.
    Now(Duration),
    /// Looks again after this time.
    Later(Duration),
    /// Ends, because nobody waits for a heartbeat. The next subscriber starts a new timer.
    Never,
}

impl Beats {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self { interval, count: 0, last_sent: Instant::now(), timer: None, timers: 0 }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Delays the next heartbeat, because something was sent.
    pub(crate) fn put_off(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(crate) fn set_interval(&mut self, interval: Option<Duration>) {
        self.interval = interval;
    }

    /// Returns what the timer does now, if the topic has subscribers or not.
    pub(crate) fn beat(&mut self, now: Instant, is_used: bool) -> Beat {
        let Some(interval) = self.interval.filter(|_| is_used) else {
            self.timer = None;
            return Beat::Never;
        };
        let wait = interval.saturating_sub(now.saturating_duration_since(self.last_sent));
        if !wait.is_zero() {
            return Beat::Later(wait);
        }
        self.count += 1;
        self.last_sent = now;
        Beat::Now(interval)
    }

    /// Returns whether a timer must be started.
    pub(crate) fn needs_timer(&self) -> bool {
        self.timer.is_none() && self.interval.is_some()
    }

    /// Starts a timer, and returns its number.
    pub(crate) fn start_timer(&mut self, now: Instant) -> u64 {
        self.timers += 1;
        self.timer = Some(self.timers);
        // The interval begins now, because there was no subscriber before.
        self.last_sent = now;
        self.timers
    }

    /// Notes that a timer has ended with its runtime. Returns whether it was the current timer.
    pub(crate) fn lose_timer(&mut self, number: u64) -> bool {
        let is_current = self.timer == Some(number);
        if is_current {
            self.timer = None;
        }
        is_current
    }
}

/// A type that has a heartbeat.
pub(crate) trait Beating {
    /// Sends a heartbeat if one is due. Returns how long to wait for the next look; `None` if nobody waits for a
    /// heartbeat.
    fn beat(&self, now: Instant) -> Option<Duration>;

    /// Notes that the timer with this number has ended.
    fn timer_lost(&self, number: u64);
}

/// A timer. It does not keep its topic alive, and it reports when it is dropped.
pub(crate) struct Timer<T: Beating> {
    beating: Weak<T>,
    number: u64,
}

impl<T: Beating> Timer<T> {
    pub(crate) fn new(beating: Weak<T>, number: u64) -> Self {
        Self { beating, number }
    }
}

impl<T: Beating> Drop for Timer<T> {
    fn drop(&mut self) {
        // A panic shows a runtime without time. A new timer would panic, too.
        if let Some(beating) = self.beating.upgrade().filter(|_| !std::thread::panicking()) {
            beating.timer_lost(self.number);
        }
    }
}

/// Sends heartbeats until no subscriber is left.
pub(crate) async fn run<T: Beating>(timer: Timer<T>, changed: Arc<Notify>) {
    while let Some(wait) = timer.beating.upgrade().and_then(|beating| beating.beat(Instant::now())) {
        // The time has passed, or something has changed: both lead to another look.
        let _ = timeout(wait, changed.notified()).await;
    }
}
