//! A message as it is being encoded.

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use sse_codec::{EventId, EventType, Field, Message};

use crate::ring::Id;

/// Writes the fields of one message; [`Route::publish_with`](crate::Route::publish_with) lends it to its closure.
///
/// Fields may come in any order. Each call of [`data`](Self::data) adds lines to the data; of several types or ids
/// the last one counts.
#[derive(Debug)]
pub struct EventWriter {
    block: Vec<u8>,
    has_data: bool,
    /// Written last, when it is known whether the route has to give one.
    id: Option<EventId<'static>>,
}

/// Room for the id line that the route adds and for the empty line.
const ENDING: usize = 48;

impl EventWriter {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { block: Vec::with_capacity(capacity + ENDING), has_data: false, id: None }
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
    /// this id. Spaces and tabs at its ends are left out, because headers lose them. One that no `Last-Event-ID` header
    /// can bring back, because it is empty or has control characters, is left out for one of the route's own: with it,
    /// a subscriber would lose its place without a word.
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
            Field::Id(id) => {
                self.id = as_it_comes_back(id);
                return self;
            }
            _ => {}
        }
        field.encode(&mut self.block);
        self
    }

    /// Whether there is anything to publish.
    pub(crate) fn is_empty(&self) -> bool {
        self.block.is_empty() && self.id.is_none()
    }

    /// Ends the message. An event that has no id gets the one that `next_id` makes. Returns the id that was written.
    pub(crate) fn finish(
        mut self,
        next_id: impl FnOnce() -> EventId<'static>,
    ) -> (Bytes, Id, Option<EventId<'static>>) {
        let (id, written) = match self.id.take() {
            Some(id) => (Id::Own(id.clone()), Some(id)),
            None if self.has_data => (Id::Sequence, Some(next_id())),
            None => (Id::None, None),
        };
        if let Some(id) = &written {
            Field::Id(id.as_borrowed()).encode(&mut self.block);
        }
        self.block.push(b'\n');
        // It may stay in the history for long.
        self.block.shrink_to_fit();
        (self.block.into(), id, written)
    }

    /// Whether the author gave it an id.
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The fields but for the id, and whether they are an event.
    pub(crate) fn into_fields(mut self) -> (Bytes, bool) {
        self.block.shrink_to_fit();
        (self.block.into(), self.has_data)
    }
}

/// An id as a `Last-Event-ID` header brings it back, if one can.
fn as_it_comes_back(id: &EventId<'_>) -> Option<EventId<'static>> {
    let trimmed = id.as_str().trim_matches([' ', '\t']);
    HeaderValue::from_bytes(trimmed.as_bytes()).ok().filter(|value| !value.is_empty())?;
    EventId::try_from(trimmed.to_owned()).ok()
}
