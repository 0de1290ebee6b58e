//! What topics with one order share, and each topic as its publishers and subscribers meet there.
//!
//! - One lock for all topics, so that several of them can be read as one stream, and one id says how far.
//! - No user's code runs under the lock, but a log's that writes or reads an id: wakers are cloned before it is taken,
//!   woken and dropped after.

mod follower;
pub(crate) mod heartbeat;
#[expect(clippy::module_inception, reason = "the type that the folder is named after")]
mod hub;
mod settings;
mod source;
mod state;
mod stats;
mod topic;
mod topic_state;

pub(crate) use self::follower::{Beginning, follow_log};
#[cfg(all(test, shuttle))]
pub(crate) use self::heartbeat::Beating;
pub(crate) use self::hub::Hub;
pub use self::settings::LagPolicy;
pub(crate) use self::settings::Settings;
pub(crate) use self::source::Source;
pub(crate) use self::state::{Resume, State};
pub use self::stats::{LogStats, Stats, TopicsStats};
pub(crate) use self::topic::Topic;
pub(crate) use self::topic_state::{ClientTicket, TopicState};
