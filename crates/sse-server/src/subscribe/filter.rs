//! Which events a subscriber gets.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sse_codec::{Decoder, EventRef};

use super::subscriber::Item;
use crate::sync::Exclusive;

/// An event that a [filter](crate::Subscription::filter) decides about, or whose data is
/// [made anew](crate::Subscription::map_data), with what its publisher said of it.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    event: EventRef<'a>,
    topic: &'a str,
    key: Option<&'a str>,
    tag: Option<&'a str>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(event: EventRef<'a>, topic: &'a str, item: &'a Item) -> Self {
        Self { event, topic, key: item.key.as_deref(), tag: item.tag.as_deref() }
    }

    /// The event.
    pub fn event(&self) -> EventRef<'a> {
        self.event
    }

    /// The event type; `message` if the publisher gave none.
    pub fn event_type(&self) -> &'a str {
        self.event.event_type()
    }

    /// The data.
    pub fn data(&self) -> &'a str {
        self.event.data()
    }

    /// The name of the topic; empty on a [`Route`](crate::Route) of its own.
    pub fn topic(&self) -> &'a str {
        self.topic
    }

    /// The [key](crate::Publication::key) that it was published with.
    pub fn key(&self) -> Option<&'a str> {
        self.key
    }

    /// The [tag](crate::Publication::tag) that it was published with.
    pub fn tag(&self) -> Option<&'a str> {
        self.tag
    }
}

type Predicate = Box<dyn FnMut(Candidate<'_>) -> bool + Send>;

/// The user's filter has panicked.
#[derive(Debug)]
pub(crate) struct Panicked;

/// A predicate of the user's, asked outside of any lock.
#[derive(Debug)]
pub(crate) struct Filter {
    predicate: Exclusive<Predicate>,
    decoder: Decoder,
}

impl Filter {
    pub(crate) fn new(predicate: impl FnMut(Candidate<'_>) -> bool + Send + 'static) -> Self {
        Self { predicate: Exclusive::new(Box::new(predicate)), decoder: Decoder::with_limit(usize::MAX) }
    }

    /// Whether a message passes. One that is no event does.
    pub(crate) fn passes(&mut self, item: &Item, topic: &str) -> Result<bool, Panicked> {
        let mut bytes = &item.bytes[..];
        let Ok(Some(event)) = self.decoder.next_event(&mut bytes) else { return Ok(true) };
        let candidate = Candidate::new(event, topic, item);
        let predicate = self.predicate.get_mut();
        // A panic ends this subscriber only, also where others share its connection.
        catch_unwind(AssertUnwindSafe(|| predicate(candidate))).map_err(|_| Panicked)
    }
}
