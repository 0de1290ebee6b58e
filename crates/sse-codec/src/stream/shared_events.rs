//! Turns a stream of chunks into a stream of events whose clones share their text.

use alloc::string::String;
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use futures_core::{FusedStream, Stream, TryStream};
use pin_project_lite::pin_project;

use super::events::{Events, EventsError};
use crate::decode::Decoder;
use crate::event::SharedEvent;

pin_project! {
    /// A stream of events whose clones share their text, decoded from a stream of chunks ([`Events::shared`]).
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use sse_codec::Events;
    ///
    /// # pollster::block_on(async {
    /// let chunks = stream::iter([Ok::<_, std::io::Error>("event: wind\ndata: 12 knots\n\n")]);
    /// let mut events = Events::new(chunks).shared();
    /// let event = events.next().await.unwrap().unwrap();
    /// // Cloning copies no text.
    /// assert_eq!(event.clone(), event);
    /// # });
    /// ```
    #[must_use = "nothing is read unless it is polled"]
    pub struct SharedEvents<S: TryStream> {
        #[pin]
        events: Events<S>,
        // The parts of an event are joined here before they are copied.
        buffer: String,
    }
}

impl<S: TryStream> Events<S> {
    /// Turns the stream into one of [`SharedEvent`]s, whose clones share their text.
    pub fn shared(self) -> SharedEvents<S> {
        SharedEvents { events: self, buffer: String::new() }
    }
}

impl<S: TryStream> SharedEvents<S> {
    /// Returns the decoder, for example for the last event ID and the reconnection time.
    pub fn decoder(&self) -> &Decoder {
        self.events.decoder()
    }

    /// Returns the decoder, for example to free memory. Bytes that you decode with it count as a part of the stream.
    pub fn decoder_mut(&mut self) -> &mut Decoder {
        self.events.decoder_mut()
    }

    /// Returns the decoder, for the next connection, or for the event that this one left unfinished
    /// ([`Decoder::finish`]).
    pub fn into_decoder(self) -> Decoder {
        self.events.into_decoder()
    }

    /// Turns the stream into one of [`Event`](crate::Event)s, which own their text.
    pub fn into_events(self) -> Events<S> {
        self.events
    }
}

impl<S: TryStream + fmt::Debug> fmt::Debug for SharedEvents<S>
where
    S::Ok: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedEvents").field("events", &self.events).finish_non_exhaustive()
    }
}

impl<S> Stream for SharedEvents<S>
where
    S: TryStream,
    S::Ok: AsRef<[u8]>,
{
    type Item = Result<SharedEvent, EventsError<S::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let buffer = this.buffer;
        this.events.poll_event(cx, |event| SharedEvent::copy(event, buffer))
    }
}

impl<S> FusedStream for SharedEvents<S>
where
    S: TryStream,
    S::Ok: AsRef<[u8]>,
{
    fn is_terminated(&self) -> bool {
        self.events.is_terminated()
    }
}
