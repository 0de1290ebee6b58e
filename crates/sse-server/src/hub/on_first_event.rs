//! The function of the application that is told how long streams waited for their first event.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone)]
pub(crate) struct OnFirstEvent(Arc<dyn Fn(Duration) + Send + Sync>);

impl OnFirstEvent {
    pub(crate) fn new(tell: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// Calls the function. No lock may be held.
    pub(crate) fn tell(&self, waited: Duration) {
        // The thread may write other streams too, and a panic must not end them.
        let _ = catch_unwind(AssertUnwindSafe(|| (self.0)(waited)));
    }
}

impl fmt::Debug for OnFirstEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnFirstEvent")
    }
}
