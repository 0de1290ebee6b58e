//! What a stream holds beside events.

use core::time::Duration;

use crate::event::EventRef;

/// What a stream holds, in its order ([`Decoder::next_item`](crate::Decoder::next_item)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item<'a> {
    /// An event.
    Event(EventRef<'a>),
    /// A comment, without the colon and one space after it.
    Comment(&'a str),
    /// The last event ID, as a block without an event has set it. Empty if it is reset.
    LastEventId(&'a str),
    /// The reconnection time that the stream asks for.
    ReconnectionTime(Duration),
}
