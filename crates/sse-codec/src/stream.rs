//! Turns a stream of chunks into a stream of events, on any runtime.

mod events;
mod shared_events;

pub use self::events::{Events, EventsError};
pub use self::shared_events::SharedEvents;
