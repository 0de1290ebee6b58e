//! A dispatched event, borrowed or owned.

#[cfg(feature = "alloc")]
use alloc::string::String;
#[cfg(feature = "alloc")]
use core::fmt;

use super::event_id::EventId;
use super::event_type::EventType;
use super::text::{Text, borrowed};

/// The type of an event without an `event` field (9.2.6).
pub(super) const MESSAGE: &str = "message";

/// An event that borrows its text from a chunk or from a [`Decoder`](crate::Decoder).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventRef<'a> {
    /// Empty for the type `message`.
    event_type: &'a str,
    data: &'a str,
    last_event_id: &'a str,
}

impl<'a> EventRef<'a> {
    #[inline]
    pub(crate) fn new(event_type: &'a str, data: &'a str, last_event_id: &'a str) -> Self {
        let event_type = if event_type == MESSAGE { "" } else { event_type };
        Self { event_type, data, last_event_id }
    }

    /// An event of type `message`.
    #[inline]
    pub(crate) fn of_message(data: &'a str, last_event_id: &'a str) -> Self {
        Self { event_type: "", data, last_event_id }
    }

    /// Returns the event type, which is `message` if the event has no `event` field.
    #[inline]
    pub fn event_type(&self) -> &'a str {
        if self.event_type.is_empty() { MESSAGE } else { self.event_type }
    }

    /// Returns the data: the values of the `data` fields, joined by LF.
    #[inline]
    pub fn data(&self) -> &'a str {
        self.data
    }

    /// Iterates over the lines of the data. Empty data is one empty line.
    pub fn data_lines(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.data.split('\n')
    }

    /// Returns the last event ID when this event was dispatched: the value of its own `id` field, or else the last one
    /// that the stream sent before it. It is empty if there was none.
    #[inline]
    pub fn last_event_id(&self) -> &'a str {
        self.last_event_id
    }

    /// Copies the event into one that owns its text, with one allocation.
    #[cfg(feature = "alloc")]
    #[inline]
    pub fn to_event(&self) -> Event {
        let mut text = String::with_capacity(self.len());
        self.push_to(&mut text);
        let (data_end, type_end) = self.ends();
        Event { text, data_end, type_end }
    }

    /// Returns where the data ends and where the type ends in the text of an [`Event`].
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn ends(&self) -> (usize, usize) {
        (self.data.len(), self.data.len() + self.event_type.len())
    }

    /// Returns the length of data, type and last event ID together.
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.data.len() + self.event_type.len() + self.last_event_id.len()
    }

    /// Appends data, type and last event ID, in the order of [`Event`].
    #[cfg(feature = "alloc")]
    #[inline]
    pub(super) fn push_to(&self, text: &mut String) {
        text.push_str(self.data);
        // Most events have neither, and copying zero bytes would cost a call.
        if !self.event_type.is_empty() {
            text.push_str(self.event_type);
        }
        if !self.last_event_id.is_empty() {
            text.push_str(self.last_event_id);
        }
    }

    /// Formats the debug output of an owned event.
    #[cfg(feature = "alloc")]
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("event_type", &self.event_type)
            .field("data", &self.data)
            .field("last_event_id", &self.last_event_id)
            .finish()
    }

    /// Returns the fields that are decoded as this event.
    pub(crate) fn fields(&self) -> EventFields<'a> {
        EventFields {
            event_type: unless_empty(self.event_type),
            data: borrowed(self.data),
            id: unless_empty(self.last_event_id),
        }
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
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Event {
    /// The data, then the event type (empty for `message`), then the last event ID. One string needs one allocation.
    /// The data comes first, so that `into_data` only has to cut off the rest.
    text: String,
    data_end: usize,
    type_end: usize,
}

#[cfg(feature = "alloc")]
impl Event {
    /// Creates an event of type `message` with this data and no id.
    pub fn new(data: impl Into<String>) -> Self {
        let text = data.into();
        Self { data_end: text.len(), type_end: text.len(), text }
    }

    /// Returns the event type, which is `message` if the event has no `event` field.
    #[inline]
    pub fn event_type(&self) -> &str {
        if self.type_end == self.data_end { MESSAGE } else { &self.text[self.data_end..self.type_end] }
    }

    /// Returns the data: the values of the `data` fields, joined by LF.
    #[inline]
    pub fn data(&self) -> &str {
        &self.text[..self.data_end]
    }

    /// Iterates over the lines of the data. Empty data is one empty line.
    pub fn data_lines(&self) -> impl Iterator<Item = &str> {
        self.as_borrowed().data_lines()
    }

    /// Returns the data without copying it.
    #[inline]
    pub fn into_data(mut self) -> String {
        self.text.truncate(self.data_end);
        self.text
    }

    /// Returns the last event ID when this event was dispatched: the value of its own `id` field, or else the last one
    /// that the stream sent before it. It is empty if there was none.
    #[inline]
    pub fn last_event_id(&self) -> &str {
        &self.text[self.type_end..]
    }

    /// Borrows the event.
    pub fn as_borrowed(&self) -> EventRef<'_> {
        let event_type = &self.text[self.data_end..self.type_end];
        EventRef { event_type, data: self.data(), last_event_id: self.last_event_id() }
    }

    /// Replaces this event by a copy of `event`. It allocates only if `event` is larger than all events that this one
    /// has held before.
    #[inline]
    pub fn copy_from(&mut self, event: EventRef<'_>) {
        self.text.clear();
        self.text.reserve(event.len());
        event.push_to(&mut self.text);
        (self.data_end, self.type_end) = event.ends();
    }

    /// Sets the event type.
    pub fn set_event_type(&mut self, event_type: &EventType<'_>) {
        let event_type = event_type.as_str();
        let event_type = if event_type == MESSAGE { "" } else { event_type };
        self.text.replace_range(self.data_end..self.type_end, event_type);
        self.type_end = self.data_end + event_type.len();
    }

    /// Sets the data. When the event is written, CR and CRLF in it become LF.
    pub fn set_data(&mut self, data: impl Into<String>) {
        let mut text = data.into();
        let data_end = text.len();
        text.push_str(&self.text[self.data_end..]);
        self.type_end = data_end + (self.type_end - self.data_end);
        self.data_end = data_end;
        self.text = text;
    }

    /// Sets the last event ID.
    pub fn set_last_event_id(&mut self, id: &EventId<'_>) {
        self.text.truncate(self.type_end);
        self.text.push_str(id.as_str());
    }

    /// Returns the fields that are decoded as this event. The data is not copied.
    pub(crate) fn into_fields(self) -> EventFields<'static> {
        let EventRef { event_type, last_event_id, .. } = self.as_borrowed();
        let (event_type, id) = (String::from(event_type), String::from(last_event_id));
        EventFields {
            event_type: unless_empty(event_type),
            id: unless_empty(id),
            data: self.into_data().into(),
        }
    }

    /// Empties the event, and keeps its memory for the next one.
    pub fn clear(&mut self) {
        self.text.clear();
        self.data_end = 0;
        self.type_end = 0;
    }
}

#[cfg(feature = "alloc")]
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_borrowed().fmt_as("Event", f)
    }
}

#[cfg(feature = "alloc")]
impl From<EventRef<'_>> for Event {
    fn from(event: EventRef<'_>) -> Self {
        event.to_event()
    }
}

/// The fields that an event is written as: no `event` field for the type `message`, and no `id` field for an empty last
/// event ID.
pub(crate) struct EventFields<'a> {
    pub(crate) event_type: Option<EventType<'a>>,
    pub(crate) data: Text<'a>,
    pub(crate) id: Option<EventId<'a>>,
}

/// Converts `text` to the value of a field. Returns `None` if it is empty.
fn unless_empty<S: AsRef<str>, F: TryFrom<S>>(text: S) -> Option<F> {
    // The type and the id of an event always pass the check: a decoder cuts them at line endings, ignores an id with
    // NUL and limits their length, and the setters take checked text.
    if text.as_ref().is_empty() { None } else { F::try_from(text).ok() }
}
