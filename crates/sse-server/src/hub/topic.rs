//! One topic, for its publishers and its subscribers.
//!
//! - To publish, a publisher takes the lock, appends the message, removes the wakers, and wakes them after it has
//!   released the lock.
//! - A subscriber that finds nothing to read leaves its waker under the same lock, so that it misses no message in
//!   between.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::heartbeat::{self, Beat, Beating, Timer};
use super::hub::Hub;
use super::source::{Replica, Source};
use super::state::{ReadsOn, State};
use super::stats::Stats;
use super::topic_state::Signals;
use crate::history::{Kept, KnownId, Position};
use crate::log::{OnFailure, PublishError, Published};
use crate::message::{Control, Draft, Record, fingerprint};
use crate::sync::{AtomicUsize, MutexGuard};

/// A topic of a hub. It exists as long as somebody holds it, and is open as long as a publisher has a handle.
pub(crate) struct Topic {
    hub: Arc<Hub>,
    key: usize,
    name: Arc<str>,
    signals: Arc<Signals>,
    /// How many handles publishers have.
    handles: AtomicUsize,
}

impl Topic {
    /// Returns a new topic of a hub, with one handle of a publisher.
    pub(crate) fn new(hub: &Arc<Hub>, name: &str) -> Arc<Self> {
        let (name, signals): (Arc<str>, _) = (name.into(), Arc::<Signals>::default());
        let now = hub.age(Instant::now());
        let key = hub.lock().add_topic(&name, signals.clone(), hub.source(), hub.settings(), now);
        Arc::new(Self { hub: hub.clone(), key, name, signals, handles: AtomicUsize::new(1) })
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Returns the name of the topic, which is empty on a route of its own.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the key of the topic in the hub, which is valid as long as the topic is held.
    pub(crate) fn key(&self) -> usize {
        self.key
    }

    /// Returns the version of what subscribers see.
    pub(crate) fn version(&self) -> u64 {
        self.signals.version()
    }

    /// Counts one more handle of a publisher.
    pub(crate) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that a handle of a publisher was dropped. After the last one, the topic ends in this process.
    pub(crate) fn drop_handle(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut state = self.hub.lock();
            state.topic_mut(self.key).end_for_good();
            self.hub.wake_all(state, vec![self.key]);
        }
    }

    /// Returns whether there is another handle, or a subscriber.
    pub(crate) fn is_used(&self) -> bool {
        self.handles.load(Ordering::Acquire) > 1 || self.subscribers() > 0
    }

    /// Publishes a message, unless it is empty.
    pub(crate) fn publish(&self, draft: Draft) -> Result<Published, PublishError> {
        match self.hub.source() {
            Source::Memory(_) => self.append(draft),
            Source::Log(replica) => {
                let mut published = self.queue(replica, vec![draft])?;
                Ok(published.pop().unwrap_or_else(|| Published::known(None)))
            }
        }
    }

    /// Publishes messages, one directly after the other: all or none.
    pub(crate) fn publish_all(&self, drafts: Vec<Draft>) -> Result<Vec<Published>, PublishError> {
        match self.hub.source() {
            Source::Memory(_) => self.append_all(drafts),
            Source::Log(replica) => self.queue(replica, drafts),
        }
    }

    fn append(&self, draft: Draft) -> Result<Published, PublishError> {
        check_id(&draft)?;
        let mut state = self.lock_open()?;
        if draft.is_empty() {
            return Ok(Published::known(None));
        }
        if let Some(repeat) = self.find_repeat(&mut state, &draft)? {
            return Ok(repeat);
        }
        let published = self.push(&mut state, draft, Instant::now());
        self.hub.wake(state, self.key);
        Ok(published)
    }

    fn append_all(&self, drafts: Vec<Draft>) -> Result<Vec<Published>, PublishError> {
        drafts.iter().try_for_each(check_id)?;
        let now = Instant::now();
        let mut state = self.lock_open()?;
        // The ids of the batch itself, because each id must name one message there, too.
        let mut own_ids = HashMap::new();
        let (mut messages, mut bytes) = (0, 0);
        // The ids that the hub gives are not longer than the last one.
        let last = Position::new(state.last().get().saturating_add(drafts.len() as u64));
        let hub_id = self.hub.source().id(last);
        for draft in drafts.iter().filter(|draft| !draft.is_empty()) {
            let fingerprint = draft.own_id().map(|_| draft.fingerprint());
            if let Some((id, fingerprint)) = draft.own_id().zip(fingerprint)
                && (*own_ids.entry(id.as_str()).or_insert(fingerprint) != fingerprint
                    || self.look_up(&state, draft) == KnownId::Taken)
            {
                return Err(PublishError::IdTaken);
            }
            messages += 1;
            bytes += draft.len(&hub_id);
        }
        drop(own_ids);
        let held = bytes + messages * Kept::BESIDE;
        if messages > 1 && held > state.max_memory()
            || !state.topic(self.key).ring().bounds().fit(messages, bytes)
        {
            return Err(PublishError::BatchTooLarge);
        }
        let mut published = Vec::with_capacity(drafts.len());
        for draft in drafts {
            published.push(match self.find_repeat(&mut state, &draft)? {
                Some(repeat) => repeat,
                None if draft.is_empty() => Published::known(None),
                None => self.push(&mut state, draft, now),
            });
        }
        self.hub.wake(state, self.key);
        Ok(published)
    }

    fn lock_open(&self) -> Result<MutexGuard<'_, State>, PublishError> {
        let state = self.hub.lock();
        if state.topic(self.key).is_open() { Ok(state) } else { Err(PublishError::Closed) }
    }

    fn look_up(&self, state: &State, draft: &Draft) -> KnownId {
        let Some(id) = draft.own_id() else { return KnownId::New };
        state.topic(self.key).look_up_own_id(fingerprint(id.as_str()), draft.fingerprint())
    }

    /// Returns the outcome of a message that was published before, by its publisher's id.
    fn find_repeat(&self, state: &mut State, draft: &Draft) -> Result<Option<Published>, PublishError> {
        match self.look_up(state, draft) {
            KnownId::New => Ok(None),
            KnownId::Taken => Err(PublishError::IdTaken),
            KnownId::Repeat => {
                state.topic_mut(self.key).count_repeat();
                Ok(draft.own_id().cloned().map(Published::repeat))
            }
        }
    }

    /// Appends a message to the ring.
    fn push(&self, state: &mut State, draft: Draft, now: Instant) -> Published {
        let previous = state.last();
        let position = state.next_position();
        let topic = state.topic_mut(self.key);
        let mut id = draft.own_id().cloned();
        if let Some(id) = &id {
            topic.remember_own_id(fingerprint(id.as_str()), position, draft.fingerprint());
        }
        let block = draft.into_block(|| id.insert(self.hub.source().id(position)).clone());
        state.push(self.key, Kept::new(position, previous, self.hub.age(now), block), now);
        Published::known(id)
    }

    /// Queues messages for the log, from which they come back.
    fn queue(&self, replica: &Replica, drafts: Vec<Draft>) -> Result<Vec<Published>, PublishError> {
        drafts.iter().filter_map(Draft::own_id).try_for_each(|id| replica.log().check_id(id))?;
        let records = drafts.into_iter().map(|draft| Record::of(self.name.clone(), draft)).collect();
        // Under the lock, so that a message comes before an end that is published after it.
        let state = self.lock_open()?;
        let published = replica.outbox().enqueue(records);
        drop(state);
        replica.outbox().wake();
        published
    }

    /// Ends the topic: with a log, for all replicas. Each stream ends at a random moment within `spread` after its last
    /// message.
    pub(crate) fn end(&self, spread: Duration) -> Published {
        let Source::Log(replica) = self.hub.source() else {
            self.end_here(spread);
            return Published::known(None);
        };
        let mut state = self.hub.lock();
        let topic = state.topic_mut(self.key);
        if topic.is_ended() && !topic.is_open() {
            return Published::known(None);
        }
        let published =
            replica.outbox().enqueue_control(self.record(Control::End { spread }), self.not_asked());
        if published.is_ok() {
            topic.ask_for_end();
        }
        drop(state);
        replica.outbox().wake();
        published.unwrap_or_else(Published::failed)
    }

    /// Opens an ended topic again: with a log, for all replicas.
    pub(crate) fn open(&self) {
        let mut state = self.hub.lock();
        let topic = state.topic_mut(self.key);
        match self.hub.source() {
            Source::Memory(_) => topic.open_here(),
            Source::Log(_) if topic.is_known_open() => {}
            // The caller may know of an end that this process has not read. And an opening that has not come back may
            // be lost, so it is sent again.
            Source::Log(replica) => {
                if replica.outbox().enqueue_control(self.record(Control::Open), self.not_asked()).is_ok() {
                    topic.ask_for_open();
                }
                drop(state);
                replica.outbox().wake();
            }
        }
    }

    /// Ends the topic in this process.
    fn end_here(&self, spread: Duration) {
        let mut state = self.hub.lock();
        state.topic_mut(self.key).end_here(spread);
        self.hub.wake_all(state, vec![self.key]);
    }

    /// Ends the streams of a client: with a log, on all replicas.
    pub(crate) fn end_client(&self, client: &str) -> Result<Published, PublishError> {
        let mut state = self.hub.lock();
        if state.topic_mut(self.key).end_client(client) {
            self.hub.wake(state, self.key);
        } else {
            drop(state);
        }
        let Source::Log(replica) = self.hub.source() else { return Ok(Published::known(None)) };
        let control = Control::EndClient { client: client.into(), everywhere: false };
        replica.outbox().tell(self.record(control))
    }

    /// Returns what to do if the log could not store an end or an opening of the topic.
    fn not_asked(&self) -> OnFailure {
        let (hub, signals, key) = (Arc::downgrade(&self.hub), Arc::downgrade(&self.signals), self.key);
        Box::new(move || {
            // As long as the signals exist, the key belongs to this topic.
            let Some((hub, _signals)) = hub.upgrade().zip(signals.upgrade()) else { return };
            if let Some(topic) = hub.lock().get_topic_mut(key) {
                topic.stop_asking();
            }
        })
    }

    fn record(&self, control: Control) -> Record {
        Record::control(self.name.clone(), control)
    }

    /// Returns whether a subscriber that resumes after this last event ID has something to read, now or later.
    pub(crate) fn has_more(&self, last_event_id: &str, reads_own_ids: bool) -> bool {
        let state = self.hub.lock();
        let keys = std::iter::once(self.key);
        if !state.topic(self.key).is_ended() {
            return true;
        }
        let resume =
            state.resume(reads_own_ids.then_some(self.key), keys.clone(), last_event_id, self.hub.source());
        resume.reads_on != ReadsOn::Rings || !resume.cursor.is_read(state.rings(keys))
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.hub.lock();
        Stats { log: state.log_stats(self.hub.source()), ..state.topic(self.key).stats() }
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.hub.lock().topic(self.key).subscribers()
    }

    /// Returns how many subscribers wait.
    #[cfg(all(test, shuttle))]
    pub(crate) fn waiting(&self) -> usize {
        self.hub.lock().topic(self.key).waiting()
    }

    /// Returns whether messages can't be published any more.
    pub(crate) fn is_closed(&self) -> bool {
        !self.hub.lock().topic(self.key).is_open()
    }

    /// Completes when the topic has ended and its last subscriber is disconnected.
    pub(crate) async fn drained(&self) {
        loop {
            // Created before the state is read, so that it hears of all later changes.
            let drained = self.signals.drained.notified();
            if self.is_drained() {
                return;
            }
            drained.await;
        }
    }

    /// Notifies the tasks that wait for the topic, if it has ended and no subscriber is left.
    pub(crate) fn has_lost_one(&self) {
        if self.is_drained() {
            self.signals.drained.notify_waiters();
        }
    }

    fn is_drained(&self) -> bool {
        self.hub.lock().topic(self.key).is_drained()
    }

    pub(crate) fn set_heartbeat(&self, interval: Option<Duration>) {
        let mut state = self.hub.lock();
        state.topic_mut(self.key).beats_mut().set_interval(interval);
        // If no timer runs, the first woken subscriber starts one.
        self.hub.wake(state, self.key);
        self.signals.heartbeat_changed.notify_one();
    }

    /// Starts the timer of the heartbeat, if there is none and there is a runtime to drive it.
    pub(crate) fn start_timer(self: &Arc<Self>) {
        let mut state = self.hub.lock();
        let beats = state.topic_mut(self.key).beats_mut();
        if !beats.needs_timer() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let timer = Timer::new(Arc::downgrade(self), beats.start_timer(Instant::now()));
        let changed = self.signals.heartbeat_changed.clone();
        // A runtime that is shutting down drops the task at once, and with it the timer, which takes the lock.
        drop(state);
        runtime.spawn(heartbeat::run(timer, changed));
    }
}

impl Beating for Topic {
    fn beat(&self, now: Instant) -> Option<Duration> {
        let mut state = self.hub.lock();
        let topic = state.topic_mut(self.key);
        // Messages that were kept for a burst are not needed for ever.
        topic.trim(self.hub.age(now));
        match topic.beat(now) {
            Beat::Never => None,
            Beat::Later(wait) => Some(wait),
            Beat::Now(wait) => {
                self.hub.wake(state, self.key);
                Some(wait)
            }
        }
    }

    fn timer_lost(&self, number: u64) {
        let mut state = self.hub.lock();
        // The next woken subscriber starts another timer.
        if state.topic_mut(self.key).beats_mut().lose_timer(number) {
            self.hub.wake(state, self.key);
        }
    }
}

/// Checks that a publisher can give the id of a message.
fn check_id(draft: &Draft) -> Result<(), PublishError> {
    draft.own_id().map_or(Ok(()), |id| Source::check_own_id(id).map_err(PublishError::InvalidId))
}

impl Drop for Topic {
    fn drop(&mut self) {
        // The state of the topic is dropped without the lock.
        let topic = self.hub.lock().drop_topic(self.key, &self.name);
        drop(topic);
        self.signals.heartbeat_changed.notify_one();
    }
}

impl fmt::Debug for Topic {
    /// Shows no messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).finish_non_exhaustive()
    }
}
