#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// What features of other crates bring is always here.
#![cfg_attr(
    docsrs,
    allow(unexpected_cfgs),
    doc(auto_cfg(hide(feature = "alloc", feature = "bytes", feature = "std")))
)]

mod block;
pub mod cuts;
mod http1;
pub mod log;
mod server;
pub mod simulation;
mod subscriber;

use std::time::Duration;

pub use sse_codec::Event;

pub use crate::block::field;
pub use crate::http1::ChunkedResponse;
pub use crate::server::{Answer, Request, Server};
pub use crate::subscriber::{Subscriber, request, subscribe};

/// How long a test waits for what comes at once unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);
