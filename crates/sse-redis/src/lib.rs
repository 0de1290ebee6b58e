#![doc = include_str!("../README.md")]
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
