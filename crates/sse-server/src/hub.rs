//! The hub: topics that share one order of messages, and each topic for its publishers and subscribers.
//!
//! - One lock is for all topics, so that several of them can be read as one stream, and one id gives the position in
//!   all of them.
//! - No user's code runs under the lock, except that a log writes or reads an id. Wakers are cloned before the lock is
//!   taken, and are woken and dropped after it is released.

mod follower;
pub(crate) mod heartbeat;
#[expect(clippy::module_inception, reason = "the folder has the name of its type")]
mod hub;
mod on_first_event;
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
pub(crate) use self::on_first_event::OnFirstEvent;
pub use self::settings::LagPolicy;
pub(crate) use self::settings::Settings;
pub(crate) use self::source::{Replica, Source};
pub(crate) use self::state::{ReadsOn, Resume, State};
pub use self::stats::{LogStats, Stats, TopicsStats};
pub(crate) use self::topic::Topic;
pub(crate) use self::topic_state::{ClientTicket, TopicState};
