//! Values together with the last event IDs of their events.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};
use sse_codec::Event;

use super::typed::{Typed, private};
use crate::error::Error;

/// A value of the caller's type, and the last event ID after its event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WithId<T> {
    /// The value.
    pub value: T,
    /// The last event ID. Store it when you have processed the value, so that the next run of the program goes on after
    /// it ([`last_event_id`](crate::EventSourceBuilder::last_event_id)). It is empty if the server has sent no ID.
    pub last_event_id: String,
}

/// The values of a [`Typed`], each with its last event ID ([`Typed::with_ids`]).
#[must_use = "nothing is read unless it is polled"]
pub struct WithIds<S, T>(Typed<S, T>);

impl<S, T> Typed<S, T> {
    /// Returns each value together with the last event ID after it, so that you can store the ID within the loop.
    ///
    /// ```no_run
    /// # #[cfg(feature = "blocking")]
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// # struct Price;
    /// # impl TryFrom<sse_client::Event> for Price {
    /// #     type Error = std::num::ParseFloatError;
    /// #     fn try_from(event: sse_client::Event) -> Result<Self, Self::Error> { Ok(Self) }
    /// # }
    /// use sse_client::EventSource;
    ///
    /// for price in EventSource::get("https://example.com/prices")?.decode::<Price>().with_ids().blocking() {
    ///     let price = price?;
    ///     // … process `price.value` …
    ///     std::fs::write("last-event-id", &price.last_event_id)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_ids(self) -> WithIds<S, T> {
        WithIds(self)
    }
}

impl<S, T> WithIds<S, T> {
    /// Returns the source or the stream of the events.
    pub fn get_ref(&self) -> &S {
        self.0.get_ref()
    }

    /// Returns the source or the stream of the events, for example to close it.
    pub fn get_mut(&mut self) -> &mut S {
        self.0.get_mut()
    }

    /// Returns the source or the stream of the events.
    pub fn into_inner(self) -> S {
        self.0.into_inner()
    }
}

impl<S, T> WithIds<S, T>
where
    S: private::LastEventId + Stream<Item = Result<Event, Error>> + Unpin,
{
    /// Returns the next value, or `None` at the end.
    ///
    /// Dropping the future, as `select!` does, loses no event.
    pub async fn next(&mut self) -> Option<Result<WithId<T>, Error>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl<S, T> Stream for WithIds<S, T>
where
    S: private::LastEventId + Stream<Item = Result<Event, Error>> + Unpin,
{
    type Item = Result<WithId<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(Pin::new(&mut self.0).poll_next(cx));
        let with_id = |value| WithId { value, last_event_id: self.get_ref().last_event_id().to_owned() };
        Poll::Ready(item.map(|value| value.map(with_id)))
    }
}

impl<S, T> FusedStream for WithIds<S, T>
where
    S: private::LastEventId + FusedStream<Item = Result<Event, Error>> + Unpin,
{
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}

impl<S: fmt::Debug, T> fmt::Debug for WithIds<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithIds").field("events", self.get_ref()).finish_non_exhaustive()
    }
}
