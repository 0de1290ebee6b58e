//! A message to be written.

use core::fmt;
use core::time::Duration;

use super::field::{self, Field};
use crate::event::{EventFields, EventId, EventType, Text, TooSmall, display};

/// A message to be written: the fields of one event, and the empty line that ends it.
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
/// Any text is written as one event. Data is cut into lines, so that CR and CRLF in it are decoded as LF. An
/// [`EventType`] or [`EventId`] with a byte that would end its field can't be created.
///
/// # The message of an event
///
/// `Message::from` converts a decoded event, borrowed ([`EventRef`](crate::EventRef)) or owned (`Event`). The fields of
/// the message are:
///
/// - The event type, unless it is `message`, which is the type of an event without an `event` field.
/// - The data, even if it is empty.
/// - The last event ID as the id, unless it is empty. The last event ID of an event without an `id` field is the last
///   id that its stream sent before it, and so several messages can have the same id. If the last event ID is empty,
///   because the stream has sent no id yet or has reset it, the message has no `id` field, and its clients keep their
///   last event ID. To reset it, set an empty id: `.id(EventId::from_static(""))`.
///
/// The message of an event has no comment and no reconnection time.
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
    /// Creates a message with this data. An event with empty data is dispatched as well.
    #[inline]
    pub fn new(data: impl Into<Text<'a>>) -> Self {
        Self { data: Some(data.into()), ..Self::empty() }
    }

    /// Creates a message without data. Clients dispatch no event for it, but its id and its reconnection time count.
    #[inline]
    pub const fn empty() -> Self {
        Self { comment: None, event_type: None, data: None, id: None, reconnection_time: None }
    }

    /// Creates a message with the fields of an event.
    pub(super) fn of_event(fields: EventFields<'a>) -> Self {
        let EventFields { event_type, data, id } = fields;
        Self { event_type, data: Some(data), id, ..Self::empty() }
    }

    /// Sets a comment, which is written before the fields. Clients ignore it.
    #[inline]
    pub fn comment(mut self, comment: impl Into<Text<'a>>) -> Self {
        self.comment = Some(comment.into());
        self
    }

    /// Sets the event type. The type of an event without one is `message`.
    #[inline]
    pub fn event_type(mut self, event_type: EventType<'a>) -> Self {
        self.event_type = Some(event_type);
        self
    }

    /// Sets the id. Without an id, the last event ID of the client stays as it is. An empty id resets it.
    #[inline]
    pub fn id(mut self, id: EventId<'a>) -> Self {
        self.id = Some(id);
        self
    }

    /// Sets the time that the client is to wait before it reconnects. It is written in milliseconds, rounded up.
    #[inline]
    pub fn reconnection_time(mut self, time: Duration) -> Self {
        self.reconnection_time = Some(time);
        self
    }

    /// Converts the message into one that owns its text. Borrowed text is copied.
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

    /// Iterates over the fields, in the order in which they are written.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let comment = self.comment.as_ref().map(|text| Field::Comment(text));
        let event_type =
            self.event_type.as_ref().map(|event_type| Field::EventType(event_type.as_borrowed()));
        let data = self.data.as_ref().map(|text| Field::Data(text));
        let id = self.id.as_ref().map(|id| Field::Id(id.as_borrowed()));
        let time = self.reconnection_time.map(Field::ReconnectionTime);
        [comment, event_type, data, id, time].into_iter().flatten()
    }

    /// Returns the length of the encoded message in bytes, with the empty line that ends it.
    pub fn encoded_len(&self) -> usize {
        let mut len = 0;
        self.pieces(&mut |piece| len += piece.len());
        len
    }

    /// Writes the message to the start of `slice`, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`TooSmall`], with the length that the message needs. Nothing has been written then.
    pub fn encode_to_slice(&self, slice: &mut [u8]) -> Result<usize, TooSmall> {
        let needed = self.encoded_len();
        let Some(mut rest) = slice.get_mut(..needed) else { return Err(TooSmall { needed }) };
        self.pieces(&mut |piece| {
            let (place, after) = core::mem::take(&mut rest).split_at_mut(piece.len());
            place.copy_from_slice(piece);
            rest = after;
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

    /// Returns the encoded message as `Bytes`.
    #[cfg(feature = "bytes")]
    pub fn to_bytes(&self) -> bytes::Bytes {
        self.to_vec().into()
    }

    /// Returns the encoded message in a vector whose capacity is its length.
    #[cfg(feature = "alloc")]
    pub fn to_vec(&self) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec::Vec::with_capacity(self.encoded_len());
        self.encode_to_vec(&mut bytes);
        bytes
    }

    /// Passes the bytes of the message to `put`, piece by piece.
    ///
    /// It does not iterate over [`fields`](Self::fields): creating and matching them takes longer than writing a short
    /// message.
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
    /// Writes the message as it is sent. `write!` to a socket makes one write for any message, or without an allocator
    /// for one of at most 512 bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, |mut put| self.pieces(&mut put))
    }
}

#[cfg(all(test, feature = "alloc"))]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    #[test]
    fn the_fields_are_those_that_are_written() {
        let message = Message::new("d\nd")
            .comment("c")
            .event_type(EventType::from_static("t"))
            .id(EventId::from(1))
            .reconnection_time(Duration::from_secs(2));
        let fields: String = message.fields().map(|field| field.to_string()).collect();
        assert_eq!(fields + "\n", message.to_string());
    }
}
