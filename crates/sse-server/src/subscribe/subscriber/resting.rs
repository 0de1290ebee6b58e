//! What is left of a subscriber while a group waits and reads for it: there are many of them, and they only wait.

use std::iter;
use std::mem;
use std::sync::Arc;

use super::{Client, Reading, Subscriber};
use crate::history::{Cursor, Position};
use crate::hub::Topic;
use crate::subscribe::feeds::{Feeds, StreamIds};
use crate::subscribe::group::{Group, Look};

/// A subscriber of one topic, in a group.
#[derive(Debug)]
pub(crate) struct Resting {
    topic: Arc<Topic>,
    client: Option<Box<Client>>,
    /// How far the group has read for it.
    position: Position,
    /// How often the log had begun anew when it joined.
    generation: u32,
    ids: StreamIds,
    /// Whether a subscriber has been made of it again.
    has_parted: bool,
}

impl Subscriber {
    /// Joins a group, if it reads one topic and has read everything. Its topic is then that of what is returned, and it
    /// has none itself.
    pub(crate) fn join(&mut self, group: &Group) -> Option<Resting> {
        let Feeds::One([feed]) = &mut self.feeds else { return None };
        let mut state = self.hub.lock();
        let topic = feed.state(&state);
        let has_foreign_ids = self.ids == StreamIds::Hub && topic.has_own_ids();
        let is_ready = matches!(self.reading, Reading::Live)
            && self.beats.is_some()
            && self.generation == state.generation()
            && self.generation == group.generation()
            && !has_foreign_ids
            && !topic.is_ended()
            && self.cursor.is_read(iter::once(topic.ring()))
            // The group knows nothing of gaps that have been told already.
            && topic.ring().evicted() <= self.cursor.read_to()
            && !self
                .client
                .as_ref()
                .is_some_and(|client| topic.is_client_ended(&client.name, client.tickets[0]));
        if !is_ready {
            return None;
        }
        feed.report(&mut state);
        let waker = feed.stop_waiting(&mut state);
        drop(state);
        drop(waker);
        let Feeds::One([feed]) = mem::replace(&mut self.feeds, Feeds::none()) else { return None };
        Some(Resting {
            topic: feed.into_topic(),
            client: self.client.take(),
            position: self.cursor.read_to(),
            generation: self.generation,
            ids: self.ids,
            has_parted: false,
        })
    }
}

impl Resting {
    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The group has read on for it.
    pub(crate) fn advance(&mut self, position: Position) {
        self.position = position;
    }

    /// Whether it must read for itself what has happened to the topic of its group.
    pub(crate) fn is_concerned(&self, look: &Look) -> bool {
        look.concerns(self.client.is_some(), self.ids)
    }

    /// Reads for itself again, after what the group has read for it.
    pub(crate) fn part(mut self, group: &Group) -> Subscriber {
        self.subscriber(group.beats())
    }

    fn subscriber(&mut self, beats: u64) -> Subscriber {
        self.has_parted = true;
        Subscriber {
            hub: self.topic.hub().clone(),
            feeds: Feeds::new(vec![self.topic.clone()]),
            ids: self.ids,
            cursor: Cursor::after(self.position),
            reading: Reading::Live,
            // It is past its beginning.
            start: self.position,
            start_id: None,
            is_new: false,
            generation: self.generation,
            beats: Some(beats),
            client: self.client.take(),
            stalled: None,
            left: None,
        }
    }
}

impl Drop for Resting {
    fn drop(&mut self) {
        if !self.has_parted {
            // It leaves its topic as any subscriber does.
            drop(self.subscriber(0));
        }
    }
}
