//! The body of one response: chunks in, events out.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body as _, Frame};
use reqwest::{Body, Response};
use sse_codec::{Decoder, Event};

use crate::error::Error;

/// A body, and what of its last chunk has not been decoded yet.
#[derive(Debug)]
pub(crate) struct Chunks {
    body: Body,
    chunk: Bytes,
}

impl Chunks {
    pub(crate) fn new(response: Response) -> Self {
        Self { body: response.into(), chunk: Bytes::new() }
    }

    /// The next event; `received` is shown each chunk as it comes. `None` at the end of the body.
    pub(crate) fn poll_event(
        &mut self,
        decoder: &mut Decoder,
        mut received: impl FnMut(&[u8]),
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Error>>> {
        loop {
            if let Some(event) = self.decode(decoder) {
                return Poll::Ready(Some(event));
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            match frame.map(Frame::into_data) {
                Ok(Ok(chunk)) => {
                    received(&chunk);
                    self.chunk = chunk;
                }
                // Trailers say nothing about events.
                Ok(Err(_)) => {}
                Err(error) => return Poll::Ready(Some(Err(Error::Read(error)))),
            }
        }
    }

    /// The next event of the current chunk; `None` when that is used up.
    fn decode(&mut self, decoder: &mut Decoder) -> Option<Result<Event, Error>> {
        let mut rest = &self.chunk[..];
        let next = decoder.next_event(&mut rest).map(|event| event.map(|event| event.to_event()));
        self.chunk.advance(self.chunk.len() - rest.len());
        next.map_err(Error::from).transpose()
    }
}
