//! Events as values of the caller's type.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use sse_codec::Event;

use crate::error::{BoxError, DecodeError, Error, EventStart};
use crate::read::EventStream;
use crate::source::EventSource;

/// The events of a source or of a response, converted to values of type `T`.
///
/// An [`Event`] is converted by [`TryFrom`] (`decode`), or its data is parsed as JSON (`json`). If an event can't be
/// converted, [`Error::Decode`] describes it, and the next event follows. To skip keep-alives that are events, use
/// [`EventStream::skip_if`] or [`EventSourceBuilder::skip_if`](crate::EventSourceBuilder::skip_if).
///
/// ```
/// use sse_client::{Event, EventSource, Typed};
///
/// enum Update {
///     Price(f64),
///     News(String),
/// }
///
/// impl TryFrom<Event> for Update {
///     type Error = std::num::ParseFloatError;
///
///     fn try_from(event: Event) -> Result<Self, Self::Error> {
///         match event.event_type() {
///             "price" => event.data().parse().map(Self::Price),
///             _ => Ok(Self::News(event.into_data())),
///         }
///     }
/// }
///
/// # async fn example() -> Result<(), sse_client::Error> {
/// let mut updates: Typed<_, Update> = EventSource::get("https://example.com/updates")?.decode();
/// while let Some(update) = updates.next().await {
///     match update? {
///         Update::Price(price) => println!("{price}"),
///         Update::News(text) => println!("{text}"),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is read unless it is polled"]
pub struct Typed<S, T> {
    events: S,
    decode: fn(Event) -> Result<T, BoxError>,
    /// A part of the event that is being converted, for the error if the conversion fails.
    event: EventStart,
}

impl<S, T> Typed<S, T> {
    fn new(events: S, decode: fn(Event) -> Result<T, BoxError>) -> Self {
        Self { events, decode, event: EventStart::default() }
    }

    fn convert(&mut self, event: Event) -> Result<T, Error> {
        self.event.note(&event);
        (self.decode)(event)
            .map_err(|error| Error::Decode(Box::new(DecodeError::new(error, self.event.clone()))))
    }

    /// Returns the source or the stream of the events.
    pub fn get_ref(&self) -> &S {
        &self.events
    }

    /// Returns the source or the stream of the events, for example to close it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.events
    }

    /// Returns the source or the stream of the events.
    pub fn into_inner(self) -> S {
        self.events
    }
}

impl<S: private::LastEventId, T> Typed<S, T> {
    /// Returns the last event ID after the value that was returned last.
    pub fn last_event_id(&self) -> &str {
        self.events.last_event_id()
    }
}

impl<S, T> Typed<S, T>
where
    S: Stream<Item = Result<Event, Error>> + Unpin,
{
    /// Returns the next value, or `None` at the end.
    ///
    /// Dropping the future, as `select!` does, loses no event.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<S, T> Stream for Typed<S, T>
where
    S: Stream<Item = Result<Event, Error>> + Unpin,
{
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut self.events).poll_next(cx));
        Poll::Ready(item.map(|event| event.and_then(|event| self.convert(event))))
    }
}

impl<S, T> FusedStream for Typed<S, T>
where
    S: FusedStream<Item = Result<Event, Error>> + Unpin,
{
    fn is_terminated(&self) -> bool {
        self.events.is_terminated()
    }
}

impl<S: fmt::Debug, T> fmt::Debug for Typed<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Typed").field("events", &self.events).finish_non_exhaustive()
    }
}

fn decode<T>(event: Event) -> Result<T, BoxError>
where
    T: TryFrom<Event, Error: Into<BoxError>>,
{
    T::try_from(event).map_err(Into::into)
}

#[cfg(feature = "json")]
#[expect(clippy::needless_pass_by_value, reason = "it has the same type as `decode`, which needs the value")]
fn json<T: serde::de::DeserializeOwned>(event: Event) -> Result<T, BoxError> {
    event.json().map_err(Into::into)
}

pub(super) mod private {
    /// A stream that has a last event ID.
    pub trait LastEventId {
        fn last_event_id(&self) -> &str;
    }
}

macro_rules! typed {
    ($($events:ident),*) => {$(
        impl private::LastEventId for $events {
            fn last_event_id(&self) -> &str {
                self.last_event_id()
            }
        }

        impl $events {
            /// Converts the events to values of type `T`.
            pub fn decode<T>(self) -> Typed<Self, T>
            where
                T: TryFrom<Event, Error: Into<BoxError>>,
            {
                Typed::new(self, decode)
            }

            /// Parses the data of the events as JSON. If the data of an event is not the JSON of a `T`, the
            /// [`Error::Decode`] has a [`JsonError`](crate::JsonError).
            #[cfg(feature = "json")]
            pub fn json<T: serde::de::DeserializeOwned>(self) -> Typed<Self, T> {
                Typed::new(self, json)
            }
        }
    )*};
}

typed!(EventSource, EventStream);
