#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, feature = "alloc"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod block;
mod buffer;
mod chunk;
mod decoder;
mod edge;
mod encode;
mod error;
mod event;
mod event_id;
mod event_type;
mod field;
#[cfg(feature = "json")]
mod json;
mod line;
mod line_decoder;
mod message;
mod reconnection_time;
#[cfg(feature = "bytes")]
mod shared;
#[cfg(all(feature = "bytes", feature = "stream"))]
mod shared_events;
mod span;
#[cfg(feature = "stream")]
mod stream;
mod text;
mod utf8;
mod value;

pub use crate::buffer::{Buffer, FixedBuffer, GrowBuffer};
pub use crate::decoder::{Decoder, FixedDecoder};
pub use crate::encode::Field;
pub use crate::error::{InvalidField, TooLarge, TooSmall};
#[cfg(feature = "alloc")]
pub use crate::event::Event;
pub use crate::event::EventRef;
pub use crate::event_id::EventId;
pub use crate::event_type::EventType;
#[cfg(feature = "json")]
pub use crate::json::JsonError;
pub use crate::line::Line;
pub use crate::line_decoder::{FixedLineDecoder, LineDecoder};
pub use crate::message::Message;
#[cfg(feature = "bytes")]
pub use crate::shared::SharedEvent;
#[cfg(all(feature = "bytes", feature = "stream"))]
pub use crate::shared_events::SharedEvents;
#[cfg(feature = "stream")]
pub use crate::stream::{Events, EventsError};

/// The media type of an event stream, as a response names it: `text/event-stream`.
pub const CONTENT_TYPE: &str = "text/event-stream";
