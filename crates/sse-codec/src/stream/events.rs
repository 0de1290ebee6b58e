//! A stream of chunks as a stream of events, on any runtime.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream, TryStream};
use pin_project_lite::pin_project;

use crate::decode::Decoder;
use crate::event::{Event, EventRef, TooLarge};

/// After so many chunks without an event, others get their turn.
const CHUNKS_PER_POLL: usize = 64;

pin_project! {
    /// The events of a stream of chunks.
    ///
    /// The chunks may be anything that gives bytes: `Bytes`, `Vec<u8>`, slices. It spawns nothing, has no timer and
    /// knows no runtime.
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
    /// An event that was received is never lost, also when a future that waits for it is dropped. After
    /// [`EventsError::TooLarge`] it goes on with the next event; an error of the chunks is followed by the end.
    #[derive(Debug)]
    #[must_use = "nothing is read unless it is polled"]
    pub struct Events<S: TryStream> {
        #[pin]
        chunks: S,
        chunk: Option<S::Ok>,
        // How much of the chunk has been decoded.
        read: usize,
        ended: bool,
        decoder: Decoder,
    }
}

impl<S: TryStream> Events<S> {
    /// The events of `chunks`, each up to 16 MiB.
    pub fn new(chunks: S) -> Self {
        Self::with_decoder(chunks, Decoder::new())
    }

    /// The events of `chunks`, by a decoder with another limit, or with the last event ID of an earlier connection.
    /// What it has begun to read elsewhere is dropped.
    pub fn with_decoder(chunks: S, mut decoder: Decoder) -> Self {
        decoder.reset();
        Self { chunks, chunk: None, read: 0, ended: false, decoder }
    }

    /// The decoder, which knows the last event ID and the reconnection time.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The decoder, to give back its memory, for example. What it is fed here is a part of the stream.
    pub fn decoder_mut(&mut self) -> &mut Decoder {
        &mut self.decoder
    }

    /// The decoder, for the next connection, or for the event that the end of this one left unfinished
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
    /// The next event, as `own` makes it of what is lent.
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

/// What went wrong with a stream of events.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventsError<E> {
    /// The stream of chunks failed. The end follows.
    Chunks(E),
    /// An event was too large and was skipped. The next one follows.
    TooLarge(TooLarge),
}

impl<E> fmt::Display for EventsError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chunks(_) => f.write_str("the bytes of the event stream could not be read"),
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
