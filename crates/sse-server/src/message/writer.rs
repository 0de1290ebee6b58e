//! A message whose fields are written one by one.

use std::time::Duration;

use sse_codec::{EventId, EventType, Field, Message};

use super::block::Draft;
use super::publication::Publication;

/// Writes the fields of one message. [`Route::publish_with`](crate::Route::publish_with) lends it to its closure.
///
/// The fields may be written in any order. Each call of [`data`](Self::data) adds lines to the data. If an event type
/// or an id is set several times, the last one counts.
#[derive(Debug)]
pub struct EventWriter {
    fields: Vec<u8>,
    has_data: bool,
    /// Written last, when it is known whether the route has to give an id.
    id: Option<EventId<'static>>,
}

/// Capacity for the id line that the route adds and for the empty line.
const ENDING: usize = 48;

impl EventWriter {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { fields: Vec::with_capacity(capacity + ENDING), has_data: false, id: None }
    }

    /// Returns the draft of a publication.
    pub(crate) fn draft(publication: &Publication<'_>) -> Draft {
        let (message, key, tag) = publication.parts();
        let mut writer = Self::of(message);
        writer.take_draft(key, tag)
    }

    /// Returns a writer with the fields of a message.
    pub(crate) fn of(message: &Message<'_>) -> Self {
        let mut writer = Self::with_capacity(message.encoded_len());
        for field in message.fields() {
            writer.field(&field);
        }
        writer
    }

    /// Returns what has been written, as a draft.
    pub(crate) fn take_draft(&mut self, key: Option<&str>, tag: Option<&str>) -> Draft {
        let Self { fields, has_data, id } = self;
        Draft::new(std::mem::take(fields), *has_data, id.take(), key, tag)
    }

    /// Adds a comment, which clients ignore: one line for each line of the text.
    pub fn comment(&mut self, comment: &str) -> &mut Self {
        self.field(&Field::Comment(comment))
    }

    /// Adds lines to the data. An empty text adds one empty line.
    pub fn data(&mut self, data: &str) -> &mut Self {
        self.field(&Field::Data(data))
    }

    /// Sets the event type.
    pub fn event_type(&mut self, event_type: &EventType<'_>) -> &mut Self {
        self.field(&Field::EventType(event_type.as_borrowed()))
    }

    /// Sets the id. Without it, the route gives the event an id.
    ///
    /// An id names one event of one route. The same id with the same fields, key and tag is a
    /// [repeat](crate::Published::is_repeat), which is not published again. The same id with anything else is
    /// [refused](crate::PublishError::IdTaken). An id that a client can't send back is [invalid](crate::InvalidId).
    pub fn id(&mut self, id: &EventId<'_>) -> &mut Self {
        self.field(&Field::Id(id.as_borrowed()))
    }

    /// Sets the time that clients wait before they reconnect, in milliseconds, rounded up.
    pub fn reconnection_time(&mut self, time: Duration) -> &mut Self {
        self.field(&Field::ReconnectionTime(time))
    }

    fn field(&mut self, field: &Field<'_>) -> &mut Self {
        match field {
            Field::Data(_) => self.has_data = true,
            Field::Id(id) => {
                self.id = Some(id.clone().into_owned());
                return self;
            }
            _ => {}
        }
        field.encode(&mut self.fields);
        self
    }
}
