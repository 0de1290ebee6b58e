//! Subscribers of one topic that have read everything wait and read together, so that an event costs them one lock and
//! one frame.
//!
//! If something concerns a single one of them (a gap, the end of the topic or of its client's streams), it reads for
//! itself again.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::Waker;

use bytes::Bytes;

use super::delivered::Delivered;
use super::feeds::StreamIds;
use crate::history::{Frame, Position};
use crate::hub::{Source, Topic, heartbeat};
use crate::sync::Ticket;

/// How the subscribers of one topic wait and read together.
pub(crate) struct Group {
    topic: Arc<Topic>,
    ticket: Ticket,
    /// The topic's version, and its other counters, at the last look.
    version: u64,
    generation: u32,
    beats: u64,
    client_ends: u64,
    has_own_ids: bool,
    /// The counts of what was delivered since the last look.
    delivered: Delivered,
}

/// The version of a group that has never looked. No topic has such a high version.
const NEVER: u64 = u64::MAX;

/// The result of a look at a topic.
#[derive(Debug)]
pub(crate) struct Look {
    /// The newest position of the topic.
    pub(crate) newest: Position,
    /// Set if a heartbeat is due: the bytes for members that have nothing else to read, and the position in them.
    pub(crate) beat: Option<(Bytes, Position)>,
    concerns: Concerns,
}

/// Which members must read for themselves.
#[derive(Debug)]
enum Concerns {
    All,
    Some { with_client: bool, with_hub_ids: bool },
}

impl Look {
    /// Returns whether a member must read for itself, if its stream has a client or not, and carries these ids.
    pub(crate) fn concerns(&self, has_client: bool, ids: StreamIds) -> bool {
        match self.concerns {
            Concerns::All => true,
            Concerns::Some { with_client, with_hub_ids } => {
                with_client && has_client || with_hub_ids && ids == StreamIds::Hub
            }
        }
    }

    /// Returns whether any member must read for itself.
    pub(crate) fn concerns_any(&self) -> bool {
        !matches!(self.concerns, Concerns::Some { with_client: false, with_hub_ids: false })
    }
}

/// The messages after a position.
#[derive(Debug)]
pub(crate) enum Ahead {
    Frame(Frame),
    Nothing,
    /// The history does not go back to the position.
    Evicted,
    /// Something has happened that may concern the members, so a look comes first.
    Unseen,
}

impl Group {
    pub(crate) fn new(topic: Arc<Topic>) -> Self {
        let state = topic.hub().lock();
        let (generation, at) = (state.generation(), state.topic(topic.key()));
        let (beats, client_ends) = (at.beats().count(), at.client_ends());
        drop(state);
        Self {
            topic,
            ticket: Ticket::NONE,
            version: NEVER,
            generation,
            beats,
            client_ends,
            has_own_ids: false,
            delivered: Delivered::default(),
        }
    }

    pub(crate) fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    /// Returns how often the log had begun anew at the last look.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// Returns how many heartbeats the topic had had at the last look.
    pub(crate) fn beats(&self) -> u64 {
        self.beats
    }

    /// Returns whether nothing has happened to the topic since the last look.
    pub(crate) fn is_quiet(&self) -> bool {
        self.topic.version() == self.version
    }

    /// Looks at what has happened to the topic since the last look.
    pub(crate) fn look(&mut self) -> Look {
        let hub = self.topic.hub();
        let mut state = hub.lock();
        let (last, generation) = (state.last(), state.generation());
        let topic = state.topic_mut(self.topic.key());
        self.delivered.report(topic);
        self.version = self.topic.version();
        let is_lost = mem::replace(&mut self.generation, generation) != generation;
        let ends = topic.client_ends();
        let with_client = mem::replace(&mut self.client_ends, ends) != ends;
        let beats = topic.beats().count();
        let is_due = mem::replace(&mut self.beats, beats) != beats;
        let newest = topic.ring().newest();
        let concerns = if is_lost || topic.is_ended() {
            Concerns::All
        } else {
            // Streams that come later don't join the group.
            Concerns::Some { with_client, with_hub_ids: topic.has_own_ids() && !self.has_own_ids }
        };
        self.has_own_ids = topic.has_own_ids();
        drop(state);
        // The same rule as for the heartbeat of a single subscriber.
        let id = matches!(hub.source(), Source::Log(_)).then(|| hub.source().id(last));
        let beat = is_due.then(|| (heartbeat::block(id), last));
        Look { newest, beat, concerns }
    }

    /// Returns the messages after a position. All members at this position share the frame.
    pub(crate) fn ahead(&mut self, after: Position) -> Ahead {
        let mut state = self.topic.hub().lock();
        let generation = state.generation();
        let topic = state.topic_mut(self.topic.key());
        // If one of these has changed, the next messages are not for all members.
        if generation != self.generation
            || topic.is_ended()
            || topic.client_ends() != self.client_ends
            || topic.has_own_ids() != self.has_own_ids
        {
            // The next look sees what has changed.
            self.version = NEVER;
            return Ahead::Unseen;
        }
        if topic.ring().evicted() > after {
            return Ahead::Evicted;
        }
        topic.frame(after).map_or(Ahead::Nothing, Ahead::Frame)
    }

    /// Counts what was delivered to a member.
    pub(crate) fn count(&mut self, delivered: Delivered) {
        self.delivered.add(delivered);
    }

    /// Leaves a waker for `subscribers` members that have read everything. Returns `false` if something has happened
    /// since the last look.
    #[must_use = "nobody is woken for what has happened already"]
    pub(crate) fn wait(&mut self, waker: Waker, subscribers: usize) -> bool {
        let mut state = self.topic.hub().lock();
        let topic = state.topic_mut(self.topic.key());
        self.delivered.report(topic);
        if !self.is_quiet() {
            drop(state);
            return false;
        }
        let (_, replaced) = topic.wait_for(&mut self.ticket, waker, subscribers);
        let needs_timer = topic.beats().needs_timer();
        drop(state);
        drop(replaced);
        if needs_timer {
            self.topic.start_timer();
        }
        true
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut state = self.topic.hub().lock();
        let topic = state.topic_mut(self.topic.key());
        self.delivered.report(topic);
        let waker = topic.stop_waiting(&mut self.ticket);
        drop(state);
        drop(waker);
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("topic", &self.topic).finish_non_exhaustive()
    }
}
