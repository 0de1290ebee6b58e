//! A subscriber inside the program.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use futures_core::Stream;
use sse_codec::{Decoder, Event, EventId};

use super::filter::Filter;
use super::subscriber::{self, Next, Subscriber};

/// A stream of the events of topics, for a subscriber inside the program: a worker, a snapshot that is made from a log,
/// a `WebSocket`, a test. [`Subscription::into_events`](crate::Subscription::into_events) returns it.
///
/// It is a [`Stream`], and [the promise](crate#the-promise) holds for it.
///
/// ```
/// use sse_server::{Item, Message, Route};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let route = Route::new();
/// let mut events = route.subscribe_from("").into_events();
/// route.publish(&Message::new("Hello"))?;
/// let Some(Item::Event(received)) = events.next().await else { panic!("it has been published") };
/// assert_eq!(received.event().data(), "Hello");
/// # Ok::<(), sse_server::PublishError>(())
/// # }).unwrap();
/// ```
///
/// If the program does not read it, it lags like a slow connection, and gets a gap. It unsubscribes when it is dropped.
/// To resume later, keep [`Item::last_event_id`] and [subscribe after it](crate::Route::subscribe_from).
#[derive(Debug)]
#[must_use = "nothing is read until it is polled"]
pub struct Events {
    /// `None` when the stream has ended.
    subscriber: Option<Subscriber>,
    filter: Option<Filter>,
    decoder: Decoder,
    ready: VecDeque<Item>,
}

/// An event or a gap.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// An event.
    Event(Received),
    /// Events that the subscriber can't get any more.
    Gap(Gap),
}

impl Item {
    /// Returns the id with which to resume after this item, by [`Route::subscribe_from`](crate::Route::subscribe_from).
    pub fn last_event_id(&self) -> &str {
        match self {
            Self::Event(received) => received.event.last_event_id(),
            Self::Gap(gap) => gap.last_event_id.as_str(),
        }
    }
}

/// An event, with its topic and with what its publisher gave for filters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    event: Event,
    topic: Arc<str>,
    key: Option<Arc<str>>,
    tag: Option<Arc<str>>,
    published: Option<SystemTime>,
}

impl Received {
    /// Returns the event as a client sees it.
    pub fn event(&self) -> &Event {
        &self.event
    }

    /// Returns the event without the rest.
    pub fn into_event(self) -> Event {
        self.event
    }

    /// Returns the name of the topic, which is empty on a [`Route`](crate::Route) of its own.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Returns the [key](crate::Publication::key) that the event was published with.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns the [tag](crate::Publication::tag) that the event was published with.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns when the event was published.
    ///
    /// Without a log, the clock of this machine is read when the route is made, and a monotonic clock counts from then
    /// on. With a log, it is the time at which the log took the event, or `None` if the log does not
    /// [tell it](crate::log::Log::time).
    pub fn published(&self) -> Option<SystemTime> {
        self.published
    }
}

/// Events that a subscriber can't get any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// How many messages are missing; `None` if the number is not known.
    pub missed: Option<u64>,
    /// The id with which to resume after this gap.
    pub last_event_id: EventId<'static>,
}

impl Events {
    pub(crate) fn new(mut subscriber: Subscriber, filter: Option<Filter>) -> Self {
        // The program needs no heartbeat.
        subscriber.ignore_heartbeat();
        let decoder = Decoder::with_limit(usize::MAX);
        Self { subscriber: Some(subscriber), filter, decoder, ready: VecDeque::new() }
    }

    /// Returns a stream that has ended.
    pub(crate) fn ended() -> Self {
        Self { subscriber: None, filter: None, decoder: Decoder::new(), ready: VecDeque::new() }
    }

    /// Returns the next event or gap, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Item> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Returns the next event or gap that has been published already. It returns `None` when everything has been read,
    /// and at the end of the stream. It waits only while a log is read for older events.
    ///
    /// ```
    /// use sse_server::{Message, Route};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let route = Route::new();
    /// route.publish(&Message::new("Hello"))?;
    /// let mut events = route.subscribe_from("").from_start().into_events();
    /// assert!(events.next_published().await.is_some());
    /// assert!(events.next_published().await.is_none());
    /// # Ok::<(), sse_server::PublishError>(())
    /// # }).unwrap();
    /// ```
    pub async fn next_published(&mut self) -> Option<Item> {
        poll_fn(|cx| {
            let next = self.poll(cx);
            let has_read = || self.subscriber.as_ref().is_none_or(Subscriber::has_read);
            if next.is_pending() && has_read() { Poll::Ready(None) } else { next }
        })
        .await
    }

    /// Returns the id with which to resume when everything has been read. `None` if there is more to read, or if the
    /// stream has ended.
    pub fn last_event_id(&self) -> Option<EventId<'static>> {
        if self.ready.is_empty() { self.subscriber.as_ref()?.id() } else { None }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Poll::Ready(Some(item));
            }
            let Some(subscriber) = &mut self.subscriber else { return Poll::Ready(None) };
            match ready!(subscriber.poll_next(cx, true)) {
                Some(Next::Messages(messages)) => self.take(messages),
                Some(Next::Gap(gap)) => {
                    let last_event_id = subscriber.hub().source().id(gap.end);
                    return Poll::Ready(Some(Item::Gap(Gap { missed: gap.missed, last_event_id })));
                }
                // Frames are for connections, and there is no heartbeat.
                Some(Next::Frame { .. } | Next::Heartbeat) => {}
                None => self.subscriber = None,
            }
        }
    }

    fn take(&mut self, messages: Vec<subscriber::Item>) {
        let Some(subscriber) = &mut self.subscriber else { return };
        for item in messages {
            let topic = subscriber.topic(item.feed).name().clone();
            let passes = self.filter.as_mut().map_or(Ok(true), |filter| filter.passes(&item, &topic));
            let Ok(passes) = passes else {
                // The user's filter has panicked.
                self.subscriber = None;
                return;
            };
            if !passes {
                continue;
            }
            subscriber.count(&item);
            let mut bytes = &item.bytes[..];
            // A block without data is not an event.
            if let Ok(Some(event)) = self.decoder.next_event(&mut bytes) {
                let event = event.to_event();
                self.ready.push_back(Item::Event(Received {
                    event,
                    topic,
                    key: item.key,
                    tag: item.tag,
                    published: item.published,
                }));
            }
        }
    }
}

impl Stream for Events {
    type Item = Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Item>> {
        self.poll(cx)
    }
}
