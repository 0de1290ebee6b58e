//! Turns a stream of chunks into a stream of events, on any runtime.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream, TryStream};
use pin_project_lite::pin_project;

use crate::decode::Decoder;
use crate::event::{Event, EventRef, TooLarge};

/// After this many chunks without an event, other tasks get their turn.
const CHUNKS_PER_POLL: usize = 64;

pin_project! {
    /// A stream of events, decoded from a stream of chunks.
    ///
    /// The chunks can be of any type with bytes: `Bytes`, `Vec<u8>`, slices. The stream spawns no task, sets no timer
    /// and needs no certain runtime.
    ///
    /// ```
    /// use futures_util::{StreamExt, stream};
    /// use sse_codec::Events;
    ///
    /// # pollster::block_on(async {
    /// let chunks = ["data: Hel", "lo\n\nda", "ta: world\n\n"].map(Ok::<_, std::io::Error>);
    /// let mut events = Events::new(stream::iter(chunks));
    /// assert_eq!(events.next().await.unwrap().unwrap().data(), "Hello");
    /// assert_eq!(events.next().await.unwrap().unwrap().data(), "world");
    /// assert!(events.next().await.is_none());
    /// # });
    /// ```
    ///
    /// No event is lost when a future that waits for the next event is dropped. After [`EventsError::TooLarge`] the
    /// stream goes on with the next event. After [`EventsError::Chunks`] it ends.
    #[derive(Debug)]
    #[must_use = "nothing is read unless it is polled"]
    pub struct Events<S: TryStream> {
        #[pin]
        chunks: S,
        chunk: Option<S::Ok>,
        // How many bytes of the chunk have been decoded.
        read: usize,
        ended: bool,
        decoder: Decoder,
    }
}

impl<S: TryStream> Events<S> {
    /// Decodes the events of `chunks`, with a limit of 16 MiB of data per event.
    pub fn new(chunks: S) -> Self {
        Self::with_decoder(chunks, Decoder::new())
    }

    /// Decodes the events of `chunks` with `decoder`, which can have another limit, or the last event ID of an earlier
    /// connection. The decoder is reset: an event that it has read in part is dropped.
    pub fn with_decoder(chunks: S, mut decoder: Decoder) -> Self {
        decoder.reset();
        Self { chunks, chunk: None, read: 0, ended: false, decoder }
    }

    /// Returns the decoder, for example for the last event ID and the reconnection time.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Returns the decoder, for example to free memory. Bytes that you decode with it count as a part of the stream.
    pub fn decoder_mut(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// Returns the decoder, for the next connection, or for the event that this one left unfinished
    /// ([`Decoder::finish`]).
    pub fn into_decoder(self) -> Decoder {
        self.decoder
    }
}

impl<S> Events<S>
where
    S: TryStream,
    S::Ok: AsRef<[u8]>,
{
    /// Returns the next event, which `own` has copied from the borrowed one.
    pub(super) fn poll_event<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut own: impl FnMut(EventRef<'_>) -> E,
    ) -> Poll<Option<Result<E, EventsError<S::Error>>>> {
        let mut this = self.project();
        for _ in 0..CHUNKS_PER_POLL {
            if let Some(chunk) = this.chunk {
                let bytes = chunk.as_ref();
                let mut rest = bytes.get(*this.read..).unwrap_or_default();
                let event = this.decoder.next_event(&mut rest).map(|event| event.map(&mut own));
                *this.read = bytes.len() - rest.len();
                if let Some(item) = event.map_err(EventsError::TooLarge).transpose() {
                    return Poll::Ready(Some(item));
                }
                *this.chunk = None;
            }
            if *this.ended {
                return Poll::Ready(None);
            }
            match ready!(this.chunks.as_mut().try_poll_next(cx)) {
                Some(Ok(chunk)) => {
                    *this.chunk = Some(chunk);
                    *this.read = 0;
                }
                Some(Err(error)) => {
                    *this.ended = true;
                    return Poll::Ready(Some(Err(EventsError::Chunks(error))));
                }
                None => *this.ended = true,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<S> Stream for Events<S>
where
    S: TryStream,
    S::Ok: AsRef<[u8]>,
{
    type Item = Result<Event, EventsError<S::Error>>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_event(cx, |event| event.to_event())
    }
}

impl<S> FusedStream for Events<S>
where
    S: TryStream,
    S::Ok: AsRef<[u8]>,
{
    fn is_terminated(&self) -> bool {
        self.ended && self.chunk.is_none()
    }
}

/// An error of a stream of events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventsError<E> {
    /// The stream of chunks failed. The stream of events ends after this error.
    Chunks(E),
    /// An event was too large and was skipped. The stream goes on with the next event.
    TooLarge(TooLarge),
}

impl<E> fmt::Display for EventsError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunks(_) => f.write_str("the next chunk of the event stream could not be read"),
            Self::TooLarge(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for EventsError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Chunks(error) => Some(error),
            Self::TooLarge(error) => error.source(),
        }
    }
}
