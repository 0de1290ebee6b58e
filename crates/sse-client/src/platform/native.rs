//! Outside of browsers: tokio's timers, and the frames of hyper.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use reqwest::{Request, Response};
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};

pub use std::time::Instant;

/// A trait that is `Send`, except in a browser, where futures stay in their thread.
pub trait MaybeSend: Send {}
impl<T: Send> MaybeSend for T {}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Sends a request.
pub(crate) type SendRequest = dyn Fn(Request) -> BoxFuture<reqwest::Result<Response>> + Send + Sync;

/// Returns the current time of a clock that tests can pause.
pub(crate) fn now() -> Instant {
    TokioInstant::now().into_std()
}

/// Returns the time since 1970.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A timer that is ready at its deadline.
#[derive(Debug)]
pub(crate) struct Timer(Pin<Box<Sleep>>);

impl Timer {
    pub(crate) fn at(deadline: Instant) -> Self {
        Self(Box::pin(sleep_until(deadline.into())))
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline().into_std()
    }

    pub(crate) fn set(&mut self, deadline: Instant) {
        self.0.as_mut().reset(deadline.into());
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// The body of a response.
#[derive(Debug)]
pub(crate) struct Body(reqwest::Body);

impl Body {
    pub(crate) fn new(response: Response) -> Self {
        Self(response.into())
    }

    /// Returns the next chunk, or `None` at the end.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<reqwest::Result<Bytes>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.0).poll_frame(cx)) else { return Poll::Ready(None) };
            match frame.map(Frame::into_data) {
                Ok(Ok(chunk)) => return Poll::Ready(Some(Ok(chunk))),
                // Trailers hold no events.
                Ok(Err(_)) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}
