//! A stream while a group waits and reads for its subscriber.

use super::{Delivery, End};
use crate::history::Position;
use crate::subscribe::group::{Group, Look};
use crate::subscribe::subscriber::Resting;
use crate::subscribe::trace::Trace;

/// What is left of a stream in a group: a few words, and the rest of it only if something may end it from outside.
#[derive(Debug)]
pub(crate) struct Member {
    subscriber: Resting,
    /// The stream without its subscriber, if there is anything else of it.
    rest: Option<Box<Delivery>>,
}

impl Delivery {
    /// Joins a group, if the stream only waits for what all subscribers of its topic get next; else it comes back. What
    /// else may end the stream wakes it as before.
    pub(crate) fn join(mut self: Box<Self>, group: &Group) -> Result<Member, Box<Self>> {
        if !self.is_plain() {
            return Err(self);
        }
        let Some(subscriber) = self.subscriber.join(group) else { return Err(self) };
        let has_rest = self.extras.is_some()
            || !self.endings.is_empty()
            || self.trace.is_seen()
            || self.observer.is_some();
        Ok(Member { subscriber, rest: has_rest.then_some(self) })
    }
}

impl Member {
    /// How far the group has read for it.
    pub(crate) fn position(&self) -> Position {
        self.subscriber.position()
    }

    /// The group has read on for it.
    pub(crate) fn advance(&mut self, position: Position) {
        self.subscriber.advance(position);
    }

    /// Counts what the group has sent to it, if anybody wants to know.
    pub(crate) fn count_sent(&mut self, events: u64, bytes: usize) {
        if let Some(delivery) = &mut self.rest {
            delivery.count_sent(events, bytes);
        }
    }

    /// Whether it must read for itself what has happened to the topic of its group.
    pub(crate) fn is_concerned(&self, look: &Look) -> bool {
        self.subscriber.is_concerned(look)
    }

    /// The stream, which reads for itself again after what the group has read for it.
    pub(crate) fn part(self, group: &Group) -> Box<Delivery> {
        let subscriber = self.subscriber.part(group);
        let Some(mut delivery) = self.rest else {
            let (endings, trace) = (Box::default(), Trace::unseen());
            let (extras, observer) = (None, None);
            return Box::new(Delivery { subscriber, extras, endings, end: End::Open, trace, observer });
        };
        delivery.subscriber = subscriber;
        delivery
    }
}
