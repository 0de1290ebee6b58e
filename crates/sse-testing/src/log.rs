//! A conformance suite for implementations of [`Log`](sse_server::log::Log), and a log in memory.
//!
//! [`check`], [`check_trimming`] and [`check_evicting`] test a log of your own. [`MemoryLog`] is a log for tests of a program
//! that has several replicas:
//!
//! ```
//! use sse_server::{Message, Topics};
//! use sse_testing::log::MemoryLog;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let log = MemoryLog::new();
//! let here = Topics::builder().build_on(log.clone()).await?;
//! let there = Topics::builder().build_on(log.clone()).await?;
//!
//! here.route("news")?.publish(&Message::new("rain"))?.stored().await?;
//! assert_eq!(log.len(), 1);
//! # drop(there);
//! # Ok(())
//! # }
//! ```

mod checked;
mod memory;
mod rules;

pub use self::memory::MemoryLog;
pub use self::rules::{check, check_evicting, check_trimming};
