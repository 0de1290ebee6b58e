//! Events as messages.

use core::fmt;

use super::message::Message;
#[cfg(feature = "alloc")]
use crate::event::Event;
use crate::event::EventRef;

impl<'a> From<EventRef<'a>> for Message<'a> {
    /// The message that is decoded as this event; but an empty last event ID writes no field, and so resets none.
    fn from(event: EventRef<'a>) -> Self {
        Self::of_event(event.fields())
    }
}

#[cfg(feature = "alloc")]
impl<'a, T: AsRef<str>> From<&'a Event<T>> for Message<'a> {
    /// The message that is decoded as this event; but an empty last event ID writes no field, and so resets none.
    fn from(event: &'a Event<T>) -> Self {
        event.as_borrowed().into()
    }
}

impl fmt::Display for EventRef<'_> {
    /// The wire form, ready to be decoded again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Message::from(*self).fmt(f)
    }
}

#[cfg(feature = "alloc")]
impl<T: AsRef<str>> fmt::Display for Event<T> {
    /// The wire form, ready to be decoded again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_borrowed().fmt(f)
    }
}
