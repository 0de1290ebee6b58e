//! The route: publish on one side, respond to subscribers on the other.

use std::borrow::Cow;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use sse_codec::{EventId, EventType, Message};

use crate::body::Body;
use crate::channel::Channel;
use crate::error::{Closed, PublishError};
use crate::heartbeat;
use crate::ring::Bounds;
use crate::shutdown::Shutdown;
use crate::subscriber::Subscriber;
use crate::writer::EventWriter;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

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
/// # Ok::<(), sse_server::Closed>(())
/// ```
///
/// When the last handle is dropped, the route is closed.
#[derive(Clone, Debug)]
pub struct Route(Arc<Owner>);

/// Closes the channel when the last handle goes; subscribers hold the channel only.
#[derive(Debug)]
struct Owner {
    channel: Arc<Channel>,
    reconnection_time: Option<Duration>,
    gap_event_type: EventType<'static>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.channel.close();
    }
}

/// Settings of a [`Route`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RouteBuilder {
    bounds: Bounds,
    heartbeat: Option<Duration>,
    reconnection_time: Option<Duration>,
    gap_event_type: EventType<'static>,
}

impl Default for RouteBuilder {
    fn default() -> Self {
        Self {
            bounds: Bounds { messages: 1024, bytes: 16 * 1024 * 1024 },
            heartbeat: Some(heartbeat::DEFAULT),
            reconnection_time: Some(Duration::from_secs(3)),
            gap_event_type: const { EventType::from_static("gap") },
        }
    }
}

impl RouteBuilder {
    /// How many messages are kept for subscribers that resume or lag; 1024 by default, at least 1.
    pub fn history(mut self, messages: usize) -> Self {
        self.bounds.messages = messages;
        self
    }

    /// How many bytes of messages are kept, as they are sent; 16 MiB by default. The newest message is kept whatever
    /// its size.
    pub fn history_bytes(mut self, bytes: usize) -> Self {
        self.bounds.bytes = bytes;
        self
    }

    /// How long a silent stream waits before it sends a comment; 15 s by default, at least 10 ms, `None` for never.
    ///
    /// Keep it below the idle time-outs of the proxies on the way (60 s is usual).
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.heartbeat = interval.into();
        self
    }

    /// How long subscribers shall wait before they reconnect; 3 s by default, `None` to leave it to them.
    pub fn reconnection_time(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.reconnection_time = time.into();
        self
    }

    /// The type of the event that tells of a gap; `gap` by default.
    pub fn gap_event_type(mut self, event_type: EventType<'static>) -> Self {
        self.gap_event_type = event_type;
        self
    }

    /// The route. Its ids begin anew: what subscribers of an earlier route missed is a gap.
    pub fn build(self) -> Route {
        let channel = Channel::new(epoch(), self.bounds, heartbeat::clamp(self.heartbeat));
        Route(Arc::new(Owner {
            channel: Arc::new(channel),
            reconnection_time: self.reconnection_time,
            gap_event_type: self.gap_event_type,
        }))
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

    /// Sends a message to all subscribers. It never waits, and no subscriber can make it fail. An empty one is not sent.
    ///
    /// A message with data gets an id, if it has none of its own, by which subscribers resume; see
    /// [`EventWriter::id`] for what an id of your own must be.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the route is closed.
    pub fn publish(&self, message: &Message<'_>) -> Result<(), Closed> {
        self.0.channel.publish(EventWriter::from_message(message))
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
    /// [`PublishError::Writer`] with the error of `write`; nothing is published then. [`PublishError::Closed`] if the
    /// route is closed.
    pub fn publish_with(
        &self,
        write: impl FnOnce(&mut EventWriter) -> Result<(), Box<dyn Error + Send + Sync>>,
    ) -> Result<(), PublishError> {
        let mut writer = EventWriter::with_capacity(256);
        write(&mut writer).map_err(PublishError::Writer)?;
        Ok(self.0.channel.publish(writer)?)
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
            Method::GET => self.subscribe(request),
            Method::HEAD if self.0.channel.has_more(&last_event_id(request)) => event_stream(Body::empty()),
            Method::HEAD => status(StatusCode::NO_CONTENT),
            _ => {
                let mut response = status(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
                *response.body_mut() = "an event stream is read with GET\n".into();
                response
            }
        }
    }

    fn subscribe<B>(&self, request: &Request<B>) -> Response<Body> {
        let channel = &self.0.channel;
        let Some((place, id)) = channel.subscribe(&last_event_id(request)) else {
            return status(StatusCode::NO_CONTENT);
        };
        let ending = request.extensions().get::<Shutdown>().map(Shutdown::ending);
        let gap_event_type = self.0.gap_event_type.clone();
        let subscriber = Subscriber::new(channel.clone(), place, &self.opening(id), gap_event_type, ending);
        event_stream(subscriber.into())
    }

    /// The block that a stream begins with. Its id dispatches nothing, but a client that loses the connection before
    /// the first event resumes here all the same.
    fn opening(&self, id: Option<EventId<'static>>) -> Message<'static> {
        let mut opening = Message::empty().comment("");
        if let Some(time) = self.0.reconnection_time {
            opening = opening.reconnection_time(time);
        }
        match id {
            Some(id) => opening.id(id),
            None => opening,
        }
    }

    /// Changes the heartbeat's interval, at least 10 ms; `None` stops it.
    pub fn set_heartbeat(&self, interval: impl Into<Option<Duration>>) {
        self.0.channel.set_heartbeat(heartbeat::clamp(interval.into()));
    }

    /// How many subscribers are connected.
    pub fn subscribers(&self) -> usize {
        self.0.channel.subscribers()
    }

    /// Ends the stream for good: every subscriber gets what has been published, and then the end of its body.
    ///
    /// Clients that reconnect get what they have missed, and 204 when there is nothing left: so they stop.
    pub fn close(&self) {
        self.0.channel.close();
    }

    /// Whether the route is closed.
    pub fn is_closed(&self) -> bool {
        self.0.channel.is_closed()
    }

    /// Completes when the route is closed and the last subscriber has gone.
    pub async fn closed(&self) {
        self.0.channel.drained().await;
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

/// The id that a client comes with; empty if it comes with none. The standard sends it as UTF-8 (9.2.3).
fn last_event_id<B>(request: &Request<B>) -> Cow<'_, str> {
    let id = request.headers().get(LAST_EVENT_ID).map_or(&[][..], HeaderValue::as_bytes);
    // Not every server in front has trimmed it.
    String::from_utf8_lossy(id.trim_ascii())
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// 200 with the headers that browsers and proxies need: no cache, no transformation, no buffering.
fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(sse_codec::CONTENT_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-transform"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// A number that no other route has, from the randomness that seeds the standard library's hash maps. 48 bits keep
/// ids short.
fn epoch() -> u64 {
    RandomState::new().hash_one("epoch") >> 16
}
