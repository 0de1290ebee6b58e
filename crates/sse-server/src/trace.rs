//! What operators see of a stream with the feature `tracing`: a span for its life, and an event for what goes wrong.
//! Without the feature there is nothing of it.

use std::fmt;

use std::time::Duration;

use crate::cursor::Gap;
use crate::log::LogError;

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

    /// The subscriber misses messages.
    pub(crate) fn gap(&self, gap: &Gap) {
        tracing::debug!(parent: &self.span, missed = gap.missed, "gap");
    }

    /// The connection was cut because it took nothing.
    pub(crate) fn stalled(&self) {
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
    pub(crate) fn new(_last_event_id: &str) -> Self {
        Self {}
    }

    pub(crate) fn gap(&self, _gap: &Gap) {}

    pub(crate) fn stalled(&self) {}

    pub(crate) fn panicked(&self) {}

    pub(crate) fn refused(_reason: &'static str) {}
}

/// What operators see of a log.
#[cfg(feature = "tracing")]
mod log {
    use super::{Duration, LogError};

    pub(crate) fn append_failed(error: &LogError, pause: Duration) {
        tracing::warn!(%error, ?pause, "messages could not be appended to the log; they are appended again");
    }

    pub(crate) fn gave_up(error: &LogError, messages: usize) {
        tracing::error!(%error, messages, "messages could not be appended to the log, and are given up");
    }

    pub(crate) fn read_failed(error: &LogError, pause: Duration) {
        tracing::warn!(%error, ?pause, "the log could not be read; it is asked again");
    }

    pub(crate) fn following_failed(error: &LogError, pause: Duration) {
        tracing::warn!(%error, ?pause, "the log can't be followed; it is tried again");
    }

    pub(crate) fn following_again() {
        tracing::info!("the log is followed again");
    }

    pub(crate) fn log_lost(position: u64) {
        tracing::error!(position, "what followed this position is lost: all subscribers are told of a gap");
    }

    pub(crate) fn stopped() {
        tracing::error!("the log is not followed any more: its runtime has ended, or it has panicked");
    }
}

#[cfg(not(feature = "tracing"))]
mod log {
    use super::{Duration, LogError};

    pub(crate) fn append_failed(_error: &LogError, _pause: Duration) {}

    pub(crate) fn gave_up(_error: &LogError, _messages: usize) {}

    pub(crate) fn read_failed(_error: &LogError, _pause: Duration) {}

    pub(crate) fn following_failed(_error: &LogError, _pause: Duration) {}

    pub(crate) fn following_again() {}

    pub(crate) fn log_lost(_position: u64) {}

    pub(crate) fn stopped() {}
}

pub(crate) use self::log::*;

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trace")
    }
}
