//! What topics with one order share: the lock, the sequence of messages, the settings.
//!
//! - One lock for all, so that several topics can be read as one stream, and one id says how far.
//! - No user's code runs under the lock: wakers are cloned before it is taken, woken and dropped after.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use crate::heartbeat::Beats;
use crate::ids::Ids;
use crate::ring::Ring;
use crate::settings::Settings;
use crate::stats::Stats;
use crate::sync::{Mutex, MutexGuard};
use crate::wakers::Wakers;

pub(crate) struct Hub {
    pub(crate) ids: Ids,
    pub(crate) settings: Settings,
    /// Whether there is one topic only, so that no sequence number is another's.
    pub(crate) is_single: bool,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The sequence number of the newest message of any topic.
    pub(crate) last: u64,
    /// The newest sequence number of any topic that was dropped.
    pub(crate) dropped: u64,
    pub(crate) topics: Slab<Topic>,
}

pub(crate) struct Topic {
    pub(crate) ring: Ring,
    pub(crate) is_closed: bool,
    /// Over how long the streams of a closed topic end.
    pub(crate) closing_spread: Duration,
    pub(crate) subscribers: usize,
    /// How many of them each client has, for those that have a client's key.
    pub(crate) clients: HashMap<Box<str>, usize>,
    /// Of the subscribers, those that have read everything.
    pub(crate) wakers: Wakers,
    pub(crate) beats: Beats,
    pub(crate) stats: Stats,
}

impl Hub {
    pub(crate) fn new(epoch: u64, settings: Settings, is_single: bool) -> Self {
        Self {
            ids: Ids::new(epoch),
            settings,
            is_single,
            started: Instant::now(),
            state: Mutex::new(State::default()),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// How long the hub has been there.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// Whether what a gap misses can be counted.
    pub(crate) fn counts_gaps(&self) -> bool {
        self.is_single && !self.settings.lagging.is_latest_per_key()
    }
}

impl State {
    pub(crate) fn add_topic(&mut self, settings: &Settings) -> usize {
        self.topics.insert(Topic {
            ring: Ring::new(settings.bounds, settings.lagging.is_latest_per_key(), self.dropped),
            is_closed: false,
            closing_spread: Duration::ZERO,
            subscribers: 0,
            clients: HashMap::new(),
            wakers: Wakers::default(),
            beats: Beats::new(settings.heartbeat),
            stats: Stats::default(),
        })
    }

    /// Takes a topic out: whoever resumes what it held, in a later one, is told of a gap.
    #[must_use = "it may be large: drop it without the lock"]
    pub(crate) fn drop_topic(&mut self, key: usize) -> Topic {
        let topic = self.topics.remove(key);
        self.dropped = self.dropped.max(topic.ring.newest());
        topic
    }
}

impl fmt::Debug for Hub {
    /// Shows nothing of the messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
