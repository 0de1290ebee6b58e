//! Owned events whose clones share their text.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::dispatched::{Event, EventRef, MESSAGE};

/// An event whose clones share its text: cloning it increments a counter and copies no text.
///
/// Its text is copied from the decoder once, as that of an [`Event`] is, at about the same cost. It does not keep the
/// chunk alive.
///
/// ```
/// use sse_codec::{Decoder, SharedEvent};
///
/// let mut decoder = Decoder::new();
/// let event: SharedEvent = decoder.next_event(&mut &b"data: Hello\n\n"[..])?.unwrap().to_shared();
/// let clone = event.clone();
/// assert_eq!(clone.data().as_ptr(), event.data().as_ptr());
/// # Ok::<(), sse_codec::TooLarge>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SharedEvent {
    /// The data, then the event type (empty for `message`), then the last event ID.
    text: Arc<str>,
    data_end: usize,
    type_end: usize,
}

impl SharedEvent {
    /// Copies `event`. The parts of its text are joined in `buffer` first.
    pub(crate) fn copy(event: EventRef<'_>, buffer: &mut String) -> Self {
        let (data_end, type_end) = event.ends();
        let text = if event.len() == data_end {
            event.data().into()
        } else {
            buffer.clear();
            event.push_to(buffer);
            buffer.as_str().into()
        };
        Self { text, data_end, type_end }
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
        self.data().split('\n')
    }

    /// Returns the data without copying it.
    pub fn into_data(self) -> SharedText {
        SharedText { text: self.text, end: self.data_end }
    }

    /// Returns the last event ID when this event was dispatched: the value of its own `id` field, or else the last one
    /// that the stream sent before it. It is empty if there was none.
    #[inline]
    pub fn last_event_id(&self) -> &str {
        &self.text[self.type_end..]
    }

    /// Borrows the event.
    pub fn as_borrowed(&self) -> EventRef<'_> {
        EventRef::new(&self.text[self.data_end..self.type_end], self.data(), self.last_event_id())
    }
}

impl EventRef<'_> {
    /// Copies the event into one whose clones share its text.
    pub fn to_shared(&self) -> SharedEvent {
        SharedEvent::copy(*self, &mut String::with_capacity(self.len()))
    }
}

impl From<EventRef<'_>> for SharedEvent {
    fn from(event: EventRef<'_>) -> Self {
        event.to_shared()
    }
}

impl From<&Event> for SharedEvent {
    fn from(event: &Event) -> Self {
        event.as_borrowed().to_shared()
    }
}

impl fmt::Debug for SharedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_borrowed().fmt_as("SharedEvent", f)
    }
}

impl fmt::Display for SharedEvent {
    /// Writes the event as it is sent, ready to be decoded again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_borrowed().fmt(f)
    }
}

/// The data of a [`SharedEvent`], which shares its text with the clones of that event.
#[derive(Clone)]
pub struct SharedText {
    /// The text of the event, which begins with the data.
    text: Arc<str>,
    end: usize,
}

impl SharedText {
    /// Returns the text.
    #[inline]
    pub fn as_str(&self) -> &str {
        &self.text[..self.end]
    }
}

impl Deref for SharedText {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for SharedText {
    fn as_ref(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

impl PartialEq for SharedText {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for SharedText {}

impl fmt::Debug for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(feature = "bytes")]
impl From<SharedText> for bytes::Bytes {
    /// Converts the text without copying it.
    fn from(text: SharedText) -> Self {
        Self::from_owner(text)
    }
}
