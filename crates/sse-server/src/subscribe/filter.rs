//! Decides which events a subscriber gets.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use sse_codec::{Decoder, EventRef};

use super::subscriber::Item;
use crate::sync::Exclusive;

/// An event for a [filter](crate::Subscription::filter) or for [`map_data`](crate::Subscription::map_data), with its
/// topic and with what its publisher gave for filters.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    event: EventRef<'a>,
    topic: &'a str,
    key: Option<&'a str>,
    tag: Option<&'a str>,
    published: Option<SystemTime>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(event: EventRef<'a>, topic: &'a str, item: &'a Item) -> Self {
        Self { event, topic, key: item.key.as_deref(), tag: item.tag.as_deref(), published: item.published }
    }

    /// Returns the event.
    pub fn event(&self) -> EventRef<'a> {
        self.event
    }

    /// Returns the event type, which is `message` if the publisher gave none.
    pub fn event_type(&self) -> &'a str {
        self.event.event_type()
    }

    /// Returns the data.
    pub fn data(&self) -> &'a str {
        self.event.data()
    }

    /// Returns the name of the topic, which is empty on a [`Route`](crate::Route) of its own.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// Returns the [key](crate::Publication::key) that the event was published with.
    pub fn key(&self) -> Option<&'a str> {
        self.key
    }

    /// Returns the [tag](crate::Publication::tag) that the event was published with.
    pub fn tag(&self) -> Option<&'a str> {
        self.tag
    }

    /// Returns when the event was published, as [`Received::published`](crate::Received::published) does. `None` for a
    /// gap event.
    pub fn published(&self) -> Option<SystemTime> {
        self.published
    }
}

type Predicate = Box<dyn FnMut(Candidate<'_>) -> bool + Send>;

/// An error: a function of the user's has panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

/// A predicate of the user's. It is called without any lock.
#[derive(Debug)]
pub(crate) struct Filter {
    predicate: Exclusive<Predicate>,
    decoder: Decoder,
}

impl Filter {
    pub(crate) fn new(predicate: impl FnMut(Candidate<'_>) -> bool + Send + 'static) -> Self {
        Self { predicate: Exclusive::new(Box::new(predicate)), decoder: Decoder::with_limit(usize::MAX) }
    }

    /// Returns whether a message passes. A message that is not an event always passes.
    pub(crate) fn passes(&mut self, item: &Item, topic: &str) -> Result<bool, Panicked> {
        let mut bytes = &item.bytes[..];
        let Ok(Some(event)) = self.decoder.next_event(&mut bytes) else { return Ok(true) };
        let candidate = Candidate::new(event, topic, item);
        let predicate = self.predicate.get_mut();
        // A panic ends this subscriber only, also if others share its connection.
        catch_unwind(AssertUnwindSafe(|| predicate(candidate))).map_err(|_| Panicked)
    }
}
