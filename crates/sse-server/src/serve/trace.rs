//! What operators see of a listener with the feature `tracing`. Without the feature there is nothing of it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether connections can be accepted. Each change is told once, however often it is tried again.
#[derive(Debug, Default)]
pub(crate) struct Accepting {
    is_failing: AtomicBool,
}

impl Accepting {
    /// A connection was accepted.
    pub(crate) fn succeeded(&self) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            again();
        }
    }

    /// The system has nothing left for a connection.
    pub(crate) fn failed(&self, error: &io::Error) {
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
