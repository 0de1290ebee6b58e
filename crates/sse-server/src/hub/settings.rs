//! The settings of a route for its subscribers.

use std::ops::RangeInclusive;
use std::time::Duration;

use sse_codec::EventType;

use super::heartbeat;
use super::on_first_event::OnFirstEvent;
use crate::history::Bounds;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) bounds: Bounds,
    pub(crate) lag_policy: LagPolicy,
    pub(crate) heartbeat: Option<Duration>,
    pub(crate) reconnection_time: Option<RangeInclusive<Duration>>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) gap_event_type: EventType<'static>,
    pub(crate) max_subscribers: usize,
    pub(crate) max_subscribers_per_client: usize,
    pub(crate) query_parameter: Option<Box<str>>,
    pub(crate) proxy_headers: bool,
    pub(crate) on_first_event: Option<OnFirstEvent>,
}

/// What happens to a connected subscriber that lags so far that its next message was evicted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LagPolicy {
    /// It gets a gap event, and goes on at the oldest kept message. With a [log](crate::TopicsBuilder::build_on), it
    /// gets the evicted messages from the log, and a gap event only if the log does not have them any more.
    #[default]
    Gap,
    /// Its stream ends. When its client comes back, it gets the gap event.
    Disconnect,
    /// It gets the newest message of each [key](crate::Publication::key). It gets a gap event only if it missed a
    /// message that no later message with the same key replaces. For this, the newest message of each key is kept after
    /// the history has evicted it. The number of such messages is at most the number of messages in the
    /// [history](crate::RouteBuilder::history).
    LatestPerKey,
}

impl LagPolicy {
    pub(crate) fn is_latest_per_key(self) -> bool {
        self == Self::LatestPerKey
    }
}

impl Settings {
    /// Returns a time for a client to wait before it reconnects.
    pub(crate) fn any_reconnection_time(&self) -> Option<Duration> {
        let range = self.reconnection_time.as_ref()?;
        let spread = range.end().saturating_sub(*range.start());
        Some(*range.start() + spread.mul_f64(fastrand::f64()))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bounds: Bounds { messages: 1024, bytes: 16 * 1024 * 1024, age: None, burst: 1024 * 1024 },
            lag_policy: LagPolicy::Gap,
            heartbeat: Some(heartbeat::DEFAULT),
            reconnection_time: Some(Duration::from_secs(2)..=Duration::from_secs(4)),
            max_age: None,
            gap_event_type: const { EventType::from_static("gap") },
            max_subscribers: usize::MAX,
            max_subscribers_per_client: usize::MAX,
            query_parameter: Some("lastEventId".into()),
            proxy_headers: true,
            on_first_event: None,
        }
    }
}
