//! Owned events whose clones share their text.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::ops::Deref;

use super::dispatched::{Event, EventRef, MESSAGE};

/// An event whose clones share its text: a clone counts, and copies nothing.
///
/// It is made of a lent event by one copy, as an [`Event`] is, and costs about as much. Of the chunk that it came in
/// it keeps nothing.
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
    /// The data, the event type as it was written (empty for `message`), the last event ID.
    text: Arc<str>,
    data_end: usize,
    type_end: usize,
}

impl SharedEvent {
    /// A copy of `event`, which `buffer` is used for.
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

    /// The event type; `message` if the stream named none.
    #[inline]
    pub fn event_type(&self) -> &str {
        if self.type_end == self.data_end { MESSAGE } else { &self.text[self.data_end..self.type_end] }
    }

    /// The data; its lines are joined by LF.
    #[inline]
    pub fn data(&self) -> &str {
        &self.text[..self.data_end]
    }

    /// The lines of the data.
    pub fn data_lines(&self) -> impl Iterator<Item = &str> {
        self.data().split('\n')
    }

    /// The data, without a copy.
    pub fn into_data(self) -> SharedText {
        SharedText { text: self.text, end: self.data_end }
    }

    /// The last event ID when this event was dispatched: its own id, or that of an event before it. Empty if none.
    #[inline]
    pub fn last_event_id(&self) -> &str {
        &self.text[self.type_end..]
    }

    /// The same event, borrowed from this one.
    pub fn as_borrowed(&self) -> EventRef<'_> {
        EventRef::new(&self.text[self.data_end..self.type_end], self.data(), self.last_event_id())
    }
}

impl EventRef<'_> {
    /// A copy that borrows nothing, and whose clones share its text.
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
    /// The wire form, ready to be decoded again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_borrowed().fmt(f)
    }
}

/// The data of a [`SharedEvent`], which shares its text with the clones of that.
#[derive(Clone)]
pub struct SharedText {
    /// The data comes first in it.
    text: Arc<str>,
    end: usize,
}

impl SharedText {
    /// The text.
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
    /// The same memory, without a copy.
    fn from(text: SharedText) -> Self {
        Self::from_owner(text)
    }
}
