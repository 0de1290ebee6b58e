#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What features of other crates bring is always here.
#![cfg_attr(
    docsrs,
    allow(unexpected_cfgs),
    doc(auto_cfg(hide(feature = "alloc", feature = "bytes", feature = "std")))
)]

mod adapters;
mod connect;
mod error;
mod platform;
mod read;
mod reconnect;
#[cfg(test)]
mod simulation;
mod source;

pub use reqwest;
#[cfg(feature = "json")]
pub use sse_codec::JsonError;
pub use sse_codec::{
    Decoder, Event, EventId, EventRef, EventType, InvalidField, Line, LineDecoder, TooLarge,
};

#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
pub use crate::adapters::{Blocking, BlockingMut};
pub use crate::adapters::{Typed, WithComments, WithId, WithIds};
pub use crate::connect::Attempt;
pub use crate::error::{BoxError, DecodeError, Error, Refusal};
pub use crate::platform::{Instant, MaybeSend, client_builder};
pub use crate::read::{Ending, EventStream, Item, ReadSettings, ResponseExt, Verdict, reports_error};
pub use crate::reconnect::{Cause, Decision, Reconnect, Reconnector};
pub use crate::source::{EventSource, EventSourceBuilder, Handle, Notice, ReadyState};
