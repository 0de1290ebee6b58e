//! Subscribers: from a request, or from a call of the program, to the stream that each of them gets.

mod body;
mod delivered;
mod delivery;
mod events;
mod feeds;
mod filter;
mod group;
mod handover;
mod message_stream;
mod messages;
mod observer;
mod response;
mod rewrite;
mod shutdown;
mod stalled;
mod subscriber;
mod subscription;
mod trace;

pub use self::body::Body;
pub(crate) use self::delivered::Delivered;
pub(crate) use self::delivery::{Delivery, Member};
pub use self::events::{Events, Gap, Item, Received};
pub(crate) use self::feeds::StreamIds;
pub use self::filter::Candidate;
pub(crate) use self::group::{Ahead, Group};
pub use self::handover::PassedThrough;
pub(crate) use self::handover::{Handed, Handover, Kept, Terms};
pub use self::message_stream::MessageStream;
pub use self::observer::{EndReason, Ended};
pub(crate) use self::response::method_not_allowed;
pub use self::response::no_content;
pub use self::shutdown::Shutdown;
pub(crate) use self::stalled::Stalled;
pub(crate) use self::subscriber::Denied;
pub use self::subscription::Subscription;
