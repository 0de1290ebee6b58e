//! A log for the event streams of `sse-server`, in Redis Streams. Run the same topics on any number of machines: a client
//! that reconnects to another machine resumes after its last event, also if the first machine has crashed.
//!
//! ```no_run
//! use sse_redis::RedisLog;
//! use sse_server::{Message, Topics, serve};
//! use tokio::net::TcpListener;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let log = RedisLog::connect("redis://localhost/", "shop").await?;
//!     // Everything else is the same as without a log.
//!     let topics = Topics::builder().build_on(log).await?;
//!     let prices = topics.route("prices")?;
//!     prices.publish(&Message::new("7"))?;
//!     serve(TcpListener::bind("127.0.0.1:8080").await?, prices).await;
//!     Ok(())
//! }
//! ```
//!
//! [The promise](sse_server#the-promise) of `sse-server` holds at each replica and across replicas. `docs/scaling.md` in the
//! repository says which failures of Redis can break it, how to size the log, and what each failure looks like.
//!
//! A process without subscribers can publish, too, by a [`Publisher`](sse_server::log::Publisher):
//!
//! ```no_run
//! use sse_redis::RedisLog;
//! use sse_server::Message;
//! use sse_server::log::Publisher;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let publisher = Publisher::new(RedisLog::connect("redis://localhost/", "shop").await?);
//! let id = publisher.publish("prices", &Message::new("8"))?.stored().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What Redis stores
//!
//! - **One stream for each namespace.** The stream has the name of the namespace. An entry has the fields `topic`, `event`
//!   (the fields of the event as they are sent to clients, without an id), `key` if the message has one, and `previous`: the
//!   id of the entry before it. The id of an entry is the id of its event.
//! - **One key for each publisher**, `{namespace}:publisher:…`. It has the number and the position of the publisher's last
//!   batch, so that a batch whose response was lost is not appended twice. The key expires two hours after the last batch.
//!
//! Read the log through this crate, and not by `XRANGE`. If Redis was killed while it wrote its file, the stream may have a
//! message twice, and only one of the two entries counts: an entry does not count if the `previous` of the next entry is
//! older than the entry.
//!
//! A script appends the messages and trims the stream. An entry that was added by hand has no `previous`, so subscribers get
//! a gap event for it. Use a [`Publisher`](sse_server::log::Publisher) instead.
//!
//! # Requirements
//!
//! Redis 6.2 or later, or Valkey. The commands are `EVALSHA`, `EVAL`, `SCRIPT LOAD`, `XADD`, `XTRIM`, `XRANGE`, `XREVRANGE`,
//! `XREAD`, `GET`, `SET`, `TIME`, `MULTI` and `EXEC`. A user with an ACL needs these commands, and the keys above.
//!
//! # Features
//!
//! No feature is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `cluster` | a Redis Cluster: `RedisLogBuilder::connect_cluster`. A namespace is on one shard. |
//! | `sentinel` | a master that Sentinels name: `RedisLogBuilder::connect_sentinel` |
//! | `tls` | `rediss://` URLs, with the certificates that the system trusts |
//! | `tracing` | events for entries that can't be read, and those of `sse-server` |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod chain;
mod error;
mod log;
mod server;
mod wire;

pub use crate::builder::RedisLogBuilder;
pub use crate::error::ConnectError;
pub use crate::log::RedisLog;

/// Compiles the programs of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
