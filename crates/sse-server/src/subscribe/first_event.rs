//! How long a stream waits for its first event.

use std::num::NonZeroU64;
use std::time::Duration;

use http::Extensions;
use tokio::time::Instant;

use crate::hub::Hub;

/// When a request arrived. It is in the extensions of the requests of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrived(pub(crate) Instant);

/// A stream that has had no event, if the application wants to know how long it waits.
///
/// It is one number, because many streams may never get an event: the time at which the request arrived, as
/// [`clock`] tells it.
#[derive(Debug, Default)]
pub(crate) struct FirstEvent(Option<NonZeroU64>);

impl FirstEvent {
    /// Waits for the first event of the stream of a request.
    pub(crate) fn awaited(hub: &Hub, request: &Extensions) -> Self {
        if hub.settings().on_first_event.is_none() {
            return Self::default();
        }
        let arrived = request.get().map_or_else(Instant::now, |Arrived(at)| *at);
        Self(NonZeroU64::new(clock(hub, arrived)))
    }

    /// Notes that events were sent. The application is told of the first ones. No lock may be held.
    pub(crate) fn sent(&mut self, hub: &Hub) {
        if let Some(arrived) = self.0.take() {
            tell(hub, arrived.get());
        }
    }
}

#[cold]
fn tell(hub: &Hub, arrived: u64) {
    let waited = clock(hub, Instant::now()).saturating_sub(arrived);
    if let Some(on_first_event) = &hub.settings().on_first_event {
        on_first_event.tell(Duration::from_micros(waited));
    }
}

/// Returns a time in microseconds. The clock begins long before the hub, because a hub may be younger than the request.
fn clock(hub: &Hub, at: Instant) -> u64 {
    /// The time at which the hub was made.
    const START: u64 = 1 << 63;

    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let (after, before) =
        (at.saturating_duration_since(hub.started()), hub.started().saturating_duration_since(at));
    START.saturating_add(micros(after)).saturating_sub(micros(before))
}
