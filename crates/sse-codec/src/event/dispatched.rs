//! A dispatched event, lent and owned.

#[cfg(feature = "alloc")]
use alloc::string::String;

use super::event_id::EventId;
use super::event_type::EventType;
use super::text::{Text, borrowed};

/// The type of an event that names none (9.2.6).
const MESSAGE: &str = "message";

/// An event that a [`Decoder`](crate::Decoder) lends: it borrows from the chunk or from the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventRef<'a> {
    /// As it was written: empty for `message`.
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

    /// The same event with other text: `own` makes it of the event type and of the data.
    #[cfg(feature = "bytes")]
    pub(super) fn own<T>(&self, last_event_id: T, own: impl Fn(&'a str) -> T) -> Event<T> {
        Event { event_type: own(self.event_type), data: own(self.data), last_event_id }
    }

    /// The fields that are decoded as this event.
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_field_names, reason = "the standard's terms")]
pub struct Event<T = String> {
    /// As it was written: empty for `message`.
    event_type: T,
    data: T,
    last_event_id: T,
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

    /// The fields that are decoded as this event, with its text.
    pub(crate) fn into_fields(self) -> EventFields<'static> {
        EventFields {
            event_type: unless_empty(self.event_type),
            data: self.data.into(),
            id: unless_empty(self.last_event_id),
        }
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
impl From<EventRef<'_>> for Event {
    fn from(event: EventRef<'_>) -> Self {
        event.to_event()
    }
}

/// The fields of an event, as they are written. There is no `event` field for the type `message`, and no `id` field for
/// an empty last event ID.
pub(crate) struct EventFields<'a> {
    pub(crate) event_type: Option<EventType<'a>>,
    pub(crate) data: Text<'a>,
    pub(crate) id: Option<EventId<'a>>,
}

#[cfg(feature = "alloc")]
fn replace(text: &mut String, new: &str) {
    text.clear();
    text.push_str(new);
}

/// `text` as the value of a field; `None` if it is empty.
fn unless_empty<S: AsRef<str>, F: TryFrom<S>>(text: S) -> Option<F> {
    // The types and ids of an event always pass the check: a decoder cuts them at line endings, ignores an id with NUL
    // and limits their length, and the setters take checked text.
    if text.as_ref().is_empty() { None } else { F::try_from(text).ok() }
}
