#![cfg_attr(feature = "alloc", doc = include_str!("../README.md"))]
// The examples of the README need an allocator.
#![cfg_attr(
    not(feature = "alloc"),
    doc = "Server-Sent Events without I/O: bytes to events, messages to bytes."
)]
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(test, feature = "alloc"))]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod decode;
mod encode;
mod event;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "stream")]
mod stream;

pub use crate::decode::{
    Buffer, Decoder, FixedBuffer, FixedDecoder, FixedLineDecoder, GrowBuffer, Item, Line, LineDecoder,
};
pub use crate::encode::{Field, Message};
#[cfg(feature = "alloc")]
pub use crate::event::{Event, SharedEvent, SharedText};
pub use crate::event::{EventId, EventRef, EventType, InvalidField, TooLarge, TooSmall};
#[cfg(feature = "json")]
pub use crate::json::JsonError;
#[cfg(feature = "stream")]
pub use crate::stream::{Events, EventsError, SharedEvents};

/// The media type of an event stream, as a response names it: `text/event-stream`.
pub const CONTENT_TYPE: &str = "text/event-stream";
