//! A subscription in the making: what goes ahead of the stream, and what it leaves out.

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
use super::response::{event_stream, last_event_id, no_content, try_later};
use super::shutdown::{Ending, Signals};
use super::stalled::Stalled;
use super::subscriber::{Denied, Subscriber};
use super::trace::Trace;
use crate::hub::{Topic, heartbeat};
use crate::sync::{Delay, Pulse};

/// A subscriber whose response has not begun: from [`Route::subscribe`](crate::Route::subscribe) or
/// [`Topics::subscribe`](crate::Topics::subscribe).
///
/// Its place in the stream is taken: whatever is published from now on, it gets. If the request was refused, or asks
/// for the headers only, the settings have no effect, and [`respond`](Self::respond) gives the refusal.
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
#[must_use = "it subscribes nobody until it is responded"]
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
    /// Whether it begins with the oldest message, as it would if it came again.
    is_from_start: bool,
    /// Blocks that bring the client to its position.
    snapshot: Option<Vec<u8>>,
    filter: Option<Filter>,
    headers: HeaderMap,
}

impl Subscription {
    /// Subscribes the sender of a request to at least one topic of one hub.
    pub(crate) fn of_request<B>(topics: Vec<Arc<Topic>>, request: &Request<B>, ids: StreamIds) -> Self {
        let settings = topics[0].hub().settings();
        let last_event_id = last_event_id(request, settings.query_parameter.as_deref()).into_owned();
        if request.method() == Method::HEAD {
            let has_more = topics.iter().any(|topic| topic.has_more(&last_event_id, ids == StreamIds::Own));
            let headers = || event_stream(Body::empty(), settings.proxy_headers);
            return Self::answered(if has_more { headers() } else { no_content() });
        }
        let extensions = request.extensions();
        let stalled = extensions.get::<Stalled>().cloned();
        Self::of(topics, &last_event_id, ids, stalled, Signals::endings(extensions))
    }

    /// Subscribes somebody to at least one topic of one hub.
    pub(crate) fn after(topics: Vec<Arc<Topic>>, last_event_id: &str, ids: StreamIds) -> Self {
        Self::of(topics, last_event_id, ids, None, Box::default())
    }

    fn of(
        topics: Vec<Arc<Topic>>,
        last_event_id: &str,
        ids: StreamIds,
        stalled: Option<Stalled>,
        endings: Box<[Ending]>,
    ) -> Self {
        let mut subscriber = match Subscriber::new(topics, last_event_id, ids) {
            Ok(subscriber) => subscriber,
            Err(denied) => return Self::denied(denied),
        };
        let settings = subscriber.hub().settings();
        let (age, reconnection_time) = (settings.max_age.map(about), settings.any_reconnection_time());
        subscriber.watch(stalled.clone());
        let delivery = Delivery::new(subscriber, age, endings, Trace::new(last_event_id, stalled));
        Self(State::Open(Box::new(Open {
            delivery,
            reconnection_time,
            has_id: !last_event_id.is_empty(),
            is_from_start: false,
            snapshot: None,
            filter: None,
            headers: HeaderMap::new(),
        })))
    }

    pub(crate) fn denied(denied: Denied) -> Self {
        Trace::refused(if denied == Denied::Over { "over" } else { "full" });
        Self::answered(match denied {
            Denied::Over => no_content(),
            // Those who are refused together shall not come back together.
            Denied::Full | Denied::ClientFull => {
                try_later(denied, Duration::from_secs(fastrand::u64(5..=10)))
            }
        })
    }

    fn answered(response: Response<Body>) -> Self {
        Self(State::Refused(Box::new(response)))
    }

    /// Whether the subscriber was taken. If it was not, [`respond`](Self::respond) gives the reason: 503 with
    /// `Retry-After` if a bound is reached, 429 if it is that of one client, 204 if the route is closed, and no body for
    /// `HEAD`.
    pub fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// The subscription, if there is something to read for it.
    fn open(&self) -> Option<&Open> {
        match &self.0 {
            State::Open(open) if !open.delivery.subscriber().is_over() => Some(open),
            _ => None,
        }
    }

    /// Says whose subscriber it is: an address, or a user. If that client has as many as
    /// [`max_subscribers_per_client`](crate::RouteBuilder::max_subscribers_per_client) allows, it is refused with 429.
    /// [`Route::end_client`](crate::Route::end_client) ends its streams.
    pub fn client(self, client: &str) -> Self {
        let State::Open(mut open) = self.0 else { return self };
        match open.delivery.subscriber_mut().join_client(client) {
            Ok(()) => Self(State::Open(open)),
            Err(denied) => Self::denied(denied),
        }
    }

    /// Sends the state so far ahead of the stream, to a subscriber that can't resume exactly where it was: `messages`
    /// is called at once, or not at all.
    ///
    /// The subscriber gets what is published behind its place, which it took when this subscription was made. So if
    /// the same lock of yours is held over changing the state and publishing the change, and here over subscribing and
    /// this call, then the snapshot and the stream fit: nothing is missing between them, and nothing is doubled.
    ///
    /// With a [log](crate::TopicsBuilder::build_on), what is published takes effect when it comes back from there: then the
    /// state must be made from what comes, by a subscriber of your own.
    ///
    /// Ids of these messages are left out. If the client came with an id, a gap event goes first.
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
        for message in messages() {
            for field in message.fields().filter(|field| !matches!(field, Field::Id(_))) {
                field.encode(&mut blocks);
            }
            blocks.push(b'\n');
        }
        // A client that loses the connection before this has no position yet, and gets the snapshot again.
        Message::empty().id(open.delivery.subscriber().start_id()).encode(&mut blocks);
        open.snapshot = Some(blocks);
        self
    }

    /// Begins with the oldest message that is kept, if the client came without an id: for the stream of one task, whose
    /// first messages may be there before its reader. Nobody is told of messages that are no longer kept by then. A
    /// [snapshot](Self::snapshot) goes before it, whichever is asked for first.
    pub fn from_start(mut self) -> Self {
        if let State::Open(open) = &mut self.0
            && !open.has_id
            && open.snapshot.is_none()
        {
            open.delivery.subscriber_mut().rewind();
            open.is_from_start = true;
        }
        self
    }

    /// Leaves out the events for which `predicate` says `false`. It sees the event, and the
    /// [key](crate::Publication::key) and the [tag](crate::Publication::tag) that it was published with: so it need not
    /// look into the data.
    ///
    /// It is asked for each event and each subscriber, when the subscriber reads, outside of any lock. If it panics, the
    /// stream of this subscriber ends. Where most events are for one user each, a [topic](crate::Topics) for each user
    /// is the better way: what a subscriber does not read costs nothing there.
    pub fn filter(mut self, predicate: impl FnMut(Candidate<'_>) -> bool + Send + 'static) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.filter = Some(Filter::new(predicate));
        }
        self
    }

    /// How long the stream is silent before a comment is sent, for this subscriber; at least 10 ms, `None` for never.
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.delivery.set_pulse(heartbeat::clamp(interval.into()).map(Pulse::new));
        }
        self
    }

    /// After how long the stream of this subscriber ends, or up to a tenth less or more; `None` for never. It replaces
    /// [`RouteBuilder::max_age`](crate::RouteBuilder::max_age). See [`until`](Self::until) for an exact time.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.delivery.set_age(age.into().map(about));
        }
        self
    }

    /// Ends the stream of this subscriber when `end` completes, at once: what it has not been sent by then, it gets
    /// when it comes back, if it may. Of several calls, the first that completes counts.
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

    /// Sets a header of the response, if it is not a refusal.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.headers.insert(name, value);
        }
        self
    }

    /// The response.
    pub fn respond(self) -> Response<Body> {
        match self.0 {
            State::Open(open) if open.delivery.subscriber().is_over() => Self::denied(Denied::Over).respond(),
            State::Open(mut open) => {
                let opening = open.opening();
                let Open { mut delivery, headers, filter, .. } = *open;
                delivery.set_opening(opening);
                if let Some(filter) = filter {
                    delivery.set_filter(filter);
                }
                let proxy_headers = delivery.subscriber().hub().settings().proxy_headers;
                let mut response = event_stream(delivery.into(), proxy_headers);
                response.headers_mut().extend(headers);
                response
            }
            State::Refused(response) => *response,
        }
    }

    /// The events, for a reader inside of the program. Of the settings, those of the connection have no effect: the
    /// snapshot, the heartbeat, the maximum age, `until`, the headers. If the subscriber was
    /// [not taken](Self::is_open), the stream ends at once.
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
    /// What goes out first.
    fn opening(&mut self) -> Bytes {
        let mut opening = Message::empty().comment("");
        if let Some(time) = self.reconnection_time {
            opening = opening.reconnection_time(time);
        }
        // It dispatches nothing, but a client that loses the connection before the first event resumes here.
        if !self.has_id && !self.is_from_start && self.snapshot.is_none() {
            opening = opening.id(self.delivery.subscriber().start_id());
        }
        let mut bytes = Vec::with_capacity(128);
        opening.encode(&mut bytes);
        bytes.append(&mut self.snapshot.take().unwrap_or_default());
        bytes.into()
    }
}

/// A delay of about this length: so not all streams that begin together end together.
fn about(age: Duration) -> Delay {
    let (shortest, spread) = (age.saturating_sub(age / 10), age / 5);
    Delay::new(shortest.saturating_add(spread.mul_f64(fastrand::f64())))
}

impl fmt::Debug for Subscription {
    /// Shows nothing of the messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}
