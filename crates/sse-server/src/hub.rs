//! What topics with one order share: the lock, the sequence of messages, the settings.
//!
//! - One lock for all, so that several topics can be read as one stream, and one id says how far.
//! - No user's code runs under the lock, but a log's that writes or reads an id: wakers are cloned before it is taken,
//!   woken and dropped after.

use std::collections::HashMap;
use std::fmt;
use std::sync::Weak;
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::heartbeat::Beats;
use crate::ids::Ids;
use crate::replica::{Mirror, Replica};
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
    /// The log that the topics are copies of, if there is one.
    pub(crate) replica: Option<Replica>,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// The sequence number of the newest message of any topic; with a log, the position of its newest entry.
    pub(crate) last: u64,
    /// The newest sequence number of any topic that was dropped.
    pub(crate) dropped: u64,
    pub(crate) topics: Slab<Topic>,
    /// What has been seen of the log, if there is one.
    pub(crate) mirror: Option<Mirror>,
}

pub(crate) struct Topic {
    pub(crate) channel: Weak<Channel>,
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
            ids: Ids::Epoch(epoch),
            settings,
            is_single,
            replica: None,
            started: Instant::now(),
            state: Mutex::new(State::default()),
        }
    }

    /// A hub whose topics are copies of what is in a log.
    pub(crate) fn of_log(replica: Replica, mirror: Mirror, settings: Settings) -> Self {
        Self {
            ids: Ids::Log(replica.log.clone()),
            settings,
            is_single: false,
            replica: Some(replica),
            started: Instant::now(),
            state: Mutex::new(State { mirror: Some(mirror), ..State::default() }),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// How long the hub has been there.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// A ring for a topic, whose readers are told of a gap if they come from before `lost`.
    pub(crate) fn ring(&self, lost: u64) -> Ring {
        Ring::new(self.settings.bounds, self.settings.lagging.is_latest_per_key(), lost)
    }

    /// Whether what a gap misses can be counted.
    pub(crate) fn counts_gaps(&self) -> bool {
        self.is_single && !self.settings.lagging.is_latest_per_key()
    }
}

impl State {
    pub(crate) fn add_topic(&mut self, hub: &Hub, channel: Weak<Channel>) -> usize {
        self.topics.insert(Topic {
            channel,
            ring: hub.ring(self.dropped),
            is_closed: false,
            closing_spread: Duration::ZERO,
            subscribers: 0,
            clients: HashMap::new(),
            wakers: Wakers::default(),
            beats: Beats::new(hub.settings.heartbeat),
            stats: Stats::default(),
        })
    }

    /// Takes a topic out: whoever resumes what it held, in a later one, is told of a gap.
    #[must_use = "it may be large: drop it without the lock"]
    pub(crate) fn drop_topic(&mut self, key: usize, name: &str) -> Topic {
        self.forget_topic(key, name);
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
