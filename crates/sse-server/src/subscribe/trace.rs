//! What operators see of a stream with the feature `tracing`: a span for its life, and an event for what goes wrong.
//! Without the feature there is nothing of it.

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

    /// That of a stream that nobody watches.
    pub(crate) fn unseen() -> Self {
        Self { span: tracing::Span::none() }
    }

    /// Whether anybody sees the span.
    pub(crate) fn is_seen(&self) -> bool {
        !self.span.is_disabled()
    }

    /// The subscriber misses messages.
    pub(crate) fn gap(&self, gap: &Gap) {
        tracing::debug!(parent: &self.span, missed = gap.missed, "gap");
    }

    /// The connection of a subscriber to these topics was cut.
    pub(crate) fn stalled<'n>(mut topics: impl ExactSizeIterator<Item = &'n str>) {
        let (first, others) = (topics.next().unwrap_or_default(), topics.len());
        let others = (others > 0).then_some(others);
        tracing::info!(topic = first, others, "the peer took nothing until the write deadline: cut");
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
