//! How a server tells the event streams on its connections to end.
//!
//! A graceful shutdown waits for responses to end, and an event stream does not end by itself. So a [`Shutdown`]
//! travels in the extensions of each request, and the subscriber that is made from the request looks at it.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// The signal by which event streams end, when their server shuts down.
///
/// [`serve`](crate::serve) does all this by itself. Another server puts the signal into the
/// [extensions](http::Extensions) of its requests; with axum, by a layer of `Extension(shutdown.clone())`. It is a
/// handle: clones are the same signal.
///
/// ```
/// use http::Request;
/// use sse_server::{Route, Shutdown};
///
/// let shutdown = Shutdown::new();
/// let request = Request::get("/events").extension(shutdown.clone()).body(()).unwrap();
/// let response = Route::new().respond(&request);
/// // Its body ends, behind what has been published until then.
/// shutdown.begin();
/// ```
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A signal that has not been given.
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the signal: streams end behind what has been published, and their clients come back elsewhere.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Completes when the signal is given.
    pub async fn begun(&self) {
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
