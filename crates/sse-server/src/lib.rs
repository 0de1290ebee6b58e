#![doc = include_str!("../README.md")]

mod backlog;
mod body;
mod channel;
mod cursor;
mod deadline;
mod error;
mod filter;
mod follower;
mod heartbeat;
mod hub;
mod ids;
#[cfg(all(test, shuttle))]
mod interleavings;
mod latest;
mod listener;
pub mod log;
mod place;
mod preface;
mod published;
mod reader;
mod recent;
mod replica;
mod response;
mod ring;
mod route;
mod serve;
mod settings;
mod shutdown;
mod stats;
mod stream;
mod subscriber;
mod subscription;
mod sync;
mod timer;
mod topics;
mod trace;
mod wakers;
mod writer;

pub use sse_codec::{EventId, EventRef, EventType, InvalidField, Message};

pub use crate::body::Body;
pub use crate::deadline::WriteDeadline;
pub use crate::error::{PublishError, TooManyTopics};
pub use crate::listener::Listener;
pub use crate::published::Published;
pub use crate::response::stop;
pub use crate::route::{Route, RouteBuilder};
pub use crate::serve::{Serve, serve};
pub use crate::settings::Lagging;
pub use crate::shutdown::Shutdown;
pub use crate::stats::{LogStats, Stats};
pub use crate::stream::EventStream;
pub use crate::subscription::Subscription;
pub use crate::topics::{Topics, TopicsBuilder};
pub use crate::writer::EventWriter;
