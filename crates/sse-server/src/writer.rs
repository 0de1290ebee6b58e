//! A message as it is being encoded.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use sse_codec::{EventId, EventType, Field, Message};

use crate::ring::Id;

/// Writes the fields of one message; [`Route::publish_with`](crate::Route::publish_with) lends it to its closure.
///
/// Fields may come in any order. Each call of [`data`](Self::data) adds lines to the data; of several types or ids
/// the last one counts.
#[derive(Debug)]
pub struct EventWriter {
    block: BytesMut,
    has_data: bool,
    id: Option<String>,
}

/// Room for the id line that the route adds and for the empty line.
const ENDING: usize = 48;

impl EventWriter {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { block: BytesMut::with_capacity(capacity + ENDING), has_data: false, id: None }
    }

    /// The fields of a message, ready for the route to add an id.
    pub(crate) fn from_message(message: &Message<'_>) -> Self {
        let mut writer = Self::with_capacity(message.encoded_len());
        for field in message.fields() {
            writer.field(&field);
        }
        writer
    }

    /// Adds a comment, which readers ignore; one line for each line of the text.
    pub fn comment(&mut self, comment: &str) -> &mut Self {
        self.field(&Field::Comment(comment))
    }

    /// Adds lines to the data. Empty data is one empty line.
    pub fn data(&mut self, data: &str) -> &mut Self {
        self.field(&Field::Data(data))
    }

    /// Sets the event type.
    pub fn event_type(&mut self, event_type: &EventType<'_>) -> &mut Self {
        self.field(&Field::EventType(event_type.as_borrowed()))
    }

    /// Sets the id. Without one, the route gives the event an id of its own.
    ///
    /// An id must be unique in the route's history: a subscriber that resumes goes on behind the newest event with
    /// this id.
    pub fn id(&mut self, id: &EventId<'_>) -> &mut Self {
        self.field(&Field::Id(id.as_borrowed()))
    }

    /// Sets the time that subscribers wait before they reconnect; in milliseconds, rounded up.
    pub fn reconnection_time(&mut self, time: Duration) -> &mut Self {
        self.field(&Field::ReconnectionTime(time))
    }

    fn field(&mut self, field: &Field<'_>) -> &mut Self {
        match field {
            Field::Data(_) => self.has_data = true,
            Field::Id(id) => self.id = Some(id.as_str().to_owned()),
            _ => {}
        }
        field.encode(&mut self.block);
        self
    }

    /// Whether there is anything to publish.
    pub(crate) fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// Ends the message. An event that has no id gets the one that `next_id` makes.
    pub(crate) fn finish(mut self, next_id: impl FnOnce() -> String) -> (Bytes, Id) {
        let id = match self.id {
            Some(id) => Id::Own(id),
            None if self.has_data => {
                self.block.put_slice(b"id: ");
                self.block.put_slice(next_id().as_bytes());
                self.block.put_u8(b'\n');
                Id::Sequence
            }
            None => Id::None,
        };
        self.block.put_u8(b'\n');
        (self.block.freeze(), id)
    }
}
