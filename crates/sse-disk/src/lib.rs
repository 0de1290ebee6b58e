//! A log for the event streams of `sse-server`, in a directory of the local disk. Clients resume after a restart, a new
//! version or a crash of the process, with the ids that they have. No other server is needed.
//!
//! ```no_run
//! use sse_disk::DiskLog;
//! use sse_server::{Message, Topics, serve};
//! use tokio::net::TcpListener;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let log = DiskLog::open("/var/lib/shop/events")?;
//!     // Everything else is the same as without a log.
//!     let topics = Topics::builder().build_on(log).await?;
//!     let prices = topics.route("prices")?;
//!     // `stored` waits until the message is on the disk. You need not call it.
//!     prices.publish(&Message::new("7"))?.stored().await?;
//!     serve(TcpListener::bind("127.0.0.1:8080").await?, prices).await;
//!     Ok(())
//! }
//! ```
//!
//! [The promise](sse_server#the-promise) of `sse-server` holds across restarts. `docs/disk.md` in the repository says what
//! each failure looks like, and why the log uses SQLite.
//!
//! # What is on the disk
//!
//! The log is a database of SQLite: the file `log.db`, and `log.db-wal` while the log is open. To make a backup, use SQLite's
//! `VACUUM INTO`, or copy both files while no process has the log open. Each entry has a checksum. A damaged entry is left
//! out, and subscribers get a gap event.
//!
//! - **One process** at a time can open a directory. The next one gets [`OpenErrorKind::InUse`]. For several machines, use
//!   `sse-redis`. The directory must be on a local disk, because network file systems do not lock reliably.
//! - **How much is kept** is a setting of [`DiskLogBuilder`]: bytes (1 GiB by default), entries and age of the whole log, and
//!   messages and bytes of each topic. The space of trimmed entries is used again, and some of it is given back if much is
//!   free.
//! - **When messages are flushed** to the disk is a setting, too: [`Durability`].
//!
//! [`DiskReader`] lists, reads and checks the history in a directory that no process has open, and changes nothing. The
//! program `sse log` does the same from the command line.
//!
//! # Features
//!
//! No feature is on by default.
//!
//! | feature | what it adds |
//! |---|---|
//! | `tracing` | events for damaged entries and for failures of the disk, and those of `sse-server` |
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod error;
mod log;
mod reader;
mod store;
mod tail;
mod trace;
mod worker;

pub use crate::builder::{DiskLogBuilder, Durability};
pub use crate::error::{DiskRefusal, OpenError, OpenErrorKind};
pub use crate::log::DiskLog;
pub use crate::reader::{DiskCheck, DiskFault, DiskReader, DiskTopic};
pub use crate::worker::DiskStats;

/// Compiles the program of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
