//! A stream of chunks as a stream of events, on any runtime.

mod events;
#[cfg(feature = "bytes")]
mod shared_events;

pub use self::events::{Events, EventsError};
#[cfg(feature = "bytes")]
pub use self::shared_events::SharedEvents;
