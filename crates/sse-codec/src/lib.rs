//! Server-Sent Events without I/O: decodes bytes into events and encodes messages into bytes.
//!
//! ```text
//! decode:  bytes -> line -> field -> block -> event
//! encode:  message -> fields -> pieces -> bytes
//! ```
//!
//! `sse-server` and `sse-client` are built on this crate. Use it directly if you bring your own transport.
//!
//! # Decode
//!
//! You drive the loop: give the decoder a chunk, and take events until it returns `None`.
//!
//! ```
//! use sse_codec::{Decoder, TooLarge};
//!
//! # #[cfg(feature = "alloc")]
//! fn main() -> Result<(), TooLarge> {
//!     let mut decoder = Decoder::new();
//!     // The first chunk ends within a line, the second one within an event.
//!     for chunk in ["event: token\ndata: Hel", "lo\nid: 1\n\n: a comment\n\ndata: unfini"] {
//!         let mut chunk = chunk.as_bytes();
//!         while let Some(event) = decoder.next_event(&mut chunk)? {
//!             assert_eq!(event.event_type(), "token");
//!             assert_eq!(event.data(), "Hello");
//!             assert_eq!(event.last_event_id(), "1");
//!         }
//!     }
//!     Ok(())
//! }
//! # #[cfg(not(feature = "alloc"))]
//! # fn main() {}
//! ```
//!
//! [`EventRef`] borrows its text from the chunk or from the decoder. [`EventRef::to_event`] copies it into an [`Event`]
//! that owns its text.
//!
//! | to decode | use |
//! |---|---|
//! | events | [`Decoder::next_event`] |
//! | events, comments, ids without an event and reconnection times, in the order of the stream | [`Decoder::next_item`] |
//! | every line, including fields that the standard does not know | [`LineDecoder`] |
//! | the event that the stream ended in before its empty line | [`Decoder::finish`] |
//! | without an allocator | [`FixedDecoder`], [`FixedLineDecoder`] |
//! | an async stream of chunks | `Events` (feature `stream`) |
//!
//! # Encode
//!
//! A [`Message`] is built from checked parts, so that it is always written as one event:
//!
//! ```
//! use sse_codec::{EventType, Message};
//!
//! const TOKEN: EventType<'static> = EventType::from_static("token");
//!
//! let message = Message::new("Hello").event_type(TOKEN);
//! # #[cfg(feature = "alloc")]
//! assert_eq!(message.to_string(), "event: token\ndata: Hello\n\n");
//!
//! // A line ending would end the field.
//! assert!(EventType::new("line\nbreak").is_err());
//! ```
//!
//! # What this crate promises
//!
//! - The decoder returns exactly the events that the [WHATWG standard] (section 9.2.6) dispatches, wherever the stream
//!   is cut into chunks. Bytes are never an error, only too many of them ([`TooLarge`]).
//! - A decoder allocates nothing per event, once its buffers have grown to the size of the largest event.
//! - The limits of a decoder bound its memory, whatever it reads.
//! - A message that is written is decoded as one event with the same type, data and id. Only CR and CRLF in data become
//!   LF.
//! - The crate reads no socket, no clock and no environment, and contains no `unsafe` code.
//!
//! # Features
//!
//! | feature | default | what it brings |
//! |---|---|---|
//! | `std` | yes | the vector instructions of the machine; turns on `alloc` |
//! | `alloc` | by `std` | [`Decoder`] and [`LineDecoder`] over memory that grows, owned and shared events, owned text in messages |
//! | `bytes` | no | writes a [`Message`] to any `BufMut` or into `Bytes` |
//! | `json` | no | `Event::json` and `Message::json`: data as a type of your own |
//! | `stream` | no | `Events`: turns any stream of chunks into a stream of events, on any runtime |
//!
//! [WHATWG standard]: https://html.spec.whatwg.org/multipage/server-sent-events.html

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

/// The media type of an event stream, which stands in the `Content-Type` of a response: `text/event-stream`.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// The README, whose examples are tested here.
#[cfg(all(doctest, feature = "alloc"))]
#[doc = include_str!("../README.md")]
struct Readme;
