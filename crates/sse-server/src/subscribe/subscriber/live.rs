//! Reads the rings, and waits for what is published next.

use std::mem;
use std::task::{Context, Poll};

use super::{Item, Next, Reading, Subscriber, take_gap};
use crate::history::{FRAME, Frame, merge};
use crate::hub::{LagPolicy, State};
use crate::subscribe::feeds::{Feeds, StreamIds};
use crate::sync::addresses;

impl Subscriber {
    pub(super) fn poll_rings(&mut self, cx: &Context<'_>, is_apart: bool) -> Poll<Option<Next>> {
        let waits = matches!(self.reading, Reading::Waiting { .. });
        if self.has_left(cx.waker()) {
            return Poll::Pending;
        }
        self.left = None;
        let mut wakers = self.feeds.wakers(cx.waker());
        let hub = self.hub.clone();
        let mut state = hub.lock();
        let next = if waits { self.read_waiting(&mut state) } else { self.read(&mut state, is_apart) };
        if !waits && (self.is_ended(&state) || !self.is_read(&state)) {
            return next;
        }
        // The waker is left also if there is something to read, because the next poll is then answered without the
        // lock.
        self.left = Some(addresses(cx.waker()));
        self.feeds.wait(&mut wakers, &mut state);
        drop(state);
        // The replaced wakers are dropped without the lock.
        if next.is_pending() {
            self.feeds.iter().for_each(|feed| feed.topic().start_timer());
        }
        next
    }

    /// Reads the next messages in the rings; `None` at the end.
    fn read(&mut self, state: &mut State, is_apart: bool) -> Poll<Option<Next>> {
        self.feeds.iter_mut().for_each(|feed| feed.report(state));
        if self.is_client_ended(state) {
            return Poll::Ready(None);
        }
        self.check_generation(state);
        let beat = self.take_beat(state);
        let policy = self.hub.settings().lag_policy;
        let has_log = self.hub.source().replica().is_some();
        let stays = self.is_new || policy != LagPolicy::Disconnect;
        let has_gap = self.has_gap(state);
        if has_gap && has_log && stays && !self.cursor.is_unknown() {
            self.reading = Reading::Log { is_asked_again: false };
            return Poll::Pending;
        }
        let is_new = mem::replace(&mut self.is_new, false);
        if has_gap && !is_new {
            self.feeds[0].state_mut(state).count_lagged();
            if policy == LagPolicy::Disconnect {
                // The cursor stays before the gap, so the client comes back with a position at which it learns of the gap.
                return Poll::Ready(None);
            }
        }
        if has_gap && let Some(gap) = take_gap(&mut self.cursor, &self.feeds, &self.hub, state) {
            self.feeds[0].state_mut(state).count_gap();
            return Poll::Ready(Some(Next::Gap(gap)));
        }
        let next = match &self.feeds {
            Feeds::One([feed])
                if !is_apart && (self.ids == StreamIds::Own || !feed.state(state).has_own_ids()) =>
            {
                self.read_frame(state)
            }
            _ => self.read_messages(state).map(Next::Messages),
        };
        if next.is_some() {
            self.forget_told();
        }
        if next.is_some() || self.is_ended(state) {
            return Poll::Ready(next);
        }
        if has_log {
            // If nothing is published to a topic for long, the log may have evicted its last message when the next one
            // comes.
            self.cursor.advance(self.cursor.read_to().max(state.last()));
        }
        if beat { Poll::Ready(Some(Next::Heartbeat)) } else { Poll::Pending }
    }

    /// While the log is read, there are only heartbeats.
    fn read_waiting(&mut self, state: &mut State) -> Poll<Option<Next>> {
        self.feeds.iter_mut().for_each(|feed| feed.report(state));
        if self.is_client_ended(state) {
            return Poll::Ready(None);
        }
        if self.take_beat(state) { Poll::Ready(Some(Next::Heartbeat)) } else { Poll::Pending }
    }

    fn read_frame(&mut self, state: &mut State) -> Option<Next> {
        let topic = self.feeds[0].state_mut(state);
        let Frame { bytes, messages, to, .. } = topic.read_frame(self.cursor.read_to(), self.start)?;
        self.cursor.advance(to);
        Some(Next::Frame { bytes, messages })
    }

    fn read_messages(&mut self, state: &mut State) -> Option<Vec<Item>> {
        let mut messages = Vec::new();
        let (mut size, mut replayed) = (0, 0);
        let mut to = self.cursor.read_to();
        for (feed, kept) in merge(self.rings(state), self.cursor.read_to()) {
            size += kept.block.len();
            if size > FRAME && !messages.is_empty() {
                break;
            }
            replayed += u64::from(kept.position <= self.start);
            to = kept.position;
            messages.push(self.item(
                feed,
                kept.position,
                &kept.block,
                self.hub.published(kept.position, kept.at()),
            ));
        }
        self.cursor.advance(to);
        self.feeds[0].state_mut(state).count_replayed(replayed);
        (!messages.is_empty()).then_some(messages)
    }

    /// If the log has begun anew, the subscriber's position is no longer valid.
    fn check_generation(&mut self, state: &State) {
        if mem::replace(&mut self.generation, state.generation()) != state.generation() {
            self.lose_position(None);
        }
    }

    fn take_beat(&mut self, state: &State) -> bool {
        let beats = self.feeds[0].state(state).beats().count();
        self.beats.as_mut().is_some_and(|seen| mem::replace(seen, beats) != beats)
    }
}
