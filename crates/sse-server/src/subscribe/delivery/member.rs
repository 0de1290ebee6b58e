//! A stream while a group waits and reads for its subscriber.

use super::{Delivery, End};
use crate::history::Position;
use crate::subscribe::group::{Group, Look};
use crate::subscribe::subscriber::Resting;
use crate::subscribe::trace::Trace;

/// What is left of a stream while a group reads for it. It is a few words, and a box only if something else may end it.
#[derive(Debug)]
pub(crate) struct Member {
    subscriber: Resting,
    /// The stream without its subscriber, if it has anything else.
    rest: Option<Box<Delivery>>,
}

impl Delivery {
    /// Joins a group, if the stream only waits for what all subscribers of its topic get next. Otherwise it returns the
    /// stream. Other signals that may end the stream wake it as before.
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
    /// Returns the position up to which the group has read for it.
    pub(crate) fn position(&self) -> Position {
        self.subscriber.position()
    }

    /// Notes that the group has read on for it.
    pub(crate) fn advance(&mut self, position: Position) {
        self.subscriber.advance(position);
    }

    /// Counts what the group has sent to it, if the stream has an observer.
    pub(crate) fn count_sent(&mut self, events: u64, bytes: usize) {
        if events > 0 {
            self.subscriber.has_sent_events();
        }
        if let Some(delivery) = &mut self.rest {
            delivery.count_sent(events, bytes);
        }
    }

    /// Returns whether the stream must read for itself what has happened to the topic of its group.
    pub(crate) fn is_concerned(&self, look: &Look) -> bool {
        self.subscriber.is_concerned(look)
    }

    /// Returns the stream, which reads for itself again, after what the group has read for it.
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
