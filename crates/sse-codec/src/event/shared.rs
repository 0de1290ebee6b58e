//! Owned events that share the chunk in which they came.

use bytes::Bytes;
use bytestring::ByteString;

use super::dispatched::{Event, EventRef};

/// An event that shares the chunk in which it came: its text is a part of that, counted but not copied.
///
/// The chunk stays in memory as long as the event does. What is kept for long is better copied
/// ([`EventRef::to_event`]).
pub type SharedEvent = Event<ByteString>;

impl EventRef<'_> {
    /// The event as one that shares `chunk`, from which it was decoded.
    ///
    /// What doesn't lie in one piece there is copied: an event that was cut, data of several lines, and the last event
    /// ID, which the decoder keeps.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use sse_codec::Decoder;
    ///
    /// let chunk = Bytes::from_static(b"data: Hello\n\n");
    /// let event = Decoder::new().next_event(&mut &chunk[..])?.unwrap().share(&chunk);
    /// assert_eq!(event.data(), "Hello");
    /// assert_eq!(event.into_data().into_bytes().as_ptr(), chunk[6..].as_ptr());
    /// # Ok::<(), sse_codec::TooLarge>(())
    /// ```
    pub fn share(&self, chunk: &Bytes) -> SharedEvent {
        self.share_beside(self.last_event_id().into(), chunk)
    }

    /// The same, with a last event ID that is shared already.
    pub(crate) fn share_beside(&self, last_event_id: ByteString, chunk: &Bytes) -> SharedEvent {
        self.own(last_event_id, |text| share(text, chunk))
    }
}

/// `text` as a part of `chunk`, if it lies there, or else a copy.
fn share(text: &str, chunk: &Bytes) -> ByteString {
    let (part, whole) = (text.as_bytes().as_ptr_range(), chunk.as_ptr_range());
    let lies_there = !text.is_empty() && whole.start <= part.start && part.end <= whole.end;
    let shared = lies_there.then(|| ByteString::try_from(chunk.slice_ref(text.as_bytes())).ok());
    shared.flatten().unwrap_or_else(|| text.into())
}
