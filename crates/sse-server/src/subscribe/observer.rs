//! Reports how a stream has ended, and what was sent on it.

use std::fmt;

use super::shutdown::Signals;
use super::stalled::Stalled;
use crate::sync::Exclusive;

/// How a stream has ended, and how much of it was passed to its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Why the stream has ended.
    pub reason: EndReason,
    /// How many events of its topics were sent. Gap events and snapshots are not counted.
    pub events: u64,
    /// How many bytes of the body were sent, including heartbeats.
    pub bytes: u64,
}

/// Why a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The client has closed the connection, or the connection has failed.
    ClientGone,
    /// The connection took no byte until the [write deadline](crate::Listener::write_deadline).
    WriteDeadline,
    /// The stream has reached its [maximum age](crate::Subscription::max_age).
    MaxAge,
    /// A future of [`Subscription::until`](crate::Subscription::until) has completed.
    Until,
    /// The streams of its client were [ended](crate::Route::end_client).
    ClientEnded,
    /// Its topics have ended.
    TopicClosed,
    /// The subscriber lagged, and [`LagPolicy::Disconnect`](crate::LagPolicy::Disconnect) disconnects such subscribers.
    Lagged,
    /// Its server is shutting down.
    Shutdown,
    /// A filter, or another function of the application for this stream, has panicked.
    FilterPanicked,
}

/// A function that is called when a stream has ended.
pub(crate) type Tell = Box<dyn FnOnce(Ended) + Send>;

/// The observer of one stream.
pub(crate) struct Observer {
    /// `None` after it has been called.
    tell: Option<Exclusive<Tell>>,
    /// Why the stream ends, when that is known.
    reason: Option<EndReason>,
    events: u64,
    bytes: u64,
    /// The shutdowns that may be the reason, if the stream did not end by itself.
    signals: Signals,
    stalled: Option<Stalled>,
}

impl Observer {
    pub(crate) fn new(tell: Tell, signals: Signals, stalled: Option<Stalled>) -> Self {
        Self { tell: Some(Exclusive::new(tell)), reason: None, events: 0, bytes: 0, signals, stalled }
    }

    pub(crate) fn watch(&mut self, stalled: Option<Stalled>) {
        self.stalled = stalled;
    }

    pub(crate) fn count(&mut self, events: u64, bytes: u64) {
        self.events += events;
        self.bytes += bytes;
    }

    /// Notes why the stream ends. The first reason counts.
    pub(crate) fn ends(&mut self, reason: EndReason) {
        self.reason.get_or_insert(reason);
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        let Some(tell) = self.tell.take() else { return };
        let is_stalled = self.stalled.as_ref().is_some_and(Stalled::is_set);
        let reason = self.reason.unwrap_or_else(|| match () {
            () if is_stalled => EndReason::WriteDeadline,
            // The stream was cut after the grace of the shutdown.
            () if self.signals.have_begun() => EndReason::Shutdown,
            () => EndReason::ClientGone,
        });
        tell.into_inner()(Ended { reason, events: self.events, bytes: self.bytes });
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("reason", &self.reason).finish_non_exhaustive()
    }
}
