//! An outgoing message.

use core::fmt;
use core::time::Duration;

use super::field::{self, Field};
use crate::event::{EventFields, EventId, EventType, Text, TooSmall, display};

/// A message to be written: the fields of one event, with the empty line that ends it.
///
/// ```
/// use sse_codec::{EventId, EventType, Message};
///
/// const TOKEN: EventType<'static> = EventType::from_static("token");
///
/// let message = Message::new("Hello,\nworld").event_type(TOKEN).id(EventId::from_static("7"));
/// assert_eq!(message.to_string(), "event: token\ndata: Hello,\ndata: world\nid: 7\n\n");
/// ```
///
/// Whatever the text is, it comes back as one event: data is cut into lines (so its CR and CRLF come back as LF), and
/// [`EventType`] and [`EventId`] can't hold what would break out of their field.
///
/// # The message of an event
///
/// `Message::from` makes a message of an event that was read, borrowed ([`EventRef`](crate::EventRef)) or owned
/// (`Event`). Its fields are:
///
/// - The event type, unless it is `message`, which is the type of a message without one.
/// - The data, also if it is empty.
/// - The last event ID as the id, unless it is empty. An event without an `id` field has the last id that its stream sent
///   before it, and so several messages can have the same id. If the last event ID is empty, because the stream has sent
///   no id yet or has reset it, the message has no `id` field, and its readers keep the last event ID that they have.
///   To reset theirs, set an empty id: `.id(EventId::from_static(""))`.
///
/// An event has no comment and no reconnection time, and neither has its message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[must_use]
pub struct Message<'a> {
    comment: Option<Text<'a>>,
    event_type: Option<EventType<'a>>,
    data: Option<Text<'a>>,
    id: Option<EventId<'a>>,
    reconnection_time: Option<Duration>,
}

impl<'a> Message<'a> {
    /// A message with this data. Empty data is data: the event is dispatched.
    #[inline]
    pub fn new(data: impl Into<Text<'a>>) -> Self {
        Self { data: Some(data.into()), ..Self::empty() }
    }

    /// A message without data: readers dispatch no event for it, but take in its id and reconnection time.
    #[inline]
    pub const fn empty() -> Self {
        Self { comment: None, event_type: None, data: None, id: None, reconnection_time: None }
    }

    /// The message with the fields of an event.
    pub(super) fn of_event(fields: EventFields<'a>) -> Self {
        let EventFields { event_type, data, id } = fields;
        Self { event_type, data: Some(data), id, ..Self::empty() }
    }

    /// Puts a comment ahead of the fields. Readers ignore it.
    #[inline]
    pub fn comment(mut self, comment: impl Into<Text<'a>>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Sets the event type. Without one, readers take it as `message`.
    #[inline]
    pub fn event_type(mut self, event_type: EventType<'a>) -> Self {
        self.event_type = Some(event_type);
        self
    }

    /// Sets the id. Without one, the reader's last event ID stays as it is; an empty one resets it.
    #[inline]
    pub fn id(mut self, id: EventId<'a>) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the time that the reader waits before it reconnects; in milliseconds, rounded up.
    #[inline]
    pub fn reconnection_time(mut self, time: Duration) -> Self {
        self.reconnection_time = Some(time);
        self
    }

    /// The same, borrowing nothing.
    #[cfg(feature = "alloc")]
    pub fn into_owned(self) -> Message<'static> {
        Message {
            comment: self.comment.map(|text| text.into_owned().into()),
            event_type: self.event_type.map(EventType::into_owned),
            data: self.data.map(|text| text.into_owned().into()),
            id: self.id.map(EventId::into_owned),
            reconnection_time: self.reconnection_time,
        }
    }

    /// The fields, in the order in which they are written.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let comment = self.comment.as_ref().map(|text| Field::Comment(text));
        let event_type =
            self.event_type.as_ref().map(|event_type| Field::EventType(event_type.as_borrowed()));
        let data = self.data.as_ref().map(|text| Field::Data(text));
        let id = self.id.as_ref().map(|id| Field::Id(id.as_borrowed()));
        let time = self.reconnection_time.map(Field::ReconnectionTime);
        [comment, event_type, data, id, time].into_iter().flatten()
    }

    /// How many bytes the message takes, with the empty line that ends it.
    pub fn encoded_len(&self) -> usize {
        let mut len = 0;
        self.pieces(&mut |piece| len += piece.len());
        len
    }

    /// Writes the message to the start of `slice` and returns its length.
    ///
    /// # Errors
    ///
    /// [`TooSmall`] with the length that it takes; nothing has been written then.
    pub fn encode_to_slice(&self, slice: &mut [u8]) -> Result<usize, TooSmall> {
        let needed = self.encoded_len();
        let Some(mut rest) = slice.get_mut(..needed) else { return Err(TooSmall { needed }) };
        self.pieces(&mut |piece| {
            let (place, behind) = core::mem::take(&mut rest).split_at_mut(piece.len());
            place.copy_from_slice(piece);
            rest = behind;
        });
        Ok(needed)
    }

    /// Appends the message to `buffer`.
    #[cfg(feature = "bytes")]
    pub fn encode(&self, buffer: &mut impl bytes::BufMut) {
        self.pieces(&mut |piece| buffer.put_slice(piece));
    }

    /// Appends the message to `vec`.
    ///
    /// ```
    /// use sse_codec::Message;
    ///
    /// let mut batch = Vec::new();
    /// for word in ["one", "two"] {
    ///     Message::new(word).encode_to_vec(&mut batch);
    /// }
    /// assert_eq!(batch, b"data: one\n\ndata: two\n\n");
    /// ```
    #[cfg(feature = "alloc")]
    #[inline]
    pub fn encode_to_vec(&self, vec: &mut alloc::vec::Vec<u8>) {
        self.pieces(&mut |piece| vec.extend_from_slice(piece));
    }

    /// The message in bytes of its own.
    #[cfg(feature = "bytes")]
    pub fn to_bytes(&self) -> bytes::Bytes {
        self.to_vec().into()
    }

    /// The message in a vector of just its length.
    #[cfg(feature = "alloc")]
    pub fn to_vec(&self) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec::Vec::with_capacity(self.encoded_len());
        self.encode_to_vec(&mut bytes);
        bytes
    }

    /// Hands the bytes of the message to `put`, piece by piece.
    ///
    /// Part by part, not over [`fields`](Self::fields): to build them and to look at what they are takes longer than
    /// to write a short message.
    #[inline]
    fn pieces(&self, put: &mut impl FnMut(&[u8])) {
        if let Some(text) = &self.comment {
            field::comment(text, put);
        }
        if let Some(event_type) = &self.event_type {
            field::event_type(event_type, put);
        }
        if let Some(text) = &self.data {
            field::data(text, put);
        }
        if let Some(id) = &self.id {
            field::id(id, put);
        }
        if let Some(time) = self.reconnection_time {
            field::reconnection_time(time, put);
        }
        put(b"\n");
    }
}

impl fmt::Display for Message<'_> {
    /// The wire form, as one piece of text: `write!` to a socket makes one write of a message of up to 512 bytes, and of
    /// any message where there is an allocator.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |mut put| self.pieces(&mut put))
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    #[test]
    fn the_fields_are_what_is_written() {
        let message = Message::new("d\nd")
            .comment("c")
            .event_type(EventType::from_static("t"))
            .id(EventId::from(1))
            .reconnection_time(Duration::from_secs(2));
        let fields: String = message.fields().map(|field| field.to_string()).collect();
        assert_eq!(fields + "\n", message.to_string());
    }
}
