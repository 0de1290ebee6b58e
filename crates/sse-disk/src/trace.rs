//! Logs with the feature `tracing`. Without the feature, these functions are empty.

use std::fmt::Display;
use std::time::Duration;

#[cfg(feature = "tracing")]
mod events {
    use super::{Display, Duration};

    pub(crate) fn damaged(position: u64) {
        tracing::error!(
            position,
            "an entry of the log is damaged and was left out: subscribers get a gap event"
        );
    }

    pub(crate) fn damaged_end(position: u64) {
        tracing::error!(
            position,
            "what is remembered of the end of a topic is damaged: the topic is open again"
        );
    }

    pub(crate) fn unreadable(error: &dyn Display) {
        tracing::error!(%error, "a part of the log can't be read: subscribers get a gap event");
    }

    pub(crate) fn refused(error: &dyn Display) {
        tracing::error!(%error, "messages can't be stored now");
    }

    pub(crate) fn tidying_failed(error: &dyn Display) {
        tracing::warn!(%error, "old entries could not be trimmed, or the log could not be tidied; it is tried again");
    }

    pub(crate) fn tidying_again(lasted: Duration) {
        tracing::info!(?lasted, "old entries are trimmed again, and the log is tidied");
    }
}

#[cfg(not(feature = "tracing"))]
mod events {
    use super::{Display, Duration};

    pub(crate) fn damaged(_position: u64) {}

    pub(crate) fn damaged_end(_position: u64) {}

    pub(crate) fn unreadable(_error: &dyn Display) {}

    pub(crate) fn refused(_error: &dyn Display) {}

    pub(crate) fn tidying_failed(_error: &dyn Display) {}

    pub(crate) fn tidying_again(_lasted: Duration) {}
}

pub(crate) use self::events::*;
