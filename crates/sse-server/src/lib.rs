#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod history;
mod hub;
#[cfg(all(test, shuttle))]
mod interleavings;
pub mod log;
mod message;
mod route;
mod serve;
mod subscribe;
mod sync;
mod topics;

#[cfg(feature = "json")]
pub use sse_codec::JsonError;
pub use sse_codec::{Event, EventId, EventRef, EventType, Field, InvalidField, Message};

pub use crate::hub::{LagPolicy, LogStats, Stats, TopicsStats};
#[doc(inline)]
pub use crate::log::{PublishError, Published};
pub use crate::message::{EventWriter, InvalidId, Publication};
pub use crate::route::{Route, RouteBuilder};
pub use crate::serve::{Accept, Connections, Listener, PeerAddress, Serve, WriteDeadline, serve};
pub use crate::subscribe::{
    Body, Candidate, EndReason, Ended, Events, Gap, Item, MessageStream, PassedThrough, Received, Shutdown,
    Subscription, no_content,
};
pub use crate::topics::{TooManyTopics, Topics, TopicsBuilder};
