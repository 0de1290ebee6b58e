//! An open connection, as it is counted: by its source, and by the reactor while it has a stream there.

use std::sync::Arc;

use super::counts::ConnectionCounts;
use super::live::Live;

/// What the connections of one source have in common.
#[derive(Debug)]
pub(crate) struct Origin {
    counts: ConnectionCounts,
    /// The streams of the reactor, of all sources.
    live: Live,
}

/// Counts one open connection until it is dropped.
#[derive(Debug)]
pub(crate) struct Open(Arc<Origin>);

/// Counts one stream of the reactor, and its connection, until it is dropped. It is one word, because there are many.
#[derive(Debug)]
pub(crate) struct Alive(Option<Open>);

impl Origin {
    pub(crate) fn new(counts: ConnectionCounts, live: Live) -> Arc<Self> {
        Arc::new(Self { counts, live })
    }

    /// Counts one more connection.
    pub(crate) fn accept(self: &Arc<Self>) -> Open {
        self.counts.accepted();
        Open(self.clone())
    }
}

impl Open {
    pub(crate) fn counts(&self) -> &ConnectionCounts {
        &self.0.counts
    }

    /// Counts a stream of the connection.
    pub(crate) fn stream(self) -> Alive {
        self.0.live.begin();
        Alive(Some(self))
    }
}

impl Alive {
    /// Returns the connection after its stream.
    pub(crate) fn into_open(mut self) -> Option<Open> {
        let open = self.0.take()?;
        open.0.live.end();
        Some(open)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counts.closed();
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        if let Some(open) = &self.0 {
            open.0.live.end();
        }
    }
}
