//! What is left of a subscriber while a group waits and reads for it. It is small, because there are many of them.

use std::iter;
use std::mem;
use std::sync::Arc;

use super::{Client, Reading, Subscriber};
use crate::history::{Cursor, Position};
use crate::hub::Topic;
use crate::subscribe::feeds::{Feeds, StreamIds};
use crate::subscribe::first_event::FirstEvent;
use crate::subscribe::group::{Group, Look};

/// A subscriber of one topic, in a group.
#[derive(Debug)]
pub(crate) struct Resting {
    topic: Arc<Topic>,
    client: Option<Box<Client>>,
    first_event: FirstEvent,
    /// The position up to which the group has read for it.
    position: Position,
    /// How often the log had begun anew when it joined.
    generation: u32,
    ids: StreamIds,
    /// Whether it has become a subscriber again.
    has_parted: bool,
}

impl Subscriber {
    /// Joins a group, if the subscriber reads one topic and has read everything. The returned value then has the topic,
    /// and the subscriber has none.
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
            // The group does not know which gaps were told already.
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
            first_event: mem::take(&mut self.first_event),
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

    /// Notes that the group has read on for it.
    pub(crate) fn advance(&mut self, position: Position) {
        self.position = position;
    }

    /// Notes that events were passed to the connection.
    pub(crate) fn has_sent_events(&mut self) {
        self.first_event.sent(self.topic.hub());
    }

    /// Returns whether it must read for itself what has happened to the topic of its group.
    pub(crate) fn is_concerned(&self, look: &Look) -> bool {
        look.concerns(self.client.is_some(), self.ids)
    }

    /// Returns the subscriber, which reads for itself again, after what the group has read for it.
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
            told: Position::START,
            reading: Reading::Live,
            // The beginning of its stream was sent before it joined.
            start: self.position,
            start_id: None,
            is_new: false,
            generation: self.generation,
            beats: Some(beats),
            client: self.client.take(),
            first_event: mem::take(&mut self.first_event),
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
