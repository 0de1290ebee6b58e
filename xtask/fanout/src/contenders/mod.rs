//! The servers, each doing the same job: what is published goes to every open connection, by HTTP/1.1 in chunks.
//!
//! All run on one thread, send without delay (`TCP_NODELAY`), and never send anything but events.

mod actix;
mod axum;
mod commands;
mod epoll;
mod ours;

use crate::{Result, process, system};

/// A server to be measured.
pub(crate) struct Contender {
    /// How it is called on the command line.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// Serves until standard input ends.
    run: fn() -> Result<()>,
}

/// The floor, ours, then the peers.
pub(crate) const ALL: [Contender; 4] = [
    Contender { name: "epoll", title: "bare epoll", run: epoll::run },
    Contender { name: "ours", title: "sse-server", run: ours::run },
    Contender { name: "axum", title: "axum 0.8", run: axum::run },
    Contender { name: "actix", title: "actix-web 4", run: actix::run },
];

/// How many events a server keeps for a subscriber that lags, where it is for the server to say.
const HISTORY: usize = 256;

/// Is the server under test, until standard input ends.
pub(crate) fn serve(contender: &Contender) -> Result<()> {
    process::pin(system::SERVER_CPU)?;
    (contender.run)()
}
