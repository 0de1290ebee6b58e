//! Converts events to messages.

use core::fmt;

use super::message::Message;
use crate::event::EventRef;
#[cfg(feature = "alloc")]
use crate::event::{Event, SharedEvent};

impl<'a> From<EventRef<'a>> for Message<'a> {
    /// Returns the [message of an event](Message#the-message-of-an-event). It borrows the text of the event.
    fn from(event: EventRef<'a>) -> Self {
        Self::of_event(event.fields())
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a Event> for Message<'a> {
    /// Returns the [message of an event](Message#the-message-of-an-event). It borrows the text of the event.
    fn from(event: &'a Event) -> Self {
        event.as_borrowed().into()
    }
}

#[cfg(feature = "alloc")]
impl<'a> From<&'a SharedEvent> for Message<'a> {
    /// Returns the [message of an event](Message#the-message-of-an-event). It borrows the text of the event.
    fn from(event: &'a SharedEvent) -> Self {
        event.as_borrowed().into()
    }
}

#[cfg(feature = "alloc")]
impl From<Event> for Message<'static> {
    /// Returns the [message of an event](Message#the-message-of-an-event). The data of the event is moved into it.
    ///
    /// ```
    /// use sse_codec::{Decoder, Message};
    ///
    /// // The second event has no `id` field, so its last event ID is that of the first. The third event resets it.
    /// let mut stream = &b"event: wind\ndata: 12 knots\nid: 7\n\ndata: calm\n\ndata: storm\nid\n\n"[..];
    /// let mut decoder = Decoder::new();
    /// let mut messages = Vec::new();
    /// while let Some(event) = decoder.next_event(&mut stream)? {
    ///     messages.push(Message::from(event.to_event()).to_string());
    /// }
    /// assert_eq!(messages, [
    ///     "event: wind\ndata: 12 knots\nid: 7\n\n",
    ///     "data: calm\nid: 7\n\n",
    ///     "data: storm\n\n",
    /// ]);
    /// # Ok::<(), sse_codec::TooLarge>(())
    /// ```
    fn from(event: Event) -> Self {
        Self::of_event(event.into_fields())
    }
}

impl fmt::Display for EventRef<'_> {
    /// Writes the event as it is sent, ready to be decoded again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Message::from(*self).fmt(f)
    }
}

#[cfg(feature = "alloc")]
impl fmt::Display for Event {
    /// Writes the event as it is sent, ready to be decoded again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_borrowed().fmt(f)
    }
}
