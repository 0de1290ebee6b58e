//! One topic, as its publishers and its subscribers hold it.
//!
//! - Publishing takes the lock, appends, takes the wakers out, and wakes when the lock is free again.
//! - A subscriber that finds nothing to read leaves its waker under the same lock, so that no event slips between.

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
use super::state::State;
use super::stats::Stats;
use super::topic_state::Signals;
use crate::history::{Kept, KnownId, Position};
use crate::log::{OnFailure, PublishError, Published};
use crate::message::{Control, Draft, Record, fingerprint};
use crate::sync::{AtomicUsize, MutexGuard};

/// A topic of a hub. It stays as long as somebody holds it, and is open as long as a publisher has a handle.
pub(crate) struct Topic {
    hub: Arc<Hub>,
    key: usize,
    name: Arc<str>,
    signals: Arc<Signals>,
    /// How many publishers' handles there are.
    handles: AtomicUsize,
}

impl Topic {
    /// A new topic of a hub, with one publisher's handle.
    pub(crate) fn new(hub: &Arc<Hub>, name: &str) -> Arc<Self> {
        let (name, signals): (Arc<str>, _) = (name.into(), Arc::<Signals>::default());
        let now = hub.age(Instant::now());
        let key = hub.lock().add_topic(&name, signals.clone(), hub.source(), hub.settings(), now);
        Arc::new(Self { hub: hub.clone(), key, name, signals, handles: AtomicUsize::new(1) })
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The topic's name; empty where it is the only one.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The topic's key in the hub, as long as it is held.
    pub(crate) fn key(&self) -> usize {
        self.key
    }

    /// The version of what subscribers see.
    pub(crate) fn version(&self) -> u64 {
        self.signals.version()
    }

    /// Counts one more publisher's handle.
    pub(crate) fn add_handle(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// A publisher's handle is gone. When the last one goes, the topic ends here.
    pub(crate) fn drop_handle(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let mut state = self.hub.lock();
            state.topic_mut(self.key).end_for_good();
            self.hub.wake_all(state, vec![self.key]);
        }
    }

    /// Whether there is another handle, or a subscriber.
    pub(crate) fn is_used(&self) -> bool {
        self.handles.load(Ordering::Acquire) > 1 || self.subscribers() > 0
    }

    /// Publishes a message, if anything was written.
    pub(crate) fn publish(&self, draft: Draft) -> Result<Published, PublishError> {
        match self.hub.source() {
            Source::Memory(_) => self.append(draft),
            Source::Log(replica) => {
                let mut published = self.queue(replica, vec![draft])?;
                Ok(published.pop().unwrap_or_else(|| Published::known(None)))
            }
        }
    }

    /// Publishes messages next to each other: all or none.
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
        // The ids that the batch itself gives, so that each names one message there, too.
        let mut own_ids = HashMap::new();
        let (mut messages, mut bytes) = (0, 0);
        // None of the ids that the hub gives is longer than the last.
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

    /// What becomes of a message that was published before, by its publisher's id.
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
        let position = state.next_position();
        let topic = state.topic_mut(self.key);
        let mut id = draft.own_id().cloned();
        if let Some(id) = &id {
            topic.remember_own_id(fingerprint(id.as_str()), position, draft.fingerprint());
        }
        let block = draft.into_block(|| id.insert(self.hub.source().id(position)).clone());
        state.push(self.key, Kept { position, at: self.hub.age(now), block }, now);
        Published::known(id)
    }

    /// Queues messages for the log, from which they come back.
    fn queue(&self, replica: &Replica, drafts: Vec<Draft>) -> Result<Vec<Published>, PublishError> {
        if drafts.iter().any(|draft| draft.own_id().is_some()) {
            return Err(PublishError::OwnId);
        }
        let records = drafts.into_iter().map(|draft| Record::of(self.name.clone(), draft)).collect();
        // Under the lock, so that a message comes before the end that it was published before.
        let state = self.lock_open()?;
        let published = replica.outbox().enqueue(records);
        drop(state);
        replica.outbox().wake();
        published
    }

    /// Ends the topic: for all replicas, if there is a log. Each stream ends at a random moment within `spread`, when
    /// it has got everything.
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

    /// Opens an ended topic again: for all replicas, if there is a log.
    pub(crate) fn open(&self) {
        let mut state = self.hub.lock();
        let topic = state.topic_mut(self.key);
        match self.hub.source() {
            Source::Memory(_) => topic.open_here(),
            Source::Log(_) if topic.is_known_open() => {}
            // Whoever opens it may know of an end that is not known here. And an opening that the log has not brought back
            // may be lost: it is asked for again.
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

    /// Ends the streams of a client: on all replicas, if there is a log.
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

    /// What to do if the log could not be asked to end the topic, or to open it.
    fn not_asked(&self) -> OnFailure {
        let (hub, signals, key) = (Arc::downgrade(&self.hub), Arc::downgrade(&self.signals), self.key);
        Box::new(move || {
            // As long as the signals are there, the key is this topic's.
            let Some((hub, _signals)) = hub.upgrade().zip(signals.upgrade()) else { return };
            if let Some(topic) = hub.lock().get_topic_mut(key) {
                topic.stop_asking();
            }
        })
    }

    fn record(&self, control: Control) -> Record {
        Record::control(self.name.clone(), control)
    }

    /// Whether a subscriber that comes with this last event ID would find something, now or later.
    pub(crate) fn has_more(&self, last_event_id: &str, reads_own_ids: bool) -> bool {
        let state = self.hub.lock();
        let keys = std::iter::once(self.key);
        if !state.topic(self.key).is_ended() {
            return true;
        }
        let resume =
            state.resume(reads_own_ids.then_some(self.key), keys.clone(), last_event_id, self.hub.source());
        resume.needs_log || !resume.cursor.is_read(state.rings(keys))
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.hub.lock();
        Stats { log: state.log_stats(self.hub.source()), ..state.topic(self.key).stats() }
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.hub.lock().topic(self.key).subscribers()
    }

    /// How many subscribers wait.
    #[cfg(all(test, shuttle))]
    pub(crate) fn waiting(&self) -> usize {
        self.hub.lock().topic(self.key).waiting()
    }

    /// Whether messages can't be published any more.
    pub(crate) fn is_closed(&self) -> bool {
        !self.hub.lock().topic(self.key).is_open()
    }

    /// Completes when the topic has ended and its last subscriber has gone.
    pub(crate) async fn drained(&self) {
        loop {
            // Before the look at the state, so that a change after it is not missed.
            let drained = self.signals.drained.notified();
            if self.is_drained() {
                return;
            }
            drained.await;
        }
    }

    /// Tells those that wait for it, if no subscriber is left of an ended topic.
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
        // If no timer runs, the first that is woken starts one.
        self.hub.wake(state, self.key);
        self.signals.heartbeat_changed.notify_one();
    }

    /// Starts the heartbeat's timer, if one is missing and there is a runtime to drive it.
    pub(crate) fn start_timer(self: &Arc<Self>) {
        let mut state = self.hub.lock();
        let beats = state.topic_mut(self.key).beats_mut();
        if !beats.needs_timer() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let timer = Timer::new(Arc::downgrade(self), beats.start_timer(Instant::now()));
        let changed = self.signals.heartbeat_changed.clone();
        // A runtime that is shutting down drops the task at once, and the timer with it, which takes the lock.
        drop(state);
        runtime.spawn(heartbeat::run(timer, changed));
    }
}

impl Beating for Topic {
    fn beat(&self, now: Instant) -> Option<Duration> {
        let mut state = self.hub.lock();
        let topic = state.topic_mut(self.key);
        // What was kept for a burst is not needed for ever.
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
        // Whoever is woken starts another.
        if state.topic_mut(self.key).beats_mut().lose_timer(number) {
            self.hub.wake(state, self.key);
        }
    }
}

/// Checks that the id of a message can be a publisher's.
fn check_id(draft: &Draft) -> Result<(), PublishError> {
    draft.own_id().map_or(Ok(()), |id| Source::check_own_id(id).map_err(PublishError::InvalidId))
}

impl Drop for Topic {
    fn drop(&mut self) {
        // What it held is dropped without the lock.
        let topic = self.hub.lock().drop_topic(self.key, &self.name);
        drop(topic);
        self.signals.heartbeat_changed.notify_one();
    }
}

impl fmt::Debug for Topic {
    /// Shows nothing of the messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topic").field("name", &self.name).finish_non_exhaustive()
    }
}
