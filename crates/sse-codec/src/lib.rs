#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "alloc")]
mod block;
#[cfg(feature = "alloc")]
mod chunk;
#[cfg(feature = "alloc")]
mod decoder;
mod encode;
mod error;
#[cfg(feature = "alloc")]
mod event;
mod event_id;
mod event_type;
#[cfg(feature = "alloc")]
mod field;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "alloc")]
mod line;
mod message;
mod reconnection_time;
#[cfg(feature = "stream")]
mod stream;
mod text;

#[cfg(feature = "alloc")]
pub use crate::decoder::Decoder;
pub use crate::encode::Field;
#[cfg(feature = "alloc")]
pub use crate::error::TooLarge;
pub use crate::error::{InvalidField, TooSmall};
#[cfg(feature = "alloc")]
pub use crate::event::{Event, EventRef};
pub use crate::event_id::EventId;
pub use crate::event_type::EventType;
#[cfg(feature = "json")]
pub use crate::json::JsonError;
pub use crate::message::Message;
#[cfg(feature = "stream")]
pub use crate::stream::{Events, EventsError};

/// The media type of an event stream, as a response names it: `text/event-stream`.
pub const CONTENT_TYPE: &str = "text/event-stream";
