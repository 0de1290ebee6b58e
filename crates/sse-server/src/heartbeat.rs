//! The heartbeat: one timer per route.
//!
//! A comment goes to every subscriber when nothing else did for an interval: proxies and clients take a silent
//! connection for a dead one (9.2.7).

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::channel::Channel;

/// The interval of a new route. The standard suggests "every 15 seconds or so".
pub(crate) const DEFAULT: Duration = Duration::from_secs(15);

/// The shortest interval: below it the heartbeats would be the load.
const SHORTEST: Duration = Duration::from_millis(10);

/// What is sent: an empty comment and an empty line, which end no event because the route sends whole blocks.
pub(crate) const BLOCK: &[u8] = b":\n\n";

/// An interval that can be kept.
pub(crate) fn clamp(interval: Option<Duration>) -> Option<Duration> {
    interval.map(|interval| interval.max(SHORTEST))
}

/// How a topic's heartbeat stands.
#[derive(Debug)]
pub(crate) struct Beats {
    pub(crate) interval: Option<Duration>,
    /// How many there have been.
    pub(crate) count: u64,
    /// When the subscribers were last sent anything.
    pub(crate) last_sent: Instant,
    /// The number of the timer that runs, if one does.
    pub(crate) timer: Option<u64>,
    /// How many timers there have been.
    pub(crate) timers: u64,
}

impl Beats {
    pub(crate) fn new(interval: Option<Duration>) -> Self {
        Self { interval, count: 0, last_sent: Instant::now(), timer: None, timers: 0 }
    }
}

/// The timer of a channel, which does not keep it alive. When it goes, the channel is told.
pub(crate) struct Timer {
    channel: Weak<Channel>,
    number: u64,
}

impl Timer {
    pub(crate) fn new(channel: Weak<Channel>, number: u64) -> Self {
        Self { channel, number }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // A runtime without time makes it panic: another one would do the same.
        if let Some(channel) = self.channel.upgrade().filter(|_| !std::thread::panicking()) {
            channel.timer_lost(self.number);
        }
    }
}

/// Beats until the channel is gone or nobody listens.
pub(crate) async fn run(timer: Timer, changed: Arc<Notify>) {
    while let Some(wait) = timer.channel.upgrade().and_then(|channel| channel.beat(Instant::now())) {
        // Elapsed or told of a change: both lead to another look.
        let _ = timeout(wait, changed.notified()).await;
    }
}
