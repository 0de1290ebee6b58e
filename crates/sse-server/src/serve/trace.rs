//! What a listener counts, and logs with the feature `tracing`. Without the feature, the logging functions are empty.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use super::counts::ConnectionCounts;

/// Whether connections can be accepted. Each change is logged once, however often the listener tries again.
#[derive(Debug, Default)]
pub(crate) struct Accepting {
    is_failing: AtomicBool,
    counts: ConnectionCounts,
}

impl Accepting {
    /// Counts failures here.
    pub(crate) fn count_in(&mut self, counts: &ConnectionCounts) {
        self.counts = counts.clone();
    }

    /// A connection was accepted.
    pub(crate) fn succeeded(&self) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            again();
        }
    }

    /// The system has no file left for a connection.
    pub(crate) fn failed(&self, error: &io::Error) {
        self.counts.failed();
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            failing(error);
        }
    }
}

#[cfg(feature = "tracing")]
fn failing(error: &io::Error) {
    tracing::error!(%error, "no connection can be accepted: raise the limit of open files, or allow fewer subscribers");
}

#[cfg(feature = "tracing")]
fn again() {
    tracing::info!("connections are accepted again");
}

#[cfg(not(feature = "tracing"))]
fn failing(_: &io::Error) {}

#[cfg(not(feature = "tracing"))]
fn again() {}
