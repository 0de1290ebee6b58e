//! The servers, each doing the same job: what is published goes to every open connection, by HTTP/1.1 in chunks.
//!
//! All run on one thread, send without delay (`TCP_NODELAY`), and never send anything but events.

mod actix;
mod axum;
mod commands;
mod epoll;
mod ours;
mod redis;

use crate::{Result, process, system};

/// A server to be measured.
pub(crate) struct Contender {
    /// How it is called on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Whether it needs a Redis server beside it.
    pub(crate) needs_redis: bool,
    /// Serves until standard input ends.
    run: fn() -> Result<()>,
}

/// The floor, ours, then the peers, and ours with a log.
pub(crate) const ALL: [Contender; 5] = [
    Contender { name: "epoll", title: "bare epoll", needs_redis: false, run: epoll::run },
    Contender { name: "ours", title: "sse-server", needs_redis: false, run: ours::run },
    Contender { name: "axum", title: "axum 0.8", needs_redis: false, run: axum::run },
    Contender { name: "actix", title: "actix-web 4", needs_redis: false, run: actix::run },
    Contender { name: "redis", title: "sse-server and Redis", needs_redis: true, run: redis::run },
];

/// How many events a server keeps for a subscriber that lags, where it is for the server to say.
const HISTORY: usize = 256;

/// Is the server under test, until standard input ends.
pub(crate) fn serve(contender: &Contender) -> Result<()> {
    process::pin(system::SERVER_CPU)?;
    (contender.run)()
}
