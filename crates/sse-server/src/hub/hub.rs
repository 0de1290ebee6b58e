//! The hub: its lock, its settings, and the waking of subscribers.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use slab::Slab;
use tokio::time::Instant;

use super::settings::Settings;
use super::source::{Replica, Source};
use super::state::State;
use crate::history::{Begun, Broken, Entry, Epoch, Position};
use crate::sync::{Mutex, MutexGuard, Waiting};

/// What topics with one order of messages share.
pub(crate) struct Hub {
    settings: Settings,
    source: Source,
    /// Whether there is only one topic, so that no position belongs to another.
    is_single: bool,
    started: Instant,
    /// The same moment by the clock of the machine.
    started_at: SystemTime,
    state: Mutex<State>,
}

impl Hub {
    /// Returns a hub of one topic. Its memory is limited by its own settings.
    pub(crate) fn single(epoch: Epoch, settings: Settings) -> Self {
        Self::of(Source::Memory(epoch), settings, true, State::new(0, 0, usize::MAX))
    }

    /// Returns a hub without a log, whose topics may take `max_memory` together.
    pub(crate) fn new(epoch: Epoch, settings: Settings, max_memory: usize) -> Self {
        Self::of(Source::Memory(epoch), settings, false, State::new(0, 0, max_memory))
    }

    /// Returns a hub whose topics are copies of a log. It keeps some of the newest entries in memory.
    pub(crate) fn of_log(
        source: Source,
        settings: Settings,
        recent_messages: usize,
        recent_bytes: usize,
        max_memory: usize,
    ) -> Self {
        Self::of(source, settings, false, State::new(recent_messages, recent_bytes, max_memory))
    }

    fn of(source: Source, settings: Settings, is_single: bool, state: State) -> Self {
        Self {
            settings,
            source,
            is_single,
            started: Instant::now(),
            started_at: SystemTime::now(),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Returns when the hub was made.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Returns how long the hub has existed.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// When a message was published: by its position if it comes from a log, else by the age of the hub at which it was
    /// kept. `None` if the log does not tell.
    pub(crate) fn published(&self, position: Position, at: Duration) -> Option<SystemTime> {
        match self.source {
            Source::Memory(_) => Some(self.started_at + at),
            Source::Log(_) => self.source.time(position),
        }
    }

    /// Returns whether the missing messages of a gap can be counted.
    pub(crate) fn counts_gaps(&self) -> bool {
        self.is_single && !self.settings.lag_policy.is_latest_per_key()
    }

    /// Removes the wakers of a topic, releases the lock, and wakes.
    pub(crate) fn wake(&self, mut state: MutexGuard<'_, State>, key: usize) {
        let wakers = state.topic_mut(key).touch();
        drop(state);
        self.wake_up(key, wakers);
    }

    /// Removes the wakers of several topics, releases the lock, and wakes. Tasks that wait for the end of a topic are
    /// notified, too.
    pub(crate) fn wake_all(&self, mut state: MutexGuard<'_, State>, keys: Vec<usize>) {
        let mut drained = Vec::new();
        let touched: Vec<_> = keys
            .into_iter()
            .map(|key| {
                let topic = state.topic_mut(key);
                if topic.is_drained() {
                    drained.push(topic.signals().clone());
                }
                (key, topic.touch())
            })
            .collect();
        drop(state);
        for (key, wakers) in touched {
            self.wake_up(key, wakers);
        }
        for signals in drained {
            signals.drained.notify_waiters();
        }
    }

    fn wake_up(&self, key: usize, mut wakers: Slab<Waiting>) {
        if wakers.is_empty() {
            return;
        }
        wakers.drain().for_each(Waiting::wake);
        let smaller = self.lock().get_topic_mut(key).map(|topic| topic.give_back(wakers));
        drop(smaller);
    }

    /// Begins with what was read of the log, for the first time or anew.
    pub(crate) fn begin(&self, replica: &Replica, begun: Begun) {
        let now = self.age(Instant::now());
        let mut state = self.lock();
        let dropped = state.begin(begun, &self.settings, replica.log(), now);
        // Under the lock, so that no subscriber takes a page of the old log for one of the new log.
        let pages = replica.backlog().clear();
        let keys = state.keys();
        self.wake_all(state, keys);
        drop((dropped, pages));
    }

    /// Takes in new entries of the log, and wakes the subscribers. Returns the position of the newest entry. If the
    /// entries do not come directly after the last ones, the hub must begin anew.
    pub(crate) fn take_in(&self, replica: &Replica, entries: Vec<Entry>) -> Result<Position, Broken> {
        let now = Instant::now();
        let mut state = self.lock();
        let taken = state.take_in(entries, replica.log(), self.age(now), now);
        let seen = state.last();
        self.wake_all(state, taken.touched);
        if taken.is_broken { Err(Broken) } else { Ok(seen) }
    }

    /// Ends the streams of a client on all topics of this process.
    pub(crate) fn end_client(&self, client: &Arc<str>) {
        let mut state = self.lock();
        let keys = state.end_client(client);
        self.wake_all(state, keys);
    }
}

impl fmt::Debug for Hub {
    /// Shows no messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").finish_non_exhaustive()
    }
}
