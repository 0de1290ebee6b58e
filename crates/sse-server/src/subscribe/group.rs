//! Subscribers of one topic that have read everything: they wait and read together, so that an event costs them one
//! lock and one frame.
//!
//! Whatever concerns a single one of them (a gap, the end of the topic or of its client's streams) it finds out by
//! reading for itself again.

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
    /// The topic's version, and what else there was to see, at the last look.
    version: u64,
    generation: u32,
    beats: u64,
    client_ends: u64,
    has_own_ids: bool,
    /// What was delivered since.
    delivered: Delivered,
}

/// The version of a group that has not looked: no topic's is as high.
const NEVER: u64 = u64::MAX;

/// What has happened to a topic since the last look.
#[derive(Debug)]
pub(crate) struct Look {
    /// The newest position of the topic.
    pub(crate) newest: Position,
    /// A heartbeat is due: what to send to those that have nothing else to read, and the position that it tells.
    pub(crate) beat: Option<(Bytes, Position)>,
    concerns: Concerns,
}

/// Which subscribers must read for themselves.
#[derive(Debug)]
enum Concerns {
    All,
    Some { with_client: bool, with_hub_ids: bool },
}

impl Look {
    /// Whether a subscriber must read for itself, which is one of a client or not, and gets these ids.
    pub(crate) fn concerns(&self, has_client: bool, ids: StreamIds) -> bool {
        match self.concerns {
            Concerns::All => true,
            Concerns::Some { with_client, with_hub_ids } => {
                with_client && has_client || with_hub_ids && ids == StreamIds::Hub
            }
        }
    }

    /// Whether any subscriber must read for itself.
    pub(crate) fn concerns_any(&self) -> bool {
        !matches!(self.concerns, Concerns::Some { with_client: false, with_hub_ids: false })
    }
}

/// What comes after a position.
#[derive(Debug)]
pub(crate) enum Ahead {
    Frame(Frame),
    Nothing,
    /// The history does not go back that far.
    Evicted,
    /// Something has happened that may concern the subscribers: a look comes first.
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

    /// How often the log had begun anew at the last look.
    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    /// How many heartbeats the topic had had at the last look.
    pub(crate) fn beats(&self) -> u64 {
        self.beats
    }

    /// Whether nothing has happened to the topic since the last look.
    pub(crate) fn is_quiet(&self) -> bool {
        self.topic.version() == self.version
    }

    /// What has happened to the topic since the last look.
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
            // Those that come later don't join.
            Concerns::Some { with_client, with_hub_ids: topic.has_own_ids() && !self.has_own_ids }
        };
        self.has_own_ids = topic.has_own_ids();
        drop(state);
        // As in the heartbeat of a single subscriber.
        let id = matches!(hub.source(), Source::Log(_)).then(|| hub.source().id(last));
        let beat = is_due.then(|| (heartbeat::block(id), last));
        Look { newest, beat, concerns }
    }

    /// What comes after a position; the frame is the same for all at this position.
    pub(crate) fn ahead(&mut self, after: Position) -> Ahead {
        let mut state = self.topic.hub().lock();
        let generation = state.generation();
        let topic = state.topic_mut(self.topic.key());
        // What was published after one of these is not for all of them.
        if generation != self.generation
            || topic.is_ended()
            || topic.client_ends() != self.client_ends
            || topic.has_own_ids() != self.has_own_ids
        {
            // Whatever it was, the next look sees it.
            self.version = NEVER;
            return Ahead::Unseen;
        }
        if topic.ring().evicted() > after {
            return Ahead::Evicted;
        }
        topic.frame(after).map_or(Ahead::Nothing, Ahead::Frame)
    }

    /// Counts what was delivered to a subscriber.
    pub(crate) fn count(&mut self, delivered: Delivered) {
        self.delivered.add(delivered);
    }

    /// Leaves a waker for so many subscribers that have read everything. Returns `false` if something has happened since
    /// the last look.
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
