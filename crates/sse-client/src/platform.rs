//! What depends on the platform: time, boxes of futures, the client, and the bytes of a body.
//!
//! Outside of browsers it uses tokio and hyper, in a browser the browser's timers and `fetch`. No other file depends on
//! the platform.

#[cfg(not(target_family = "wasm"))]
mod client;
#[cfg(not(target_family = "wasm"))]
mod content_encoding;
#[cfg(all(feature = "gzip", not(target_family = "wasm")))]
mod gunzip;
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

/// Returns the instant `duration` after `start`, or 30 years after it if that is sooner: adding more could overflow.
pub(crate) fn later(start: Instant, duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
    start + duration.min(FAR)
}

/// Returns the output of `future`, or `None` if it takes longer than `limit`.
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
