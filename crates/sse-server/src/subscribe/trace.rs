//! Logs the life of a stream with the feature `tracing`: a span for each stream, and events for what goes wrong.
//! Without the feature, these functions are empty.

use std::fmt;

use crate::history::Gap;

/// The span of one stream.
pub(crate) struct Trace {
    #[cfg(feature = "tracing")]
    span: tracing::Span,
}

#[cfg(feature = "tracing")]
impl Trace {
    pub(crate) fn new(last_event_id: &str) -> Self {
        Self { span: tracing::debug_span!("event_stream", last_event_id) }
    }

    /// Returns the span of a stream that nobody watches.
    pub(crate) fn unseen() -> Self {
        Self { span: tracing::Span::none() }
    }

    /// Returns whether anybody watches the span.
    pub(crate) fn is_seen(&self) -> bool {
        !self.span.is_disabled()
    }

    /// The subscriber misses messages.
    pub(crate) fn gap(&self, gap: &Gap) {
        tracing::debug!(parent: &self.span, missed = gap.missed, "gap");
    }

    /// Logs that the connection of a subscriber to these topics was cut.
    pub(crate) fn stalled<'n>(mut topics: impl ExactSizeIterator<Item = &'n str>) {
        let (first, others) = (topics.next().unwrap_or_default(), topics.len());
        let others = (others > 0).then_some(others);
        tracing::info!(
            topic = first,
            others,
            "the connection was cut: the peer took no byte until the write deadline"
        );
    }

    /// Logs that a function of the user's has panicked.
    pub(crate) fn panicked(&self) {
        tracing::error!(parent: &self.span, "the filter or another function of the stream panicked: the stream ends");
    }

    pub(crate) fn refused(reason: &'static str) {
        tracing::info!(reason, "subscription refused");
    }
}

#[cfg(not(feature = "tracing"))]
#[expect(clippy::unused_self, reason = "as with the feature")]
impl Trace {
    pub(crate) fn new(_last_event_id: &str) -> Self {
        Self {}
    }

    pub(crate) fn unseen() -> Self {
        Self {}
    }

    pub(crate) fn is_seen(&self) -> bool {
        false
    }

    pub(crate) fn gap(&self, _gap: &Gap) {}

    pub(crate) fn stalled<'n>(_topics: impl ExactSizeIterator<Item = &'n str>) {}

    pub(crate) fn panicked(&self) {}

    pub(crate) fn refused(_reason: &'static str) {}
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}
