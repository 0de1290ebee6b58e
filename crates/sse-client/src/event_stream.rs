//! The events of one response.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use reqwest::Response;
use sse_codec::{Decoder, Event};

use crate::chunks::Chunks;
use crate::error::Error;
use crate::response;

/// The events of one [`reqwest::Response`]. It never reconnects.
///
/// This is the reader for LLM APIs and other streams that are asked for once:
///
/// ```no_run
/// use sse_client::EventStream;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let response = reqwest::Client::new().post("https://example.com/chat").body("{}").send().await?;
/// let mut events = EventStream::new(response)?;
/// while let Some(event) = events.next().await {
///     println!("{}", event?.data());
/// }
/// # Ok(())
/// # }
/// ```
///
/// After [`Error::TooLarge`] it goes on with the next event; any other error is followed by the end.
#[derive(Debug)]
#[must_use = "nothing is read unless it is polled"]
pub struct EventStream {
    /// `None` after the end.
    chunks: Option<Chunks>,
    decoder: Decoder,
}

impl EventStream {
    /// Reads the events of `response`, each up to 16 MiB.
    ///
    /// # Errors
    ///
    /// [`Error::Status`] if it is not 200, [`Error::ContentType`] if it is not `text/event-stream`.
    pub fn new(response: Response) -> Result<Self, Error> {
        Self::with_decoder(response, Decoder::new())
    }

    /// Reads the events of `response` with a decoder of the caller's: one with another limit, or with a last event ID.
    /// What it has begun to read elsewhere is dropped.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_decoder(response: Response, mut decoder: Decoder) -> Result<Self, Error> {
        let response = response::check(response)?;
        decoder.reset();
        Ok(Self { chunks: Some(Chunks::new(response)), decoder })
    }

    /// The next event; `None` at the end.
    ///
    /// It may be dropped at any time, as by `select!`: no event is lost.
    pub async fn next(&mut self) -> Option<Result<Event, Error>> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// The last event ID: what to send as `Last-Event-ID` to go on behind the last event. Empty if there is none.
    pub fn last_event_id(&self) -> &str {
        self.decoder.last_event_id()
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Event, Error>>> {
        let Some(chunks) = &mut self.chunks else { return Poll::Ready(None) };
        let item = ready!(chunks.poll_event(&mut self.decoder, |_| {}, cx));
        if item.as_ref().is_none_or(|item| item.as_ref().is_err_and(Error::is_final)) {
            self.chunks = None;
        }
        Poll::Ready(item)
    }
}

impl Stream for EventStream {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx)
    }
}

impl FusedStream for EventStream {
    fn is_terminated(&self) -> bool {
        self.chunks.is_none()
    }
}
