//! The mark of a connection that was cut by its write deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the write deadline of a connection has passed. It is in the extensions of the connection's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stalled(Arc<AtomicBool>);

impl Stalled {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
