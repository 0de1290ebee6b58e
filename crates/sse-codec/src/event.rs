//! A dispatched event, lent and owned.

#[cfg(feature = "alloc")]
use alloc::string::String;
use core::fmt;

use crate::event_id::EventId;
use crate::event_type::EventType;
use crate::message::Message;

/// The type of an event that names none (9.2.6).
const MESSAGE: &str = "message";

/// An event that a [`Decoder`](crate::Decoder) lends: it borrows from the chunk or from the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventRef<'a> {
    /// As it was written: empty for `message`.
    pub(crate) event_type: &'a str,
    pub(crate) data: &'a str,
    pub(crate) last_event_id: &'a str,
}

impl<'a> EventRef<'a> {
    #[inline]
    pub(crate) fn new(event_type: &'a str, data: &'a str, last_event_id: &'a str) -> Self {
        let event_type = if event_type == MESSAGE { "" } else { event_type };
        Self { event_type, data, last_event_id }
    }

    /// The event type; `message` if the stream named none.
    pub fn event_type(&self) -> &'a str {
        if self.event_type.is_empty() { MESSAGE } else { self.event_type }
    }

    /// The data; its lines are joined by LF.
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// The lines of the data.
    pub fn data_lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.data.split('\n')
    }

    /// The last event ID when this event was dispatched: its own id, or that of an event before it. Empty if none.
    pub fn last_event_id(&self) -> &'a str {
        self.last_event_id
    }

    /// A copy that borrows nothing.
    #[cfg(feature = "alloc")]
    pub fn to_event(&self) -> Event {
        Event {
            event_type: self.event_type.into(),
            data: self.data.into(),
            last_event_id: self.last_event_id.into(),
        }
    }
}

impl fmt::Display for EventRef<'_> {
    /// The wire form, ready to be decoded again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Message::from(*self).fmt(f)
    }
}

/// An event that owns its text.
///
/// ```
/// use sse_codec::{Event, EventType};
///
/// let mut event = Event::new("12 knots");
/// event.set_event_type(&EventType::from_static("wind"));
/// assert_eq!(event.event_type(), "wind");
/// assert_eq!(event.to_string(), "event: wind\ndata: 12 knots\n\n");
/// ```
#[cfg(feature = "alloc")]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_field_names, reason = "the standard's terms")]
pub struct Event<T = String> {
    /// As it was written: empty for `message`.
    pub(crate) event_type: T,
    pub(crate) data: T,
    pub(crate) last_event_id: T,
}

#[cfg(feature = "alloc")]
impl<T: AsRef<str>> Event<T> {
    /// The event type; `message` if the stream named none.
    pub fn event_type(&self) -> &str {
        self.as_borrowed().event_type()
    }

    /// The data; its lines are joined by LF.
    pub fn data(&self) -> &str {
        self.data.as_ref()
    }

    /// The lines of the data.
    pub fn data_lines(&self) -> impl Iterator<Item = &str> {
        self.as_borrowed().data_lines()
    }

    /// The data, without a copy.
    pub fn into_data(self) -> T {
        self.data
    }

    /// The last event ID when this event was dispatched: its own id, or that of an event before it. Empty if none.
    pub fn last_event_id(&self) -> &str {
        self.last_event_id.as_ref()
    }

    /// The same event, borrowed from this one.
    pub fn as_borrowed(&self) -> EventRef<'_> {
        EventRef {
            event_type: self.event_type.as_ref(),
            data: self.data.as_ref(),
            last_event_id: self.last_event_id.as_ref(),
        }
    }
}

#[cfg(feature = "alloc")]
impl Event {
    /// An event of type `message` with this data and no id.
    pub fn new(data: impl Into<String>) -> Self {
        Self { data: data.into(), ..Self::default() }
    }

    /// Sets the event type.
    pub fn set_event_type(&mut self, event_type: &EventType<'_>) {
        let event_type = event_type.as_str();
        replace(&mut self.event_type, if event_type == MESSAGE { "" } else { event_type });
    }

    /// Sets the data. Where it is written, its CR and CRLF become LF.
    pub fn set_data(&mut self, data: impl Into<String>) {
        self.data = data.into();
    }

    /// Sets the last event ID.
    pub fn set_last_event_id(&mut self, id: &EventId<'_>) {
        replace(&mut self.last_event_id, id.as_str());
    }

    /// Empties the event and keeps its memory.
    pub fn clear(&mut self) {
        self.event_type.clear();
        self.data.clear();
        self.last_event_id.clear();
    }
}

#[cfg(feature = "alloc")]
impl Default for Event {
    fn default() -> Self {
        Self { event_type: String::new(), data: String::new(), last_event_id: String::new() }
    }
}

#[cfg(feature = "alloc")]
impl<T: AsRef<str>> fmt::Display for Event<T> {
    /// The wire form, ready to be decoded again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_borrowed().fmt(f)
    }
}

#[cfg(feature = "alloc")]
impl From<EventRef<'_>> for Event {
    fn from(event: EventRef<'_>) -> Self {
        event.to_event()
    }
}

impl<'a> From<EventRef<'a>> for Message<'a> {
    /// The message that is decoded as this event; but an empty last event ID writes no field, and so resets none.
    fn from(event: EventRef<'a>) -> Self {
        let mut message = Message::new(event.data);
        // A decoded type has no line ending, and a decoded id no NUL either; one that is empty needs no field.
        if let (false, Ok(event_type)) = (event.event_type.is_empty(), EventType::new(event.event_type)) {
            message = message.event_type(event_type);
        }
        if let (false, Ok(id)) = (event.last_event_id.is_empty(), EventId::new(event.last_event_id)) {
            message = message.id(id);
        }
        message
    }
}

#[cfg(feature = "alloc")]
impl<'a, T: AsRef<str>> From<&'a Event<T>> for Message<'a> {
    /// The message that is decoded as this event; but an empty last event ID writes no field, and so resets none.
    fn from(event: &'a Event<T>) -> Self {
        event.as_borrowed().into()
    }
}

#[cfg(feature = "alloc")]
fn replace(text: &mut String, new: &str) {
    text.clear();
    text.push_str(new);
}
