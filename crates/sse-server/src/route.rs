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

use crate::history::Epoch;
use crate::hub::{Hub, LagPolicy, Settings, Stats, Topic, heartbeat};
use crate::log::{PublishError, Published};
use crate::message::{EventWriter, Publication};
use crate::subscribe::{Body, StreamIds, Subscription, method_not_allowed};

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
#[derive(Debug)]
pub struct Route(Arc<Topic>);

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

    /// How many bytes of messages are kept for connected subscribers that have not read them yet, whatever the history
    /// is set to; 1 MiB by default. So a subscriber that takes what it is given gets all of a burst up to this size; one
    /// that lags further is told of the gap.
    ///
    /// It also bounds what [`publish_all`](Route::publish_all) takes.
    pub fn burst_bytes(mut self, bytes: usize) -> Self {
        self.0.bounds.burst = bytes;
        self
    }

    /// How long messages are kept; `None`, the default, for as long as there is room. Expired messages are evicted when
    /// something is published or somebody subscribes.
    pub fn history_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.0.bounds.age = age.into();
        self
    }

    /// What happens to a subscriber that lags so far that it misses messages; [`LagPolicy::Gap`] by default.
    pub fn lag_policy(mut self, policy: LagPolicy) -> Self {
        self.0.lag_policy = policy;
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
    /// `Retry-After`. With [`Topics`](crate::Topics), each topic may have as many.
    pub fn max_subscribers(mut self, subscribers: usize) -> Self {
        self.0.max_subscribers = subscribers;
        self
    }

    /// How many subscribers with the same [client](Subscription::client) are connected at most; any number by default.
    /// One more is answered with 429 and `Retry-After`. With [`Topics`](crate::Topics), each topic counts by itself.
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

    /// Whether responses ask proxies not to buffer them, by `X-Accel-Buffering: no` and `Incremental: ?1` (RFC 10036);
    /// they do by default.
    pub fn proxy_headers(mut self, sends: bool) -> Self {
        self.0.proxy_headers = sends;
        self
    }

    /// The route. Its ids begin anew: what subscribers of an earlier route missed is a gap.
    pub fn build(self) -> Route {
        let hub = Hub::single(epoch(), self.0);
        Route::of(Topic::new(&Arc::new(hub), ""))
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

    /// The first handle of a topic.
    pub(crate) fn of(topic: Arc<Topic>) -> Self {
        Self(topic)
    }

    pub(crate) fn topic(&self) -> &Arc<Topic> {
        &self.0
    }

    /// Sends a message to all subscribers. The call never waits, and no subscriber can make it fail. An empty message is
    /// not sent.
    ///
    /// A message with data gets an id, by which subscribers resume, unless it has an id of its own; see
    /// [`EventWriter::id`] for what such an id must be. A message may have a key and a tag: see [`Publication`].
    ///
    /// A publisher that gives ids can repeat a request whose answer it did not get:
    ///
    /// ```
    /// use sse_server::{EventId, Message, Route};
    ///
    /// let route = Route::new();
    /// let row = Message::new("paid").id(EventId::from(7));
    /// assert!(!route.publish(&row)?.is_repeat());
    /// assert!(route.publish(&row)?.is_repeat(), "not sent again");
    /// # Ok::<(), sse_server::PublishError>(())
    /// ```
    ///
    /// With a [log](crate::TopicsBuilder::build_on), the message is queued, and goes to the subscribers of all processes
    /// when it is in the log: [`stored`](Published::stored) says when, and gives the id.
    ///
    /// # Errors
    ///
    /// [`PublishError::Closed`] if the route is closed; [`PublishError::IdTaken`] and [`PublishError::InvalidId`] for an
    /// id of your own. With a log, [`PublishError::Full`] if too many messages wait for it, and [`PublishError::OwnId`].
    pub fn publish<'m>(&self, message: impl Into<Publication<'m>>) -> Result<Published, PublishError> {
        self.0.publish(EventWriter::draft(&message.into()))
    }

    /// Sends a message that replaces the earlier ones with the same key, such as the price of one product or the state
    /// of one machine. See [`LagPolicy::LatestPerKey`]; with another policy, only filters and subscribers inside of the
    /// program see the key.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish).
    pub fn publish_keyed(&self, key: &str, message: &Message<'_>) -> Result<Published, PublishError> {
        self.publish(Publication::new(message).key(key))
    }

    /// Sends messages next to each other, and wakes each subscriber once: all of them or none.
    ///
    /// ```
    /// use sse_server::{Message, Route};
    ///
    /// let route = Route::new();
    /// let lines = ["one", "two", "three"].map(Message::new);
    /// let published = route.publish_all(&lines)?;
    /// assert_eq!(published.len(), 3);
    /// # Ok::<(), sse_server::PublishError>(())
    /// ```
    ///
    /// Messages that are [repeats](Published::is_repeat) are passed over, the others are published.
    ///
    /// # Errors
    ///
    /// As [`publish`](Self::publish), and [`PublishError::BatchTooLarge`] if the messages could not reach all connected
    /// subscribers: they are larger than [`burst_bytes`](RouteBuilder::burst_bytes), and than the history; with a log,
    /// more than 4,096 messages or 1 MiB.
    pub fn publish_all<'m, P: Into<Publication<'m>>>(
        &self,
        messages: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Published>, PublishError> {
        self.0.publish_all(messages.into_iter().map(|message| EventWriter::draft(&message.into())).collect())
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
        self.0.publish(writer.take_draft(None, None))
    }

    /// Answers a request for the stream.
    ///
    /// - `GET`: 200 and the stream. With a `Last-Event-ID` that the route knows, the stream begins after that event; with
    ///   an unknown one, it begins with a gap event and all messages that are kept; without one, it begins with the
    ///   next message that is published.
    /// - `HEAD`: the same status and headers, and no body.
    /// - Any other method: 405 with `Allow`.
    /// - When the route is closed and there is nothing left to send: 204, by which clients know not to come again. A
    ///   client without an id has nothing left to get, unless its subscription begins
    ///   [at the start](Subscription::from_start).
    ///
    /// Heartbeats need a tokio runtime with time enabled: the first one within which a subscriber is made or read
    /// drives them, as long as it lives.
    pub fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        match *request.method() {
            Method::GET | Method::HEAD => self.subscribe(request).respond(),
            _ => method_not_allowed(),
        }
    }

    /// Subscribes the sender of this request. The [`Subscription`] takes a snapshot, a filter, a client and other
    /// settings before its [response](Subscription::respond) is made.
    ///
    /// Check before this call whether the sender may have the stream, and answer the request yourself if not. A `HEAD`
    /// request gets no body; all other methods get the stream, also a `POST`.
    pub fn subscribe<B>(&self, request: &Request<B>) -> Subscription {
        Subscription::of_request(vec![self.0.clone()], request, StreamIds::Own)
    }

    /// Subscribes a part of the program, such as a worker, after the event with this id. With an empty id, the
    /// subscriber begins with the next message that is published, or [at the start](Subscription::from_start). See
    /// [`Events`](crate::Events).
    pub fn subscribe_from(&self, last_event_id: &str) -> Subscription {
        Subscription::after(vec![self.0.clone()], last_event_id, StreamIds::Own)
    }

    /// Changes the heartbeat's interval, at least 10 ms; `None` stops it.
    pub fn set_heartbeat(&self, interval: impl Into<Option<Duration>>) {
        self.0.set_heartbeat(heartbeat::clamp(interval.into()));
    }

    /// How many subscribers are connected.
    pub fn subscribers(&self) -> usize {
        self.0.subscribers()
    }

    /// What the route has done, and how it stands.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Ends the streams of a [client](Subscription::client) of this route at once: of a user who has signed out, or of a
    /// token that was revoked. The messages that they have not been sent yet are not sent. The client may reconnect:
    /// check then whether it may still subscribe.
    ///
    /// The call ends the streams that there are. So revoke first and end the streams then; and check the right once more
    /// after [`client`](Subscription::client), because it may have been revoked between the first check and the
    /// subscription:
    ///
    /// ```
    /// use http::{Request, Response, StatusCode};
    /// use sse_server::{Body, Route};
    ///
    /// fn events(route: &Route, request: &Request<()>, token: &str, is_valid: impl Fn(&str) -> bool) -> Response<Body> {
    ///     if is_valid(token) {
    ///         let subscription = route.subscribe(request).client(token);
    ///         // A token that is revoked from here on ends the stream.
    ///         if is_valid(token) {
    ///             return subscription.respond();
    ///         }
    ///     }
    ///     let mut refusal = Response::new(Body::empty());
    ///     *refusal.status_mut() = StatusCode::UNAUTHORIZED;
    ///     refusal
    /// }
    /// # let route = Route::new();
    /// # assert_eq!(events(&route, &Request::new(()), "t", |_| true).status(), 200);
    /// # assert_eq!(events(&route, &Request::new(()), "t", |_| false).status(), 401);
    /// ```
    ///
    /// With a log, the client's streams end on all replicas; [`stored`](Published::stored) says when the log has the
    /// request.
    ///
    /// # Errors
    ///
    /// With a log, [`PublishError::Full`] if too much waits for it; the streams of this process have ended all the same.
    pub fn end_client(&self, client: &str) -> Result<Published, PublishError> {
        self.0.end_client(client)
    }

    /// Ends the stream for good: every subscriber gets what has been published, and then the end of its body.
    ///
    /// Clients that reconnect get what they have missed, and 204 when there is nothing left: so they stop.
    ///
    /// With a [log](crate::TopicsBuilder::build_on), the end is an entry of the log: it comes after all that was
    /// published before it, and ends the topic on every replica. [`stored`](Published::stored) says when it is in the
    /// log, or that it could not be stored: then close again. [`Topics::open`](crate::Topics::open) takes it back.
    ///
    /// A replica that has not yet read the end may still publish. Such a message comes after the end, and subscribers
    /// that read the topic to its end do not get it. A replica that is started later takes a topic for open if its end is
    /// older than the [newest entries](crate::TopicsBuilder::recent) that it begins with.
    #[allow(clippy::must_use_candidate, reason = "without a log there is nothing to wait for")]
    pub fn close(&self) -> Published {
        self.0.end(Duration::ZERO)
    }

    /// [Closes](Self::close) the route, and lets each stream end at a random moment within `spread`, so that not all
    /// clients come back at once.
    pub fn close_within(&self, spread: Duration) -> Published {
        self.0.end(spread)
    }

    /// Whether the route is closed: nothing can be published any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Completes when the route is closed and the last subscriber has gone.
    pub async fn closed(&self) {
        self.0.drained().await;
    }
}

impl Clone for Route {
    fn clone(&self) -> Self {
        self.0.add_handle();
        Self(self.0.clone())
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.0.drop_handle();
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

/// An epoch that no other hub has, from the randomness that seeds the standard library's hash maps.
pub(crate) fn epoch() -> Epoch {
    Epoch::new(RandomState::new().hash_one("epoch"))
}
