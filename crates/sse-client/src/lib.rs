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
pub use crate::reconnect::{Attempts, Cause, Decision, Reconnect};
