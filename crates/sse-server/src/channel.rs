//! What a route and its subscribers share: the ring, the wakers and the heartbeat, under one lock.
//!
//! - Publishing takes the lock, appends, takes the wakers out, and wakes when the lock is free again.
//! - A subscriber that finds nothing to read leaves its waker under the same lock, so that no event slips between.
//! - No user's code runs under the lock: wakers are cloned before it is taken, woken and dropped after.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sse_codec::EventId;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::error::Closed;
use crate::heartbeat::{self, Timer};
use crate::ring::{Bounds, Cursor, Read, Ring};
use crate::wakers::Wakers;
use crate::writer::EventWriter;

pub(crate) struct Channel {
    state: Mutex<State>,
    /// Told when the heartbeat's interval changes, or the channel ends.
    heartbeat_changed: Arc<Notify>,
    /// Told when a closed channel has lost its last subscriber.
    drained: Notify,
}

struct State {
    ring: Ring,
    closed: bool,
    /// A slot for each subscriber.
    wakers: Wakers,
    heartbeat: Option<Duration>,
    /// How many heartbeats there have been.
    beats: u64,
    /// When the subscribers were last sent anything.
    last_sent: Instant,
    /// The number of the timer that runs, if one does.
    timer: Option<u64>,
    /// How many timers there have been.
    timers: u64,
}

/// A subscriber's place in the channel.
#[derive(Debug)]
pub(crate) struct Place {
    key: usize,
    cursor: Cursor,
    beats: u64,
}

/// What a subscriber gets.
#[derive(Debug)]
pub(crate) enum Next {
    Read(Read),
    Heartbeat,
}

impl Channel {
    pub(crate) fn new(epoch: u64, bounds: Bounds, heartbeat: Option<Duration>) -> Self {
        let state = State {
            ring: Ring::new(epoch, bounds),
            closed: false,
            wakers: Wakers::default(),
            heartbeat,
            beats: 0,
            last_sent: Instant::now(),
            timer: None,
            timers: 0,
        };
        Self { state: Mutex::new(state), heartbeat_changed: Notify::new().into(), drained: Notify::new() }
    }

    /// Appends a message, if anything was written, and wakes the subscribers.
    pub(crate) fn publish(&self, message: EventWriter) -> Result<(), Closed> {
        let mut state = self.lock();
        if state.closed {
            return Err(Closed);
        }
        if message.is_empty() {
            return Ok(());
        }
        let (block, id) = message.finish(|| state.ring.next_id());
        state.ring.push(block, id);
        state.last_sent = Instant::now();
        wake(state);
        Ok(())
    }

    /// Takes in a subscriber that comes with this last event ID. `None` if there is nothing for it, now or later.
    ///
    /// The id is the one that leads to its place, if it came without any.
    pub(crate) fn subscribe(
        self: &Arc<Self>,
        last_event_id: &str,
    ) -> Option<(Place, Option<EventId<'static>>)> {
        let mut state = self.lock();
        let cursor = state.cursor(last_event_id)?;
        let key = state.wakers.insert();
        let place = Place { key, cursor, beats: state.beats };
        let id = last_event_id.is_empty().then(|| state.ring.last_id());
        self.start_timer(state);
        Some((place, id))
    }

    /// Whether a subscriber that comes with this last event ID would be taken in.
    pub(crate) fn has_more(&self, last_event_id: &str) -> bool {
        self.lock().cursor(last_event_id).is_some()
    }

    /// Reads on at a subscriber's place; `None` at the end of a closed channel.
    pub(crate) fn poll_next(self: &Arc<Self>, place: &mut Place, cx: &Context<'_>) -> Poll<Option<Next>> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        let beats = std::mem::replace(&mut place.beats, state.beats);
        match state.ring.read(&mut place.cursor) {
            Read::End if state.closed => return Poll::Ready(None),
            Read::End if beats != state.beats => return Poll::Ready(Some(Next::Heartbeat)),
            Read::End => {}
            read => return Poll::Ready(Some(Next::Read(read))),
        }
        let replaced = state.wakers.wait(place.key, waker);
        self.start_timer(state);
        drop(replaced);
        Poll::Pending
    }

    /// Whether a subscriber has read all there is.
    pub(crate) fn is_read(&self, place: &Place) -> bool {
        self.lock().ring.is_read(place.cursor)
    }

    pub(crate) fn unsubscribe(&self, place: &Place) {
        let mut state = self.lock();
        let waker = state.wakers.remove(place.key);
        let drained = state.is_drained();
        drop(state);
        drop(waker);
        if drained {
            self.drained.notify_waiters();
        }
    }

    pub(crate) fn subscribers(&self) -> usize {
        self.lock().wakers.len()
    }

    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let drained = state.is_drained();
        wake(state);
        if drained {
            self.drained.notify_waiters();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Completes when the channel is closed and its last subscriber has gone.
    pub(crate) async fn drained(&self) {
        // Before the look at the state, so that a change after it is not missed.
        let drained = self.drained.notified();
        if !self.lock().is_drained() {
            drained.await;
        }
    }

    pub(crate) fn set_heartbeat(&self, interval: Option<Duration>) {
        let mut state = self.lock();
        state.heartbeat = interval;
        // If no timer runs, the first that is woken starts one.
        wake(state);
        self.heartbeat_changed.notify_one();
    }

    /// Sends a heartbeat if one is due. Returns how long to wait for the next; `None` if nobody waits for one, and then
    /// a subscriber starts the timer anew.
    pub(crate) fn beat(&self, now: Instant) -> Option<Duration> {
        let mut state = self.lock();
        let Some(interval) = state.heartbeat.filter(|_| !state.wakers.is_empty()) else {
            state.timer = None;
            return None;
        };
        let wait = interval.saturating_sub(now.saturating_duration_since(state.last_sent));
        if !wait.is_zero() {
            return Some(wait);
        }
        state.beats += 1;
        state.last_sent = now;
        wake(state);
        Some(interval)
    }

    /// A timer is gone, with the runtime that drove it. Whoever is woken starts another.
    pub(crate) fn timer_lost(&self, number: u64) {
        let mut state = self.lock();
        if state.timer == Some(number) {
            state.timer = None;
            wake(state);
        }
    }

    /// Starts the heartbeat's timer, if one is missing and there is a runtime to drive it. Frees the lock.
    fn start_timer(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.timer.is_some() || state.heartbeat.is_none() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        state.timers += 1;
        state.timer = Some(state.timers);
        // Nobody was listening until now: the interval begins here.
        state.last_sent = Instant::now();
        let timer = Timer::new(Arc::downgrade(self), state.timers);
        let changed = self.heartbeat_changed.clone();
        // A runtime that is shutting down drops the task at once, and the timer with it, which takes the lock.
        drop(state);
        runtime.spawn(heartbeat::run(timer, changed));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock; if it did, the state would still be whole between two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.heartbeat_changed.notify_one();
    }
}

impl fmt::Debug for Channel {
    /// Shows nothing of the messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl State {
    /// Where a subscriber begins; `None` if there is nothing for it any more.
    fn cursor(&self, last_event_id: &str) -> Option<Cursor> {
        let cursor = self.ring.resume(last_event_id);
        let over = self.closed && self.ring.is_read(cursor);
        (!over).then_some(cursor)
    }

    fn is_drained(&self) -> bool {
        self.closed && self.wakers.is_empty()
    }
}

/// Takes the wakers out, frees the lock, and wakes.
fn wake(mut state: MutexGuard<'_, State>) {
    let wakers = state.wakers.take();
    drop(state);
    wakers.into_iter().for_each(Waker::wake);
}
