//! The route: publish on one side, respond to subscribers on the other.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response};
use sse_codec::{EventType, Message};

use crate::body::Body;
use crate::channel::Channel;
use crate::error::PublishError;
use crate::heartbeat;
use crate::published::Published;
use crate::response::method_not_allowed;
use crate::settings::{Lagging, Settings};
use crate::stats::Stats;
use crate::subscription::Subscription;
use crate::writer::EventWriter;

/// An event stream for any number of subscribers.
///
/// It is a handle: clones are the same route. Publish through one, serve another as a hyper or tower service, or call
/// [`respond`](Self::respond) in a handler of your own.
///
/// **The promise**: each subscriber sees the events in the order of publishing, each once, with none missing, or is
/// told of the gap by an event (of the type `gap`, with data like `{"missed":12}`).
///
/// ```
/// use http::Request;
/// use sse_server::{Message, Route};
///
/// let route = Route::new();
/// let response = route.respond(&Request::get("/events").body(()).unwrap());
/// assert_eq!(response.headers()["content-type"], "text/event-stream");
///
/// route.publish(&Message::new("to all subscribers"))?;
/// # Ok::<(), sse_server::PublishError>(())
/// ```
///
/// When the last handle is dropped, the route is closed.
#[derive(Clone, Debug)]
pub struct Route(Arc<Owner>);

/// Closes the channel when the last handle goes; subscribers hold the channel only.
#[derive(Debug)]
struct Owner(Arc<Channel>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close(Duration::ZERO);
    }
}

/// Settings of a [`Route`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct RouteBuilder(Settings);

impl RouteBuilder {
    /// How many messages are kept for subscribers that resume or lag; 1024 by default, at least 1.
    pub fn history(mut self, messages: usize) -> Self {
        self.0.bounds.messages = messages;
        self
    }

    /// How many bytes of messages are kept, as they are sent; 16 MiB by default. The newest message is kept whatever
    /// its size.
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.0.bounds.bytes = bytes;
        self
    }

    /// How long messages are kept; `None`, the default, for as long as there is room. What is too old is let go of
    /// when something is published, or somebody subscribes.
    pub fn history_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.0.bounds.age = age.into();
        self
    }

    /// What happens to a subscriber that lags so far that it misses messages; [`Lagging::Gap`] by default.
    pub fn lagging(mut self, policy: Lagging) -> Self {
        self.0.lagging = policy;
        self
    }

    /// How long a silent stream waits before it sends a comment; 15 s by default, at least 10 ms, `None` for never.
    ///
    /// Keep it below the idle time-outs of the proxies on the way (60 s is usual).
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.0.heartbeat = heartbeat::clamp(interval.into());
        self
    }

    /// How long subscribers shall wait before they reconnect, the same for all; `None` to leave it to them. See
    /// [`reconnection_time_between`](Self::reconnection_time_between) for the default.
    pub fn reconnection_time(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.0.reconnection_time = time.into().map(|time| time..=time);
        self
    }

    /// How long subscribers shall wait before they reconnect: a random time of this range for each, so that those who
    /// lose their connections together do not come back together; 2 s to 4 s by default.
    pub fn reconnection_time_between(mut self, range: RangeInclusive<Duration>) -> Self {
        self.0.reconnection_time = Some(range);
        self
    }

    /// After how long a stream ends, and its client comes back, perhaps to another server: this long, or up to a tenth
    /// less or more, so that streams that began together do not end together. `None`, the default, for never.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.0.max_age = age.into();
        self
    }

    /// How many subscribers are connected at most; any number by default. One more is answered with 503 and
    /// `Retry-After`.
    pub fn max_subscribers(mut self, subscribers: usize) -> Self {
        self.0.max_subscribers = subscribers;
        self
    }

    /// How many subscribers with the same [client](Subscription::client) are connected at most; any number by default.
    pub fn max_subscribers_per_client(mut self, subscribers: usize) -> Self {
        self.0.max_subscribers_per_client = subscribers;
        self
    }

    /// The parameter of the query that stands for a `Last-Event-ID` header, for clients that can't send one;
    /// `lastEventId` by default, `None` for no parameter. A header goes before it.
    pub fn last_event_id_parameter<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.0.query_parameter = name.into().map(Box::from);
        self
    }

    /// The type of the event that tells of a gap; `gap` by default.
    pub fn gap_event_type(mut self, event_type: EventType<'static>) -> Self {
        self.0.gap_event_type = event_type;
        self
    }

    /// The route. Its ids begin anew: what subscribers of an earlier route missed is a gap.
    pub fn build(self) -> Route {
        Route::of(Channel::single(epoch(), self.0))
    }

    pub(crate) fn into_settings(self) -> Settings {
        self.0
    }
}

impl Route {
    /// A route with the default settings.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings for a route.
    pub fn builder() -> RouteBuilder {
        RouteBuilder::default()
    }

    pub(crate) fn of(channel: Arc<Channel>) -> Self {
        Self(Arc::new(Owner(channel)))
    }

    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.0.0
    }

    /// Whether there is another handle, or a subscriber.
    pub(crate) fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1 || self.subscribers() > 0
    }

    /// Sends a message to all subscribers. It never waits, and no subscriber can make it fail. An empty one is not sent.
    ///
    /// A message with data gets an id, if it has none of its own, by which subscribers resume; see
    /// [`EventWriter::id`] for what an id of your own must be.
    ///
    /// With a [log](crate::TopicsBuilder::build_on), the message is queued, and goes to the subscribers of all processes
    /// when it is in the log: [`stored`](Published::stored) says when, and gives the id.
    ///
    /// # Errors
    ///
    /// [`PublishError::Closed`] if the route is closed. With a log, [`PublishError::Full`] if too many messages wait for
    /// it, and [`PublishError::OwnId`].
    pub fn publish(&self, message: &Message<'_>) -> Result<Published, PublishError> {
        self.channel().publish(EventWriter::from_message(message), None)
    }

    /// Sends a message that makes those before it with the same key dispensable: the price of one product, the state
    /// of one machine. See [`Lagging::LatestPerKey`]; with another policy, the key has no effect.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_keyed(&self, key: &str, message: &Message<'_>) -> Result<Published, PublishError> {
        self.channel().publish(EventWriter::from_message(message), Some(key.into()))
    }

    /// Sends a message that `write` writes field by field.
    ///
    /// ```
    /// use sse_server::{EventType, Route};
    ///
    /// let route = Route::new();
    /// route.publish_with(|event| {
    ///     event.event_type(&EventType::new("lines")?);
    ///     for line in ["one", "two"] {
    ///         event.data(line);
    ///     }
    ///     Ok(())
    /// })?;
    /// # Ok::<(), sse_server::PublishError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::Writer`] with the error of `write`; nothing is published then. Else as
    /// [`publish`](Self::publish).
    pub fn publish_with(
        &self,
        write: impl FnOnce(&mut EventWriter) -> Result<(), Box<dyn Error + Send + Sync>>,
    ) -> Result<Published, PublishError> {
        let mut writer = EventWriter::with_capacity(256);
        write(&mut writer).map_err(|error| PublishError::Writer(error.into()))?;
        self.channel().publish(writer, None)
    }

    /// Answers a request for the stream.
    ///
    /// - `GET`: 200 and the stream. A `Last-Event-ID` that the history knows makes it go on behind that event; one
    ///   that it does not know gives a gap event and all that is kept; without one it begins with what is published
    ///   from now on.
    /// - `HEAD`: the same status and headers, and no body.
    /// - Any other method: 405 with `Allow`.
    /// - When the route is closed and there is nothing left to send: 204, by which clients know not to come again.
    ///
    /// Heartbeats need a tokio runtime with time enabled: the first one within which a subscriber is made or read
    /// drives them, as long as it lives.
    pub fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        match *request.method() {
            Method::GET | Method::HEAD => self.subscribe(request).respond(),
            _ => method_not_allowed(),
        }
    }

    /// Takes a place in the stream for the sender of this request, and lets you say what goes ahead of it, what is
    /// left out, and more, before the [response](Subscription::respond) is made.
    ///
    /// Decide before this call whether the request may have the stream, and answer it yourself if not. Its method does
    /// not matter, but for `HEAD`, which is answered without a body: a `POST` may well be answered by a stream.
    pub fn subscribe<B>(&self, request: &Request<B>) -> Subscription {
        Subscription::new(vec![self.channel().clone()], request)
    }

    /// Changes the heartbeat's interval, at least 10 ms; `None` stops it.
    pub fn set_heartbeat(&self, interval: impl Into<Option<Duration>>) {
        self.channel().set_heartbeat(heartbeat::clamp(interval.into()));
    }

    /// How many subscribers are connected.
    pub fn subscribers(&self) -> usize {
        self.channel().subscribers()
    }

    /// What the route has done, and how it stands.
    pub fn stats(&self) -> Stats {
        self.channel().stats()
    }

    /// Ends the stream for good: every subscriber gets what has been published, and then the end of its body.
    ///
    /// Clients that reconnect get what they have missed, and 204 when there is nothing left: so they stop.
    pub fn close(&self) {
        self.channel().close(Duration::ZERO);
    }

    /// [Closes](Self::close) the route, and lets each stream end at a random moment within `spread`, so that not all
    /// clients come back at once.
    pub fn close_within(&self, spread: Duration) {
        self.channel().close(spread);
    }

    /// Whether the route is closed.
    pub fn is_closed(&self) -> bool {
        self.channel().is_closed()
    }

    /// Completes when the route is closed and the last subscriber has gone.
    pub async fn closed(&self) {
        self.channel().drained().await;
    }
}

impl Default for Route {
    fn default() -> Self {
        Self::new()
    }
}

impl<B> hyper::service::Service<Request<B>> for Route {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<B>) -> Self::Future {
        ready(Ok(self.respond(&request)))
    }
}

impl<B> tower_service::Service<Request<B>> for Route {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.respond(&request)))
    }
}

/// A number that no other route has, from the randomness that seeds the standard library's hash maps. 48 bits keep
/// ids short.
pub(crate) fn epoch() -> u64 {
    RandomState::new().hash_one("epoch") >> 16
}
