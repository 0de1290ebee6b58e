//! What operators see of a stream with the feature `tracing`: a span for its life, and an event for what goes wrong.
//! Without the feature there is nothing of it.

use std::fmt;

use super::stalled::Stalled;
use crate::history::Gap;

/// The span of one stream.
pub(crate) struct Trace {
    /// Whether the stream's connection was cut because it took nothing.
    stalled: Option<Stalled>,
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

impl Trace {
    pub(crate) fn watch(&mut self, stalled: Option<Stalled>) {
        self.stalled = stalled;
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if self.stalled.as_ref().is_some_and(Stalled::is_set) {
            self.stalled();
        }
    }
}

#[cfg(feature = "tracing")]
impl Trace {
    pub(crate) fn new(last_event_id: &str, stalled: Option<Stalled>) -> Self {
        Self { stalled, span: tracing::debug_span!("event_stream", last_event_id) }
    }

    /// The subscriber misses messages.
    pub(crate) fn gap(&self, gap: &Gap) {
        tracing::debug!(parent: &self.span, missed = gap.missed, "gap");
    }

    fn stalled(&self) {
        tracing::info!(parent: &self.span, "the peer took nothing until the write deadline: cut");
    }

    /// The user's filter has panicked.
    pub(crate) fn panicked(&self) {
        tracing::error!(parent: &self.span, "the filter panicked: the stream ends");
    }

    pub(crate) fn refused(reason: &'static str) {
        tracing::info!(reason, "subscription refused");
    }
}

#[cfg(not(feature = "tracing"))]
#[expect(clippy::unused_self, reason = "as with the feature")]
impl Trace {
    pub(crate) fn new(_last_event_id: &str, stalled: Option<Stalled>) -> Self {
        Self { stalled }
    }

    pub(crate) fn gap(&self, _gap: &Gap) {}

    fn stalled(&self) {}

    pub(crate) fn panicked(&self) {}

    pub(crate) fn refused(_reason: &'static str) {}
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}
