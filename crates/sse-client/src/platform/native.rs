//! Outside of browsers: tokio's timers, and the frames of hyper.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body::{Body as _, Frame};
use reqwest::header::HeaderMap;
use reqwest::{Request, Response};
use tokio::time::{Instant as TokioInstant, Sleep, sleep_until};

use super::content_encoding::Compression;
#[cfg(feature = "gzip")]
use super::gunzip::Gunzip;
use crate::error::Error;

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

/// The body of a response, which is decompressed if it is compressed once by gzip.
#[derive(Debug)]
pub(crate) struct Body {
    frames: reqwest::Body,
    #[cfg(feature = "gzip")]
    gunzip: Option<Box<Gunzip>>,
}

impl Body {
    pub(crate) fn new(response: Response) -> Self {
        #[cfg(feature = "gzip")]
        let gunzip = match Compression::of(response.headers()) {
            Compression::Gzip => Some(Box::new(Gunzip::new())),
            Compression::None | Compression::Other => None,
        };
        Self {
            frames: response.into(),
            #[cfg(feature = "gzip")]
            gunzip,
        }
    }

    /// Returns the next chunk, or `None` at the end.
    pub(crate) fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        #[cfg(feature = "gzip")]
        if let Some(gunzip) = &mut self.gunzip {
            return poll_decompressed(gunzip, &mut self.frames, cx);
        }
        poll_data(&mut self.frames, cx)
    }
}

#[cfg(feature = "gzip")]
fn poll_decompressed(
    gunzip: &mut Gunzip,
    frames: &mut reqwest::Body,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, Error>>> {
    loop {
        if let Some(bytes) = gunzip.next().map_err(Error::from_decompressing).transpose() {
            return Poll::Ready(Some(bytes));
        }
        match ready!(poll_data(frames, cx)) {
            Some(Ok(chunk)) => gunzip.push(chunk),
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {
                return Poll::Ready(gunzip.finish().err().map(|error| Err(Error::from_decompressing(error))));
            }
        }
    }
}

/// Returns the data of the next frame that has data.
fn poll_data(frames: &mut reqwest::Body, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
    loop {
        let Some(frame) = ready!(Pin::new(&mut *frames).poll_frame(cx)) else { return Poll::Ready(None) };
        match frame.map(Frame::into_data) {
            Ok(Ok(chunk)) => return Poll::Ready(Some(Ok(chunk))),
            // Trailers hold no events.
            Ok(Err(_)) => {}
            Err(error) => return Poll::Ready(Some(Err(Error::from_reading(error)))),
        }
    }
}

/// Returns true if [`Body`] can't decompress a body with these headers.
pub(crate) fn stays_compressed(headers: &HeaderMap) -> bool {
    match Compression::of(headers) {
        Compression::None => false,
        Compression::Gzip => cfg!(not(feature = "gzip")),
        Compression::Other => true,
    }
}
