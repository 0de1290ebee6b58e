//! One topic of a hub, as publishers and subscribers share it.
//!
//! - Publishing takes the lock, appends, takes the wakers out, and wakes when the lock is free again.
//! - A subscriber that finds nothing to read leaves its waker under the same lock, so that no event slips between.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::PublishError;
use crate::heartbeat::{self, Timer};
use crate::hub::{Hub, State};
use crate::published::Published;
use crate::ring::Entry;
use crate::settings::Settings;
use crate::stats::Stats;
use crate::sync::{AtomicU64, MutexGuard};
use crate::writer::EventWriter;

pub(crate) struct Channel {
    hub: Arc<Hub>,
    key: usize,
    name: Arc<str>,
    /// Rises, under the lock, with everything that subscribers have to look at.
    pub(crate) version: AtomicU64,
    /// Told when the heartbeat's interval changes, or the channel ends.
    heartbeat_changed: Arc<Notify>,
    /// Told when a closed channel has lost its last subscriber.
    drained: Notify,
}

impl Channel {
    /// The only channel of a hub of its own.
    pub(crate) fn single(epoch: u64, settings: Settings) -> Arc<Self> {
        Self::of(&Arc::new(Hub::new(epoch, settings, true)), "")
    }

    /// A new channel of a hub.
    pub(crate) fn of(hub: &Arc<Hub>, name: &str) -> Arc<Self> {
        let name: Arc<str> = name.into();
        Arc::new_cyclic(|channel| {
            let mut state = hub.lock();
            let key = state.add_topic(hub, channel.clone());
            state.name_topic(key, &name, hub);
            drop(state);
            let (heartbeat_changed, drained) = (Notify::new().into(), Notify::new());
            Self { hub: hub.clone(), key, name, version: AtomicU64::new(0), heartbeat_changed, drained }
        })
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The topic's name; empty where it is the only one.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The topic's key in the hub, as long as the channel lives.
    pub(crate) fn key(&self) -> usize {
        self.key
    }

    /// Appends a message, if anything was written, and wakes the subscribers. With a log, it is appended there, and
    /// comes back from it.
    pub(crate) fn publish(
        &self,
        message: EventWriter,
        key: Option<Arc<str>>,
    ) -> Result<Published, PublishError> {
        let mut state = self.hub.lock();
        if state.topics[self.key].is_closed {
            return Err(PublishError::Closed);
        }
        if let Some(replica) = &self.hub.replica {
            drop(state);
            return replica.outbox.publish(self.name.clone(), message, key);
        }
        if message.is_empty() {
            return Ok(Published::known(None));
        }
        let now = Instant::now();
        let sequence = state.last + 1;
        state.last = sequence;
        let (block, id, written) = message.finish(|| self.hub.ids.of(sequence));
        let topic = &mut state.topics[self.key];
        topic.ring.push(Entry { sequence, at: self.hub.age(now), block, id, key });
        topic.stats.published += 1;
        topic.beats.last_sent = now;
        self.wake(state);
        Ok(Published::known(written))
    }

    /// Whether a subscriber that comes with this last event ID would find something, now or later.
    pub(crate) fn has_more(&self, last_event_id: &str) -> bool {
        let state = self.hub.lock();
        let topic = &state.topics[self.key];
        let rings = std::iter::once(&topic.ring);
        if !topic.is_closed {
            return true;
        }
        let (cursor, is_behind) = state.resume(last_event_id, &self.hub, rings.clone());
        is_behind || !cursor.is_read(rings)
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.hub.lock();
        let topic = &state.topics[self.key];
        let behind = topic.subscribers.saturating_sub(topic.wakers.len());
        Stats { subscribers: topic.subscribers, behind, log: self.hub.log_stats(&state), ..topic.stats }
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.hub.lock().topics[self.key].subscribers
    }

    /// Counts a subscriber whose connection was cut because it took nothing.
    pub(crate) fn count_stalled(&self) {
        self.hub.lock().topics[self.key].stats.stalled += 1;
    }

    /// Lets each stream end at a random moment within `spread`, when it has got everything.
    pub(crate) fn close(&self, spread: Duration) {
        let mut state = self.hub.lock();
        let topic = &mut state.topics[self.key];
        if !topic.is_closed {
            topic.is_closed = true;
            topic.closing_spread = spread;
        }
        self.wake(state);
        self.has_lost_one();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.hub.lock().topics[self.key].is_closed
    }

    /// Completes when the channel is closed and its last subscriber has gone.
    pub(crate) async fn drained(&self) {
        // Before the look at the state, so that a change after it is not missed.
        let drained = self.drained.notified();
        if !self.is_drained() {
            drained.await;
        }
    }

    /// Tells those that wait for it, if no subscriber is left of a closed channel.
    pub(crate) fn has_lost_one(&self) {
        if self.is_drained() {
            self.drained.notify_waiters();
        }
    }

    fn is_drained(&self) -> bool {
        let topic = &self.hub.lock().topics[self.key];
        topic.is_closed && topic.subscribers == 0
    }

    pub(crate) fn set_heartbeat(&self, interval: Option<Duration>) {
        let mut state = self.hub.lock();
        state.topics[self.key].beats.interval = interval;
        // If no timer runs, the first that is woken starts one.
        self.wake(state);
        self.heartbeat_changed.notify_one();
    }

    /// Sends a heartbeat if one is due. Returns how long to wait for the next; `None` if nobody waits for one, and then
    /// a subscriber starts the timer anew.
    pub(crate) fn beat(&self, now: Instant) -> Option<Duration> {
        let mut state = self.hub.lock();
        let topic = &mut state.topics[self.key];
        let beats = &mut topic.beats;
        let Some(interval) = beats.interval.filter(|_| topic.subscribers > 0) else {
            beats.timer = None;
            return None;
        };
        let wait = interval.saturating_sub(now.saturating_duration_since(beats.last_sent));
        if !wait.is_zero() {
            return Some(wait);
        }
        beats.count += 1;
        beats.last_sent = now;
        self.wake(state);
        Some(interval)
    }

    /// A timer is gone, with the runtime that drove it. Whoever is woken starts another.
    pub(crate) fn timer_lost(&self, number: u64) {
        let mut state = self.hub.lock();
        let beats = &mut state.topics[self.key].beats;
        if beats.timer == Some(number) {
            beats.timer = None;
            self.wake(state);
        }
    }

    /// Starts the heartbeat's timer, if one is missing and there is a runtime to drive it.
    pub(crate) fn start_timer(self: &Arc<Self>) {
        let mut state = self.hub.lock();
        let beats = &mut state.topics[self.key].beats;
        if beats.timer.is_some() || beats.interval.is_none() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        beats.timers += 1;
        beats.timer = Some(beats.timers);
        // Nobody was listening until now: the interval begins here.
        beats.last_sent = Instant::now();
        let timer = Timer::new(Arc::downgrade(self), beats.timers);
        let changed = self.heartbeat_changed.clone();
        // A runtime that is shutting down drops the task at once, and the timer with it, which takes the lock.
        drop(state);
        runtime.spawn(heartbeat::run(timer, changed));
    }

    /// Takes the wakers out, frees the lock, and wakes.
    fn wake(&self, mut state: MutexGuard<'_, State>) {
        let wakers = self.take_wakers(&mut state);
        drop(state);
        self.wake_up(wakers);
    }

    /// Lets all subscribers know that there is something to look at. Who is taken out here is to be woken.
    fn take_wakers(&self, state: &mut State) -> Slab<Waker> {
        self.version.fetch_add(1, Ordering::Release);
        state.topics[self.key].wakers.take()
    }

    fn wake_up(&self, mut wakers: Slab<Waker>) {
        if wakers.is_empty() {
            return;
        }
        wakers.drain().for_each(Waker::wake);
        let smaller = self.hub.lock().topics[self.key].wakers.give_back(wakers);
        drop(smaller);
    }
}

/// Takes the wakers of several channels of one hub out, frees the lock, and wakes.
pub(crate) fn wake_all(channels: &[Arc<Channel>], mut state: MutexGuard<'_, State>) {
    let wakers: Vec<_> = channels.iter().map(|channel| channel.take_wakers(&mut state)).collect();
    drop(state);
    channels.iter().zip(wakers).for_each(|(channel, wakers)| channel.wake_up(wakers));
}

impl Drop for Channel {
    fn drop(&mut self) {
        // What it held is dropped without the lock.
        let topic = self.hub.lock().drop_topic(self.key, &self.name);
        drop(topic);
        self.heartbeat_changed.notify_one();
    }
}

impl fmt::Debug for Channel {
    /// Shows nothing of the messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}
