#![doc = include_str!("../README.md")]

mod chunks;
mod error;
mod event_source;
mod event_stream;
mod reconnect;
mod request;
mod response;

pub use reqwest;
pub use sse_codec::{Decoder, Event, EventId, EventType, InvalidField, TooLarge};

pub use crate::error::Error;
pub use crate::event_source::{EventSource, EventSourceBuilder, Notice, ReadyState};
pub use crate::event_stream::EventStream;
pub use crate::reconnect::{Cause, Decision, Reconnect};

// Every example of the workspace's front page and guides is compiled and run.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/architecture.md")]
    mod architecture {}
    #[doc = include_str!("../../../docs/standard.md")]
    mod standard {}
}
