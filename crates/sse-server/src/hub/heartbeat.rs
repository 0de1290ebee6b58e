//! The heartbeat: one timer per topic.
//!
//! A comment goes to every subscriber when nothing else did for an interval: proxies and clients take a silent
//! connection for a dead one (9.2.7).

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use sse_codec::{EventId, Message};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// The interval of a new route. The standard suggests "every 15 seconds or so".
pub(crate) const DEFAULT: Duration = Duration::from_secs(15);

/// The shortest interval: below it the heartbeats would be the load.
const SHORTEST: Duration = Duration::from_millis(10);

/// What is sent: an empty comment and an empty line, which end no event because the route sends whole blocks.
pub(crate) const BLOCK: &[u8] = b":\n\n";

/// The same, with the id by which a subscriber resumes, where it may need one.
pub(crate) fn block(id: Option<EventId<'_>>) -> Bytes {
    id.map_or(Bytes::from_static(BLOCK), |id| Message::empty().comment("").id(id).to_bytes())
}

/// An interval that can be kept.
pub(crate) fn clamp(interval: Option<Duration>) -> Option<Duration> {
    interval.map(|interval| interval.max(SHORTEST))
}

/// The heartbeat of a topic.
#[derive(Debug)]
pub(crate) struct Beats {
    interval: Option<Duration>,
    /// How many there have been.
    count: u64,
    /// When the subscribers were last sent anything.
    last_sent: Instant,
    /// The number of the timer that runs, if one does.
    timer: Option<u64>,
    /// How many timers there have been.
    timers: u64,
}

/// What a timer has to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Send a heartbeat, and look again after this time.
    Now(Duration),
    /// Look again after this time.
    Later(Duration),
    /// Nobody waits for a heartbeat: the timer ends, and the next subscriber starts one.
    Never,
}

impl Beats {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self { interval, count: 0, last_sent: Instant::now(), timer: None, timers: 0 }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Puts the next one off: something was sent.
    pub(crate) fn put_off(&mut self, now: Instant) {
        self.last_sent = now;
    }

    pub(crate) fn set_interval(&mut self, interval: Option<Duration>) {
        self.interval = interval;
    }

    /// Whether one is due, for a topic that has subscribers or not.
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

    /// Whether a timer is missing.
    pub(crate) fn needs_timer(&self) -> bool {
        self.timer.is_none() && self.interval.is_some()
    }

    /// The number of a new timer.
    pub(crate) fn start_timer(&mut self, now: Instant) -> u64 {
        self.timers += 1;
        self.timer = Some(self.timers);
        // Nobody was listening until now: the interval begins here.
        self.last_sent = now;
        self.timers
    }

    /// A timer is gone, with the runtime that drove it. Returns whether it was the one that counts.
    pub(crate) fn lose_timer(&mut self, number: u64) -> bool {
        let is_current = self.timer == Some(number);
        if is_current {
            self.timer = None;
        }
        is_current
    }
}

/// What has a heartbeat.
pub(crate) trait Beating {
    /// Sends a heartbeat if one is due. Returns how long to wait for the next look; `None` if nobody waits for one.
    fn beat(&self, now: Instant) -> Option<Duration>;

    /// The timer of this number is gone.
    fn timer_lost(&self, number: u64);
}

/// A timer, which does not keep alive what it beats for. When it goes, that is told.
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
        // A runtime without time makes it panic: another one would do the same.
        if let Some(beating) = self.beating.upgrade().filter(|_| !std::thread::panicking()) {
            beating.timer_lost(self.number);
        }
    }
}

/// Beats until nobody listens.
pub(crate) async fn run<T: Beating>(timer: Timer<T>, changed: Arc<Notify>) {
    while let Some(wait) = timer.beating.upgrade().and_then(|beating| beating.beat(Instant::now())) {
        // Elapsed or told of a change: both lead to another look.
        let _ = timeout(wait, changed.notified()).await;
    }
}
