//! A subscriber whose response has not begun, and the settings of its stream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use sse_codec::{Field, Message};

use super::body::Body;
use super::delivery::Delivery;
use super::events::Events;
use super::feeds::StreamIds;
use super::filter::{Candidate, Filter};
use super::first_event::FirstEvent;
use super::handover::Handover;
use super::observer::{Ended, Tell};
use super::response::{event_stream, last_event_id, no_content, try_later};
use super::rewrite::Rewrite;
use super::shutdown::{Ending, Signals};
use super::stalled::Stalled;
use super::subscriber::{Denied, Subscriber};
use super::trace::Trace;
use crate::hub::{Settings, Topic, heartbeat};
use crate::sync::{Delay, Pulse};

/// A subscriber whose response has not begun, with the settings of its stream.
/// [`Route::subscribe`](crate::Route::subscribe) and [`Topics::subscribe`](crate::Topics::subscribe) return it.
///
/// It already has its position in the stream: it gets every message that is published after it was made. If the request
/// was refused, or asks only for the headers, the settings have no effect, and [`respond`](Self::respond) returns that
/// response.
///
/// ```
/// use std::time::Duration;
/// use http::Request;
/// use sse_server::{Message, Route};
///
/// let route = Route::new();
/// let request = Request::get("/events").body(()).unwrap();
/// let response = route
///     .subscribe(&request)
///     .client("203.0.113.9")
///     .snapshot(|| [Message::new("the state so far")])
///     .filter(|event| event.event_type() != "debug")
///     .heartbeat(Duration::from_secs(5))
///     .respond();
/// assert_eq!(response.status(), 200);
/// ```
#[must_use = "the client gets no stream until `respond` is called"]
pub struct Subscription(State);

enum State {
    Open(Box<Open>),
    Refused(Box<Response<Body>>),
}

struct Open {
    delivery: Delivery,
    reconnection_time: Option<Duration>,
    /// Whether the client came with an id.
    has_id: bool,
    /// Whether it begins with kept messages, so that a client without an id gets them again if it comes again.
    is_rewound: bool,
    /// The blocks of the snapshot.
    snapshot: Option<Vec<u8>>,
    filter: Option<Filter>,
    rewrite: Option<Rewrite>,
    headers: HeaderMap,
    /// Called when the stream has ended.
    tell: Option<Tell>,
    /// Set when its connection is cut by the write deadline.
    stalled: Option<Stalled>,
    /// The way out of hyper, if its server has one.
    handover: Option<Handover>,
}

impl Subscription {
    /// Subscribes the sender of a request to at least one topic of one hub.
    pub(crate) fn of_request<B>(topics: Vec<Arc<Topic>>, request: &Request<B>, ids: StreamIds) -> Self {
        let hub = topics[0].hub().clone();
        if request.method() == Method::HEAD {
            return Self::of_head(Some(topics), request, ids, hub.settings());
        }
        let last_event_id = last_event_id(request, hub.settings().query_parameter.as_deref());
        let extensions = request.extensions();
        let stalled = extensions.get::<Stalled>().cloned();
        let handover = extensions.get::<Handover>().cloned();
        let mut subscription =
            Self::of(topics, &last_event_id, ids, stalled, Signals::endings(extensions), handover);
        if let State::Open(open) = &mut subscription.0 {
            let first_event = FirstEvent::awaited(&hub, extensions);
            open.delivery.subscriber_mut().await_first_event(first_event);
        }
        subscription
    }

    /// Returns the response to a `GET` request without the stream. A topic that does not exist is open.
    pub(crate) fn of_head<B>(
        topics: Option<Vec<Arc<Topic>>>,
        request: &Request<B>,
        ids: StreamIds,
        settings: &Settings,
    ) -> Self {
        let last_event_id = last_event_id(request, settings.query_parameter.as_deref());
        let reads_own_ids = ids == StreamIds::Own;
        let has_more = topics
            .is_none_or(|topics| topics.iter().any(|topic| topic.has_more(&last_event_id, reads_own_ids)));
        let headers = || event_stream(Body::empty(), settings.proxy_headers);
        Self::answered(if has_more { headers() } else { no_content() })
    }

    /// Subscribes to at least one topic of one hub after an id, without a request.
    pub(crate) fn after(topics: Vec<Arc<Topic>>, last_event_id: &str, ids: StreamIds) -> Self {
        Self::of(topics, last_event_id, ids, None, Box::default(), None)
    }

    fn of(
        topics: Vec<Arc<Topic>>,
        last_event_id: &str,
        ids: StreamIds,
        stalled: Option<Stalled>,
        endings: Box<[Ending]>,
        handover: Option<Handover>,
    ) -> Self {
        let mut subscriber = match Subscriber::new(topics, last_event_id, ids) {
            Ok(subscriber) => subscriber,
            Err(denied) => return Self::denied(denied),
        };
        let settings = subscriber.hub().settings();
        let (age, reconnection_time) = (settings.max_age.map(about), settings.any_reconnection_time());
        subscriber.watch(stalled.clone());
        let delivery = Delivery::new(subscriber, age, endings, Trace::new(last_event_id));
        Self(State::Open(Box::new(Open {
            delivery,
            reconnection_time,
            has_id: !last_event_id.is_empty(),
            is_rewound: false,
            snapshot: None,
            filter: None,
            rewrite: None,
            headers: HeaderMap::new(),
            tell: None,
            stalled,
            handover,
        })))
    }

    pub(crate) fn denied(denied: Denied) -> Self {
        Trace::refused(if denied == Denied::Over { "over" } else { "full" });
        Self::answered(match denied {
            Denied::Over => no_content(),
            // Clients that are refused together shall not come back together.
            Denied::Full | Denied::ClientFull => {
                try_later(denied, Duration::from_secs(fastrand::u64(5..=10)))
            }
        })
    }

    fn answered(response: Response<Body>) -> Self {
        Self(State::Refused(Box::new(response)))
    }

    /// Returns whether the subscriber was accepted. If not, [`respond`](Self::respond) returns the reason: 503 with
    /// `Retry-After` if a limit is reached, 429 if it is the limit of one client, 204 if the route is closed, and no
    /// body for `HEAD`.
    pub fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// Returns the subscription, if there is something to read for it.
    fn open(&self) -> Option<&Open> {
        match &self.0 {
            State::Open(open) if !open.delivery.subscriber().is_over() => Some(open),
            _ => None,
        }
    }

    /// Names the client of this stream: a user, a session, a token, or an address. If the client has as many streams as
    /// [`max_subscribers_per_client`](crate::RouteBuilder::max_subscribers_per_client) allows, the request is refused
    /// with 429. [`Route::end_client`](crate::Route::end_client) ends the streams of a client, so use the name of what
    /// may be revoked. A stream has one client: a second call replaces the first.
    pub fn client(self, client: &str) -> Self {
        let State::Open(mut open) = self.0 else { return self };
        match open.delivery.subscriber_mut().join_client(client) {
            Ok(()) => Self(State::Open(open)),
            Err(denied) => Self::denied(denied),
        }
    }

    /// Sends the current state before the stream, unless the client resumes after an id and can get all messages that
    /// it missed. `messages` is called during this call, or not at all.
    ///
    /// After the snapshot, the client gets the messages that were published after this subscription was made. Hold a
    /// lock of your own while you change the state and publish the change, and hold the same lock while you subscribe
    /// and call this method. Then each change is either in the snapshot or in the stream, and never in both.
    ///
    /// With a [log](crate::TopicsBuilder::build_on), a published message is sent when it comes back from the log. So
    /// make the state from the messages that a subscriber [inside the program](Self::into_events) reads.
    ///
    /// The snapshot's messages are sent without their ids. The last one has the id of the position at which the stream
    /// goes on. If the client came with an id, a gap event goes before the snapshot.
    pub fn snapshot<'m, M>(mut self, messages: impl FnOnce() -> M) -> Self
    where
        M: IntoIterator<Item = Message<'m>>,
    {
        if self.open().is_none() {
            return self;
        }
        let State::Open(open) = &mut self.0 else { return self };
        if open.has_id && open.delivery.subscriber().is_whole() {
            return self;
        }
        let mut blocks = Vec::new();
        if let Some(gap) = open.delivery.skip_to_start() {
            gap.encode(&mut blocks);
        }
        // A client that loses its connection before this id has no position yet, and gets the snapshot again. The id is
        // in the last message, and not after it, so that a script in a browser sees it with that event.
        let mut id = Some(open.delivery.subscriber().start_id());
        let mut messages = messages().into_iter().peekable();
        while let Some(message) = messages.next() {
            for field in message.fields().filter(|field| !matches!(field, Field::Id(_))) {
                field.encode(&mut blocks);
            }
            if let Some(id) = id.take_if(|_| messages.peek().is_none()) {
                Field::Id(id).encode(&mut blocks);
            }
            blocks.push(b'\n');
        }
        if let Some(id) = id {
            Message::empty().id(id).encode(&mut blocks);
        }
        open.snapshot = Some(blocks);
        self
    }

    /// Begins at the oldest kept message, without a gap event for earlier ones, if the client came without an id. Use
    /// it for the stream of one task, such as the answer of a language model, which may begin before its client
    /// connects:
    ///
    /// ```
    /// use http::{Request, Response};
    /// use sse_server::{Body, Message, Topics, no_content};
    ///
    /// fn answer(topics: &Topics, name: &str, request: &Request<()>) -> Response<Body> {
    ///     match topics.get(name) {
    ///         Some(route) => route.subscribe(request).from_start().respond(),
    ///         // There is no such answer, or it is no longer kept.
    ///         None => no_content(),
    ///     }
    /// }
    ///
    /// let topics = Topics::new();
    /// let route = topics.route("answer-1")?;
    /// route.publish(&Message::new("Hello"))?;
    /// route.close();
    /// // All of the answer, also after its end.
    /// assert_eq!(answer(&topics, "answer-1", &Request::new(())).status(), 200);
    /// assert_eq!(answer(&topics, "answer-2", &Request::new(())).status(), 204);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// With a log, another process may publish the answer: see [`Topics::get`](crate::Topics::get).
    ///
    /// A [snapshot](Self::snapshot) goes before the kept messages, whichever of the two is set first.
    pub fn from_start(self) -> Self {
        self.rewound(Subscriber::rewind)
    }

    /// Begins with the newest kept messages, up to this number of all topics together, without a gap event for earlier
    /// ones. Use it for a page that shows the last messages and then the new ones. A client that comes with an id
    /// resumes after that id instead.
    ///
    /// ```
    /// use sse_server::{Item, Message, Route};
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let route = Route::new();
    /// for text in ["one", "two", "three"] {
    ///     route.publish(&Message::new(text))?;
    /// }
    /// let mut events = route.subscribe_from("").from_newest(2).into_events();
    /// let Some(Item::Event(received)) = events.next().await else { panic!("two are asked for") };
    /// assert_eq!(received.event().data(), "two");
    /// # Ok::<(), sse_server::PublishError>(())
    /// # }).unwrap();
    /// ```
    pub fn from_newest(self, messages: usize) -> Self {
        self.rewound(|subscriber| subscriber.rewind_to_newest(messages))
    }

    /// Changes where a client without an id begins.
    fn rewound(mut self, rewind: impl FnOnce(&mut Subscriber)) -> Self {
        if let State::Open(open) = &mut self.0
            && !open.has_id
            && open.snapshot.is_none()
        {
            rewind(open.delivery.subscriber_mut());
            open.is_rewound = true;
        }
        self
    }

    /// Leaves out the events for which `predicate` returns `false`. The predicate sees the event, and the
    /// [key](crate::Publication::key) and the [tag](crate::Publication::tag) that it was published with, so it need not
    /// parse the data.
    ///
    /// ```
    /// use http::Request;
    /// use sse_server::{Message, Publication, Route};
    ///
    /// let (route, user) = (Route::new(), String::from("ann"));
    /// let request = Request::get("/events").body(()).unwrap();
    /// // Events without a tag are for everybody.
    /// let subscription = route.subscribe(&request).filter(move |event| event.tag().is_none_or(|tag| tag == user));
    /// let response = subscription.respond();
    ///
    /// route.publish(Publication::new(&Message::new("for Ann")).tag("ann"))?;
    /// route.publish(Publication::new(&Message::new("for Bob")).tag("bob"))?;
    /// route.publish(&Message::new("for all"))?;
    /// # drop(response);
    /// # Ok::<(), sse_server::PublishError>(())
    /// ```
    ///
    /// The predicate is called for each event and each subscriber, when the subscriber reads, without any lock. If it
    /// panics, the stream of this subscriber ends. If most events are for one user each, make a [topic](crate::Topics)
    /// for each user instead: events of other topics cost a subscriber nothing.
    pub fn filter(mut self, predicate: impl FnMut(Candidate<'_>) -> bool + Send + 'static) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.filter = Some(Filter::new(predicate));
        }
        self
    }

    /// Replaces the data of each event by what `data` returns, such as a text with the event's topic in it. The type
    /// and the id of the event stay.
    ///
    /// ```
    /// use http::Request;
    /// use sse_server::{Message, Topics};
    ///
    /// let topics = Topics::new();
    /// let request = Request::get("/events").body(()).unwrap();
    /// let subscription = topics.subscribe(&request, ["news", "weather"]);
    /// let response = subscription.map_data(|event| format!("{}: {}", event.topic(), event.data())).respond();
    ///
    /// // This subscriber gets the data `weather: rain`.
    /// topics.route("weather")?.publish(&Message::new("rain"))?;
    /// # drop(response);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The function is called when the subscriber reads, without any lock, after the [filter](Self::filter). It is also
    /// called for gap events. The topic of a gap event is empty on a stream of several topics, and its id is empty if
    /// it has none. The function is not called for a [snapshot](Self::snapshot). If it panics, the stream of this
    /// subscriber ends.
    pub fn map_data(mut self, data: impl FnMut(Candidate<'_>) -> String + Send + 'static) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.rewrite = Some(Rewrite::new(data));
        }
        self
    }

    /// Sets how long nothing is sent on this stream before a comment is sent: at least 10 ms, `None` for never.
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.delivery.set_pulse(heartbeat::clamp(interval.into()).map(Pulse::new));
        }
        self
    }

    /// Sets after how long this stream ends, up to a tenth less or more; `None` for never. It replaces
    /// [`RouteBuilder::max_age`](crate::RouteBuilder::max_age). For an exact time, see [`until`](Self::until).
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.delivery.set_age(age.into().map(about));
        }
        self
    }

    /// Ends this stream at once when `end` completes. Messages that were not sent by then are sent when the client
    /// comes back, if it may. It can be called several times: the first `end` that completes counts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::Request;
    /// use sse_server::Route;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let token_expires = tokio::time::sleep(Duration::from_secs(3600));
    /// let request = Request::get("/events").body(()).unwrap();
    /// let response = Route::new().subscribe(&request).until(token_expires).respond();
    /// # drop(response);
    /// # });
    /// ```
    pub fn until(mut self, end: impl Future<Output = ()> + Send + 'static) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.delivery.add_until(end);
        }
        self
    }

    /// Calls `tell` when this stream has ended, with the reason and with what was sent, such as for an access log. It
    /// is called once, when the connection drops the stream. It is not called if the request was refused. The function
    /// must not wait, because it may run on a thread that serves other streams.
    ///
    /// ```
    /// use http::Request;
    /// use sse_server::{EndReason, Ended, Route};
    ///
    /// let route = Route::new();
    /// let request = Request::get("/events").body(()).unwrap();
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// let response = route.subscribe(&request).on_end(move |ended| _ = sender.send(ended)).respond();
    /// // The client goes away.
    /// drop(response);
    /// let Ended { reason, events, .. } = receiver.recv()?;
    /// assert_eq!((reason, events), (EndReason::ClientGone, 0));
    /// # Ok::<(), std::sync::mpsc::RecvError>(())
    /// ```
    pub fn on_end(mut self, tell: impl FnOnce(Ended) + Send + 'static) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.tell = Some(Box::new(tell));
        }
        self
    }

    /// Sets a header of the response, unless the request is refused.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.headers.insert(name, value);
        }
        self
    }

    /// Returns the response.
    pub fn respond(self) -> Response<Body> {
        match self.0 {
            State::Open(open) if open.delivery.subscriber().is_over() => Self::denied(Denied::Over).respond(),
            State::Open(mut open) => {
                let opening = open.opening();
                let Open { mut delivery, headers, filter, rewrite, handover, tell, stalled, .. } = *open;
                if let Some(tell) = tell {
                    delivery.observe(tell, stalled);
                }
                delivery.set_opening(opening);
                if let Some(filter) = filter {
                    delivery.set_filter(filter);
                }
                if let Some(rewrite) = rewrite {
                    delivery.set_rewrite(rewrite);
                }
                let proxy_headers = delivery.subscriber().hub().settings().proxy_headers;
                let mut response = event_stream(Body::events(delivery, handover), proxy_headers);
                response.headers_mut().extend(headers);
                response
            }
            State::Refused(response) => *response,
        }
    }

    /// Returns the events as a stream, for a subscriber inside the program. The settings of a connection have no effect
    /// on it: the snapshot, [`map_data`](Self::map_data), the heartbeat, the maximum age, `until` and the headers. If
    /// the subscription was [refused](Self::is_open), the stream ends at once.
    pub fn into_events(self) -> Events {
        match self.0 {
            State::Open(open) => {
                let Open { delivery, filter, .. } = *open;
                Events::new(delivery.into_subscriber(), filter)
            }
            State::Refused(_) => Events::ended(),
        }
    }
}

impl Open {
    /// Returns the first bytes of the stream.
    fn opening(&mut self) -> Bytes {
        let mut opening = Message::empty().comment("");
        if let Some(time) = self.reconnection_time {
            opening = opening.reconnection_time(time);
        }
        // This block dispatches no event, but a client that loses its connection before the first event resumes at this
        // id.
        if !self.has_id && !self.is_rewound && self.snapshot.is_none() {
            opening = opening.id(self.delivery.subscriber().start_id());
        }
        let mut bytes = Vec::with_capacity(128);
        opening.encode(&mut bytes);
        bytes.append(&mut self.snapshot.take().unwrap_or_default());
        bytes.into()
    }
}

/// Returns a delay of about this length, so that not all streams that begin together end together.
fn about(age: Duration) -> Delay {
    let (shortest, spread) = (age.saturating_sub(age / 10), age / 5);
    Delay::new(shortest.saturating_add(spread.mul_f64(fastrand::f64())))
}

impl fmt::Debug for Subscription {
    /// Shows no messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}
