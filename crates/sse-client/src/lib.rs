#![doc = include_str!("../README.md")]

mod attempts;
#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
mod blocking;
mod builder;
mod error;
mod event_source;
mod event_stream;
mod exchange;
mod idle;
mod notice;
mod platform;
mod reader;
mod reconnect;
mod redirect;
mod refusal;
mod request;
mod response;
mod retry_after;
#[cfg(test)]
mod simulation;
mod typed;

pub use reqwest;
#[cfg(feature = "json")]
pub use sse_codec::JsonError;
pub use sse_codec::{Decoder, Event, EventId, EventType, InvalidField, Line, LineDecoder, TooLarge};

pub use crate::attempts::Attempts;
#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
pub use crate::blocking::Blocking;
pub use crate::builder::{Attempt, EventSourceBuilder};
pub use crate::error::{BoxError, Error};
pub use crate::event_source::{EventSource, ReadyState};
pub use crate::event_stream::{EventStream, ResponseExt};
pub use crate::notice::Notice;
pub use crate::platform::{Instant, MaybeSend};
pub use crate::reconnect::{Cause, Decision, Reconnect};
pub use crate::refusal::Refusal;
pub use crate::typed::Typed;
