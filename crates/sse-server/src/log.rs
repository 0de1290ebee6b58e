//! The log that the replicas of [`Topics`](crate::Topics) share, and how to publish into one.
//!
//! By default, the history of a route is in the memory of its process. With a log, any number of processes have the
//! same topics. Each process publishes into the log, follows it, and serves its subscribers from memory. A client can
//! resume at any of them. The crate `sse-redis` has a log in Redis Streams, and `sse-disk` has one on the local disk.
//! To make your own, implement [`Log`]: four operations on an ordered list. The crate `sse-testing` checks that it does
//! what replicas rely on.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use sse_server::{Message, Topics};
//! use sse_testing::log::MemoryLog;
//!
//! let log = MemoryLog::new();
//! let (here, there) = (Topics::builder().build_on(log.clone()).await?, Topics::builder().build_on(log).await?);
//! let id = here.route("news")?.publish(&Message::new("rain"))?.stored().await?;
//! // A client that has this id from `here` resumes at `there`.
//! # drop((there, id));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

mod backlog;
mod backoff;
mod batch;
mod contract;
mod erased;
mod error;
mod outage;
mod outbox;
mod published;
mod publisher;
pub mod timed;
pub(crate) mod trace;

pub(crate) use self::backlog::{Backlog, Entries, Joined, PAGE, Page, Unknown};
pub(crate) use self::backoff::Backoff;
pub use self::batch::{Batch, Outcome};
pub use self::contract::Log;
pub(crate) use self::erased::SharedLog;
pub use self::error::{LogError, PublishError};
pub(crate) use self::outage::Outage;
pub(crate) use self::outbox::{OnFailure, Outbox};
pub use self::published::{Published, Receipt};
pub use self::publisher::{Publisher, PublisherBuilder};
pub use crate::history::{Entry, Position};
pub use crate::message::{InvalidRecord, Record, RecordKind};
