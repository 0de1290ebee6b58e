//! What operators see of a log with the feature `tracing`. Without the feature there is nothing of it.

use std::time::Duration;

use sse_codec::EventId;

use super::error::LogError;

#[cfg(feature = "tracing")]
mod events {
    use super::{Duration, EventId, LogError};

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

    pub(crate) fn log_lost(id: &EventId<'_>) {
        tracing::error!(%id, "what followed the event with this id is lost: all subscribers are told of a gap");
    }

    pub(crate) fn stopped() {
        tracing::error!("the log is not followed any more: its runtime has ended, or it has panicked");
    }
}

#[cfg(not(feature = "tracing"))]
mod events {
    use super::{Duration, EventId, LogError};

    pub(crate) fn append_failed(_error: &LogError, _pause: Duration) {}

    pub(crate) fn gave_up(_error: &LogError, _messages: usize) {}

    pub(crate) fn read_failed(_error: &LogError, _pause: Duration) {}

    pub(crate) fn following_failed(_error: &LogError, _pause: Duration) {}

    pub(crate) fn following_again() {}

    pub(crate) fn log_lost(_id: &EventId<'_>) {}

    pub(crate) fn stopped() {}
}

pub(crate) use self::events::*;
