//! In a browser: its timers, and the streams of `fetch`.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use gloo_timers::future::TimeoutFuture;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Request, Response};
use web_time::{SystemTime, UNIX_EPOCH};

use crate::error::Error;

pub use web_time::Instant;

/// A trait that is `Send`, except in a browser, where futures stay in their thread.
pub trait MaybeSend {}
impl<T> MaybeSend for T {}

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// Sends a request.
pub(crate) type SendRequest = dyn Fn(Request) -> BoxFuture<reqwest::Result<Response>>;

/// Returns a client. Its redirects are followed by `fetch`, because a browser allows nothing else.
pub(crate) fn client() -> reqwest::Result<Client> {
    client_builder().build()
}

/// Returns a builder of a reqwest client. In a browser there is nothing to set.
pub fn client_builder() -> ClientBuilder {
    Client::builder()
}

/// Returns the current time.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns the time since 1970.
pub(crate) fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A timer that is ready at its deadline.
#[derive(Debug)]
pub(crate) struct Timer {
    deadline: Instant,
    timeout: TimeoutFuture,
}

impl Timer {
    pub(crate) fn at(deadline: Instant) -> Self {
        Self { deadline, timeout: timeout(deadline) }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(crate) fn set(&mut self, deadline: Instant) {
        *self = Self::at(deadline);
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(Pin::new(&mut self.timeout).poll(cx));
            if now() >= self.deadline {
                return Poll::Ready(());
            }
            self.timeout = timeout(self.deadline);
        }
    }
}

/// Returns a time-out at the deadline, or after 2^31 - 1 ms, the longest time of `setTimeout`, if that is sooner.
fn timeout(deadline: Instant) -> TimeoutFuture {
    const LONGEST: u32 = i32::MAX as u32;
    // The browser cuts off fractions of a millisecond. With one millisecond more, the time-out is never early.
    let millis = deadline.saturating_duration_since(now()).as_millis().saturating_add(1);
    TimeoutFuture::new(u32::try_from(millis).map_or(LONGEST, |millis| millis.min(LONGEST)))
}

/// The body of a response.
pub(crate) struct Body(Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>>>>);

impl Body {
    pub(crate) fn new(response: Response) -> Self {
        Self(Box::pin(response.bytes_stream()))
    }

    /// Returns the next chunk, or `None` at the end.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        self.0.as_mut().poll_next(cx).map(|chunk| chunk.map(|chunk| chunk.map_err(Error::from_reading)))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

/// Returns false, because `fetch` decompresses every body, also if the headers still say that it is compressed.
pub(crate) fn stays_compressed(_: &HeaderMap) -> bool {
    false
}
