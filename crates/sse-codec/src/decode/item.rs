//! The items of a stream: events, comments, ids and reconnection times.

use core::time::Duration;

use crate::event::EventRef;

/// An event, a comment, an id or a reconnection time, which [`Decoder::next_item`](crate::Decoder::next_item) returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item<'a> {
    /// An event.
    Event(EventRef<'a>),
    /// A comment, without its colon and one space after the colon.
    Comment(&'a str),
    /// The last event ID, which a block without an event has set. It is empty if the block has reset it.
    LastEventId(&'a str),
    /// The value of a `retry` field: how long the client is to wait before it reconnects.
    ReconnectionTime(Duration),
}
