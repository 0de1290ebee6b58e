#![doc = include_str!("../README.md")]
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
