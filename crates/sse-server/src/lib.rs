#![doc = include_str!("../README.md")]

mod body;
mod channel;
mod error;
mod heartbeat;
mod ring;
mod route;
mod serve;
mod shutdown;
mod subscriber;
mod wakers;
mod writer;

pub use sse_codec::{EventId, EventType, InvalidField, Message};

pub use crate::body::Body;
pub use crate::error::{Closed, PublishError};
pub use crate::route::{Route, RouteBuilder};
pub use crate::serve::{Serve, serve};
pub use crate::shutdown::Shutdown;
pub use crate::writer::EventWriter;
