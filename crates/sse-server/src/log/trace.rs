//! Logs the state of a log with the feature `tracing`. Without the feature, these functions are empty.
//!
//! An outage is logged when it begins, while it lasts, and when it ends. Each failed attempt is logged for debugging only.

use std::time::Duration;

use sse_codec::EventId;

use super::error::LogError;

#[cfg(feature = "tracing")]
mod events {
    use super::{Duration, EventId, LogError};

    pub(crate) fn attempt_failed(error: &LogError, pause: Duration) {
        tracing::debug!(%error, ?pause, "an attempt to reach the log has failed");
    }

    pub(crate) fn appending_fails(error: &LogError, lasted: Duration) {
        if lasted.is_zero() {
            tracing::warn!(%error, "messages can't be appended to the log, and wait");
        } else {
            tracing::warn!(%error, ?lasted, "messages still can't be appended to the log");
        }
    }

    pub(crate) fn appending_again(lasted: Duration, given_up: u64) {
        tracing::info!(?lasted, given_up, "messages are appended to the log again");
    }

    pub(crate) fn gave_up(error: &LogError, given_up: u64) {
        tracing::error!(%error, given_up, "messages were not appended to the log in time, and are given up");
    }

    pub(crate) fn reading_fails(error: &LogError, lasted: Duration) {
        if lasted.is_zero() {
            tracing::warn!(%error, "the log can't be read for subscribers that resume; it is tried again");
        } else {
            tracing::warn!(%error, ?lasted, "the log still can't be read");
        }
    }

    pub(crate) fn reading_again(lasted: Duration) {
        tracing::info!(?lasted, "the log is read again");
    }

    pub(crate) fn following_fails(error: &LogError, lasted: Duration) {
        if lasted.is_zero() {
            tracing::warn!(%error, "the log can't be followed, so subscribers get nothing new; it is tried again");
        } else {
            tracing::warn!(%error, ?lasted, "the log still can't be followed");
        }
    }

    pub(crate) fn following_again(lasted: Duration) {
        tracing::info!(?lasted, "the log is followed again");
    }

    pub(crate) fn log_lost(id: &EventId<'_>) {
        tracing::error!(%id, "the log has lost the entries after this id: all subscribers get a gap event");
    }

    pub(crate) fn stopped() {
        tracing::error!("the log is not followed any more: its runtime has ended, or it has panicked");
    }
}

#[cfg(not(feature = "tracing"))]
mod events {
    use super::{Duration, EventId, LogError};

    pub(crate) fn attempt_failed(_error: &LogError, _pause: Duration) {}

    pub(crate) fn appending_fails(_error: &LogError, _lasted: Duration) {}

    pub(crate) fn appending_again(_lasted: Duration, _given_up: u64) {}

    pub(crate) fn gave_up(_error: &LogError, _given_up: u64) {}

    pub(crate) fn reading_fails(_error: &LogError, _lasted: Duration) {}

    pub(crate) fn reading_again(_lasted: Duration) {}

    pub(crate) fn following_fails(_error: &LogError, _lasted: Duration) {}

    pub(crate) fn following_again(_lasted: Duration) {}

    pub(crate) fn log_lost(_id: &EventId<'_>) {}

    pub(crate) fn stopped() {}
}

pub(crate) use self::events::*;
