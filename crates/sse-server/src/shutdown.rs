//! How `serve` tells the streams on its connections to end.
//!
//! A graceful shutdown waits for responses to end, and an event stream does not end by itself. So `serve` puts a
//! [`Shutdown`] into each request, and the subscriber that is made from the request looks at it.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The signal, as it travels with a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shutdown(CancellationToken);

impl Shutdown {
    pub(crate) fn begin(&self) {
        self.0.cancel();
    }

    /// Completes when the shutdown begins.
    pub(crate) async fn begun(&self) {
        self.0.cancelled().await;
    }

    pub(crate) fn ending(&self) -> Ending {
        Ending(Box::pin(self.0.clone().cancelled_owned()))
    }
}

/// The signal, as one subscriber waits for it.
#[derive(Debug)]
pub(crate) struct Ending(Pin<Box<WaitForCancellationFutureOwned>>);

impl Ending {
    /// Ready once the shutdown has begun, also when it is asked again.
    pub(crate) fn poll_begun(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}
