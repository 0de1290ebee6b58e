//! What a stream gives.

use sse_codec::Event;

/// An event or a comment, as [`WithComments`](crate::WithComments) gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// An event.
    Event(Event),
    /// The text of a comment: what stands between the colon and the end of the line, without one space after the colon.
    /// Servers send comments as heartbeats.
    Comment(String),
}

impl Item {
    /// Returns the event, if it is one.
    pub fn into_event(self) -> Option<Event> {
        match self {
            Self::Event(event) => Some(event),
            Self::Comment(_) => None,
        }
    }
}
