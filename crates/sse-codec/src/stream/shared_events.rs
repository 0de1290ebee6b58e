//! A stream of chunks as a stream of events that share them.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;
use bytestring::ByteString;
use futures_core::{FusedStream, Stream, TryStream};
use pin_project_lite::pin_project;

use super::events::{Events, EventsError};
use crate::decode::Decoder;
use crate::event::SharedEvent;

pin_project! {
    /// The events of a stream of chunks, which share the chunks that they came in ([`Events::shared`]).
    ///
    /// ```
    /// use bytes::Bytes;
    /// use futures_util::{StreamExt, stream};
    /// use sse_codec::Events;
    ///
    /// # pollster::block_on(async {
    /// let chunk = Bytes::from_static(b"data: Hello\n\n");
    /// let mut events = Events::new(stream::iter([Ok::<_, std::io::Error>(chunk.clone())])).shared();
    /// let event = events.next().await.unwrap().unwrap();
    /// assert_eq!(event.data(), "Hello");
    /// assert_eq!(event.into_data().into_bytes().as_ptr(), chunk[6..].as_ptr());
    /// # });
    /// ```
    #[must_use = "nothing is read unless it is polled"]
    pub struct SharedEvents<S: TryStream> {
        #[pin]
        events: Events<S>,
        // Many events may have the same id: it is copied once.
        last_event_id: ByteString,
    }
}

impl<S: TryStream<Ok = Bytes>> Events<S> {
    /// The same events, which share the chunks that they came in, where they lie there in one piece.
    pub fn shared(self) -> SharedEvents<S> {
        SharedEvents { events: self, last_event_id: ByteString::new() }
    }
}

impl<S: TryStream> SharedEvents<S> {
    /// The decoder, which knows the last event ID and the reconnection time.
    pub fn decoder(&self) -> &Decoder {
        self.events.decoder()
    }

    /// The decoder, to give back its memory, for example. What it is fed here is a part of the stream.
    pub fn decoder_mut(&mut self) -> &mut Decoder {
        self.events.decoder_mut()
    }

    /// The decoder, for the next connection, or for the event that the end of this one left unfinished
    /// ([`Decoder::finish`]).
    pub fn into_decoder(self) -> Decoder {
        self.events.into_decoder()
    }

    /// The same events, each with text of its own.
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

impl<S: TryStream<Ok = Bytes>> Stream for SharedEvents<S> {
    type Item = Result<SharedEvent, EventsError<S::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        this.events.poll_event(cx, |event, chunk| {
            if **this.last_event_id != *event.last_event_id() {
                *this.last_event_id = event.last_event_id().into();
            }
            event.share_beside(this.last_event_id.clone(), chunk)
        })
    }
}

impl<S: TryStream<Ok = Bytes>> FusedStream for SharedEvents<S> {
    fn is_terminated(&self) -> bool {
        self.events.is_terminated()
    }
}
