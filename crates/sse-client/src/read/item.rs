//! The items of a stream with comments.

use sse_codec::Event;

/// An event or a comment of a [`WithComments`](crate::WithComments).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// An event.
    Event(Event),
    /// The text of a comment, without its colon and one space after the colon. Many servers send comments as
    /// heartbeats.
    Comment(String),
}

impl Item {
    /// Returns the event, or `None` if the item is a comment.
    pub fn into_event(self) -> Option<Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Comment(_) => None,
        }
    }
}
