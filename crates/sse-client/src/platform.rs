//! What the platform gives: time, boxes for futures, a client, and the bytes of a body.
//!
//! Natively that is tokio and hyper, in a browser its timers and `fetch`. Nothing else here knows which.

#[cfg(not(target_family = "wasm"))]
mod client;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(not(target_family = "wasm"))]
pub(crate) use client::client;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::*;

#[cfg(not(target_family = "wasm"))]
pub use client::client_builder;
#[cfg(not(target_family = "wasm"))]
pub use native::{Instant, MaybeSend};
#[cfg(target_family = "wasm")]
pub use wasm::{Instant, MaybeSend, client_builder};

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

impl Timer {
    pub(crate) fn after(duration: Duration) -> Self {
        Self::at(later(now(), duration))
    }
}

/// The instant `duration` after `start`, or one that nobody will live to see.
pub(crate) fn later(start: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    start + duration.min(FAR)
}

/// What `future` gives, unless that takes longer than `limit`.
pub(crate) async fn within<F: Future>(limit: Option<Duration>, future: F) -> Option<F::Output> {
    let mut timer = limit.map(Timer::after);
    let mut future = pin!(future);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        match &mut timer {
            Some(timer) => timer.poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}
