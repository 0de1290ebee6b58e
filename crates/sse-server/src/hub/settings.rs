//! How a route treats its subscribers.

use std::ops::RangeInclusive;
use std::time::Duration;

use sse_codec::EventType;

use super::heartbeat;
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
}

/// What happens to a connected subscriber that lags so far that what it should get next is no longer kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LagPolicy {
    /// It gets a gap event, and goes on at the oldest message that is kept. With a
    /// [log](crate::TopicsBuilder::build_on), it gets what it missed from there, and a gap event only if the log does not
    /// have it any more.
    #[default]
    Gap,
    /// Its stream ends. When it comes back, it gets the gap event.
    Disconnect,
    /// It gets the newest message of each [key](crate::Publication::key), and a gap event only if it missed a message
    /// that no later message with the same key replaces. For this, the newest message of each key is kept when the
    /// history has no room for it any more, up to as many such messages as the
    /// [history](crate::RouteBuilder::history) holds.
    LatestPerKey,
}

impl LagPolicy {
    pub(crate) fn is_latest_per_key(self) -> bool {
        self == Self::LatestPerKey
    }
}

impl Settings {
    /// A time for a subscriber to wait before it reconnects.
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
        }
    }
}
