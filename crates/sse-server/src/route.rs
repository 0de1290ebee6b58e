//! The route: a program publishes messages to it, and subscribers get them as responses.

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
use crate::hub::{Hub, LagPolicy, OnFirstEvent, Settings, Stats, Topic, heartbeat};
use crate::log::{PublishError, Published};
use crate::message::{EventWriter, Publication};
use crate::subscribe::{Body, StreamIds, Subscription, method_not_allowed};

/// An event stream for any number of subscribers.
///
/// It is a handle, and its clones are the same route. Publish through one of them. Serve another one as a hyper or
/// tower service, or call [`respond`](Self::respond) in a handler of your own. [The promise](crate#the-promise) says
/// what subscribers get.
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
    /// Sets how many messages are kept for subscribers that resume or lag: 1,024 by default, at least 1.
    pub fn history(mut self, messages: usize) -> Self {
        self.0.bounds.messages = messages;
        self
    }

    /// Sets how many bytes of messages are kept, as they are sent: 16 MiB by default. The newest message is kept
    /// whatever its size.
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.0.bounds.bytes = bytes;
        self
    }

    /// Sets how many bytes of messages are kept for connected subscribers that have not read them yet, whatever the
    /// history is set to: 1 MiB by default. A subscriber that reads steadily gets all of a burst up to this size. A
    /// subscriber that lags further gets a gap event.
    ///
    /// It also bounds what [`publish_all`](Route::publish_all) takes.
    pub fn burst_bytes(mut self, bytes: usize) -> Self {
        self.0.bounds.burst = bytes;
        self
    }

    /// Sets how long messages are kept. `None`, the default, keeps them as long as there is room. Expired messages are
    /// evicted at the next publish or subscription.
    pub fn history_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.0.bounds.age = age.into();
        self
    }

    /// Sets what happens to a subscriber that lags so far that it misses messages: [`LagPolicy::Gap`] by default.
    pub fn lag_policy(mut self, policy: LagPolicy) -> Self {
        self.0.lag_policy = policy;
        self
    }

    /// Sets how long nothing is sent on a stream before it sends a comment: 15 s by default, at least 10 ms, `None` for
    /// never.
    ///
    /// Keep it below the idle time-outs of the proxies on the way (60 s is usual).
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.0.heartbeat = heartbeat::clamp(interval.into());
        self
    }

    /// Sets how long all clients wait before they reconnect. `None` leaves it to each client. For the default, see
    /// [`reconnection_time_between`](Self::reconnection_time_between).
    pub fn reconnection_time(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.0.reconnection_time = time.into().map(|time| time..=time);
        self
    }

    /// Sets the range of times that clients wait before they reconnect: 2 s to 4 s by default. Each client gets a
    /// random time of this range, so that clients that lose their connections together do not reconnect together.
    pub fn reconnection_time_between(mut self, range: RangeInclusive<Duration>) -> Self {
        self.0.reconnection_time = Some(range);
        self
    }

    /// Sets after how long a stream ends. Its client then reconnects, perhaps to another server. The time of each
    /// stream is up to a tenth shorter or longer, so that streams that began together do not end together. `None`, the
    /// default, never ends a stream by its age.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.0.max_age = age.into();
        self
    }

    /// Sets how many subscribers may be connected: any number by default. A further request is answered with 503 and
    /// `Retry-After`. With [`Topics`](crate::Topics), this is the limit of each topic.
    pub fn max_subscribers(mut self, subscribers: usize) -> Self {
        self.0.max_subscribers = subscribers;
        self
    }

    /// Sets how many subscribers with the same [client](Subscription::client) may be connected: any number by default.
    /// A further request is answered with 429 and `Retry-After`. With [`Topics`](crate::Topics), this is the limit in
    /// each topic.
    pub fn max_subscribers_per_client(mut self, subscribers: usize) -> Self {
        self.0.max_subscribers_per_client = subscribers;
        self
    }

    /// Sets the query parameter that stands for a `Last-Event-ID` header, for clients that can't send one:
    /// `lastEventId` by default, `None` for no parameter. If a request has both, the header counts.
    pub fn last_event_id_parameter<'n>(mut self, name: impl Into<Option<&'n str>>) -> Self {
        self.0.query_parameter = name.into().map(Box::from);
        self
    }

    /// Sets the type of gap events: `gap` by default.
    pub fn gap_event_type(mut self, event_type: EventType<'static>) -> Self {
        self.0.gap_event_type = event_type;
        self
    }

    /// Sets whether responses ask proxies not to buffer them, by `X-Accel-Buffering: no` and `Incremental: ?1` (RFC
    /// 10036). They do by default.
    pub fn proxy_headers(mut self, sends: bool) -> Self {
        self.0.proxy_headers = sends;
        self
    }

    /// Sets a function that is told how long each stream waited for its first event, such as for a histogram. The time
    /// begins when the request arrives at [`serve`](crate::serve). Under another server, it begins when the request
    /// subscribes.
    ///
    /// The function is called once for each stream, when its connection gets an event of its topics. As in
    /// [`Ended::events`](crate::Ended::events), gap events and snapshots are not counted. It is not called for streams
    /// that end before their first event, and not for [`Events`](crate::Events). It must not wait, because it may run on
    /// a thread that writes other streams. If it panics, the streams go on.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use std::time::Duration;
    /// use sse_server::Route;
    ///
    /// static WITHIN_A_SECOND: AtomicU64 = AtomicU64::new(0);
    ///
    /// let route = Route::builder().on_first_event(|waited| {
    ///     if waited <= Duration::from_secs(1) {
    ///         WITHIN_A_SECOND.fetch_add(1, Ordering::Relaxed);
    ///     }
    /// });
    /// # drop(route);
    /// ```
    pub fn on_first_event(mut self, tell: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.0.on_first_event = Some(OnFirstEvent::new(tell));
        self
    }

    /// Returns the route. It gives new ids, so clients that resume after an id of an earlier route get a gap event.
    pub fn build(self) -> Route {
        let hub = Hub::single(epoch(), self.0);
        Route::of(Topic::new(&Arc::new(hub), ""))
    }

    pub(crate) fn into_settings(self) -> Settings {
        self.0
    }
}

impl Route {
    /// Returns a route with the default settings.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns the settings for a new route.
    pub fn builder() -> RouteBuilder {
        RouteBuilder::default()
    }

    /// Returns the first handle of a topic.
    pub(crate) fn of(topic: Arc<Topic>) -> Self {
        Self(topic)
    }

    pub(crate) fn topic(&self) -> &Arc<Topic> {
        &self.0
    }

    /// Sends a message to all subscribers. The call never waits for a subscriber, and no subscriber can make it fail.
    /// An empty message is not sent.
    ///
    /// A message with data gets an id, by which subscribers resume, unless it has an id of its own. [`EventWriter::id`]
    /// says which ids are allowed. A message may have a key and a tag: see [`Publication`].
    ///
    /// A publisher that gives ids can repeat a request to which it got no response:
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
    /// With a [log](crate::TopicsBuilder::build_on), the message is queued. When the log has stored it, it goes to the
    /// subscribers of all processes. [`stored`](Published::stored) waits for that, and returns the id.
    ///
    /// # Errors
    ///
    /// - [`PublishError::Closed`] if the route is closed.
    /// - [`PublishError::IdTaken`] and [`PublishError::InvalidId`] for an id of your own.
    /// - With a log, [`PublishError::Full`] if too many messages wait for the log, and [`PublishError::OwnId`] for an
    ///   id of your own if the log [has no ids](crate::log::Log::has_ids). Whether an id is taken, only the log knows:
    ///   [`stored`](Published::stored) tells it.
    pub fn publish<'m>(&self, message: impl Into<Publication<'m>>) -> Result<Published, PublishError> {
        self.0.publish(EventWriter::draft(&message.into()))
    }

    /// Sends a message that replaces the earlier messages with the same key, such as the price of one product or the
    /// state of one machine. See [`LagPolicy::LatestPerKey`]. With another policy, only filters and subscribers inside
    /// the program see the key.
    ///
    /// # Errors
    ///
    /// The same as of [`publish`](Self::publish).
    pub fn publish_keyed(&self, key: &str, message: &Message<'_>) -> Result<Published, PublishError> {
        self.publish(Publication::new(message).key(key))
    }

    /// Sends all messages, one directly after the other, or none of them. Each subscriber is woken once.
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
    /// A message that is a [repeat](Published::is_repeat) is not published again; the others are published.
    ///
    /// # Errors
    ///
    /// The same as of [`publish`](Self::publish), and [`PublishError::BatchTooLarge`] if the messages can't be kept for
    /// all connected subscribers, because they take more bytes than [`burst_bytes`](RouteBuilder::burst_bytes) and more
    /// than the history. With a log, that is so for more than 4,096 messages or 1 MiB.
    pub fn publish_all<'m, P: Into<Publication<'m>>>(
        &self,
        messages: impl IntoIterator<Item = P>,
    ) -> Result<Vec<Published>, PublishError> {
        self.0.publish_all(messages.into_iter().map(|message| EventWriter::draft(&message.into())).collect())
    }

    /// Sends a message whose fields `write` writes one by one.
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
    /// [`PublishError::Writer`] with the error of `write`, if it returns one. Nothing is published then. The other
    /// errors are the same as of [`publish`](Self::publish).
    pub fn publish_with(
        &self,
        write: impl FnOnce(&mut EventWriter) -> Result<(), Box<dyn Error + Send + Sync>>,
    ) -> Result<Published, PublishError> {
        let mut writer = EventWriter::with_capacity(256);
        write(&mut writer).map_err(|error| PublishError::Writer(error.into()))?;
        self.0.publish(writer.take_draft(None, None))
    }

    /// Returns the response to a request for the stream.
    ///
    /// - `GET`: 200 and the stream. If the route knows the `Last-Event-ID` of the request, the stream begins after that
    ///   event. If the route does not know it, the stream begins with a gap event and all kept messages. Without a
    ///   `Last-Event-ID`, the stream begins with the next message that is published.
    /// - `HEAD`: the same status and headers, without a body.
    /// - Any other method: 405 with `Allow`.
    /// - If the route is closed and there is nothing left to send: 204, which tells the client not to reconnect. There
    ///   is nothing left to send to a client without a `Last-Event-ID`, unless its subscription begins [at the
    ///   start](Subscription::from_start).
    ///
    /// Heartbeats need a tokio runtime with time enabled. The first runtime in which a subscriber is made or read
    /// drives the heartbeats of the route as long as that runtime lives.
    pub fn respond<B>(&self, request: &Request<B>) -> Response<Body> {
        match *request.method() {
            Method::GET | Method::HEAD => self.subscribe(request).respond(),
            _ => method_not_allowed(),
        }
    }

    /// Subscribes the sender of this request, and returns a [`Subscription`]. Set a snapshot, a filter, a client or
    /// other settings on it, and then make the [response](Subscription::respond).
    ///
    /// Check before this call whether the sender may have the stream. If not, answer the request yourself. The response
    /// to a `HEAD` request has no body. A request with any other method, such as `POST`, gets the stream.
    pub fn subscribe<B>(&self, request: &Request<B>) -> Subscription {
        Subscription::of_request(vec![self.0.clone()], request, StreamIds::Own)
    }

    /// Subscribes a part of the program, such as a worker, after the event with this id. With an empty id, the
    /// subscriber begins with the next message that is published, or [at the start](Subscription::from_start) if it is
    /// set so. [`Events`](crate::Events) has an example.
    pub fn subscribe_from(&self, last_event_id: &str) -> Subscription {
        Subscription::after(vec![self.0.clone()], last_event_id, StreamIds::Own)
    }

    /// Changes the interval of the heartbeat: at least 10 ms; `None` stops it.
    pub fn set_heartbeat(&self, interval: impl Into<Option<Duration>>) {
        self.0.set_heartbeat(heartbeat::clamp(interval.into()));
    }

    /// Returns how many subscribers are connected.
    pub fn subscribers(&self) -> usize {
        self.0.subscribers()
    }

    /// Returns the counts of what the route has done, and its present state.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Ends the streams of a [client](Subscription::client) of this route at once, such as the streams of a user who
    /// has signed out, or of a token that was revoked. Messages that were not yet sent on these streams are not sent.
    /// The client may reconnect: check then whether it may still subscribe.
    ///
    /// The call ends only the streams that exist. So revoke the token first, and end the streams then. Check the token
    /// once more after [`client`](Subscription::client), because it may have been revoked between the first check and
    /// the subscription:
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
    /// With a log, the client's streams end on all replicas. [`stored`](Published::stored) waits until the log has
    /// stored the request.
    ///
    /// # Errors
    ///
    /// With a log, [`PublishError::Full`] if too many messages wait for the log. The streams of this process have ended
    /// all the same.
    pub fn end_client(&self, client: &str) -> Result<Published, PublishError> {
        self.0.end_client(client)
    }

    /// Closes the route: each stream ends after the messages that were published before.
    ///
    /// A client that reconnects gets the messages that it missed. When there is nothing left, it gets 204, and stops.
    ///
    /// With a [log](crate::TopicsBuilder::build_on), the end is an entry of the log. It comes after all messages that
    /// were published before it, and it ends the topic on every replica. [`stored`](Published::stored) waits until the
    /// log has stored it. If the log could not store it, close the topic again. [`Topics::open`](crate::Topics::open)
    /// opens a closed topic.
    ///
    /// A replica that has not yet read the end may still publish. Such a message comes after the end, and subscribers
    /// that read the topic to its end do not get it. A replica that starts later knows the end if the log
    /// [lists the ends](crate::log::Log::ends), as `sse-disk` does. With another log, it knows the ends among the [newest
    /// entries](crate::TopicsBuilder::recent), and takes all other topics for open.
    #[allow(clippy::must_use_candidate, reason = "without a log there is nothing to wait for")]
    pub fn close(&self) -> Published {
        self.0.end(Duration::ZERO)
    }

    /// [Closes](Self::close) the route. Each stream ends at a random moment within `spread`, so that not all clients
    /// reconnect at once.
    pub fn close_within(&self, spread: Duration) -> Published {
        self.0.end(spread)
    }

    /// Returns whether the route is closed, so that nothing can be published any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Completes when the route is closed and the last subscriber is disconnected.
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

/// Returns an epoch that no other hub has, from the randomness that seeds the standard library's hash maps.
pub(crate) fn epoch() -> Epoch {
    Epoch::new(RandomState::new().hash_one("epoch"))
}
