//! Counts the streams that the reactor of a server has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The number of streams.
#[derive(Clone, Debug, Default)]
pub(crate) struct Live(Arc<Count>);

#[derive(Debug, Default)]
struct Count {
    streams: AtomicUsize,
    none_left: Notify,
}

impl Live {
    /// Counts one more stream.
    pub(crate) fn begin(&self) {
        self.0.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one stream less.
    pub(crate) fn end(&self) {
        if self.0.streams.fetch_sub(1, Ordering::Release) == 1 {
            self.0.none_left.notify_waiters();
        }
    }

    /// Completes when there is no stream.
    pub(crate) async fn none_left(&self) {
        loop {
            // Created before the number is read, so that it hears of all later changes.
            let none_left = self.0.none_left.notified();
            if self.0.streams.load(Ordering::Acquire) == 0 {
                return;
            }
            none_left.await;
        }
    }
}
