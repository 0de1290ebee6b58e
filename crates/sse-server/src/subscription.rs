//! A subscription in the making: what goes ahead of the stream, and what it leaves out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use sse_codec::{EventRef, Field, Message};

use crate::body::Body;
use crate::channel::Channel;
use crate::deadline::Stalled;
use crate::filter::Filter;
use crate::heartbeat;
use crate::place::{Place, Refusal};
use crate::response::{event_stream, last_event_id, stop, unavailable};
use crate::shutdown::Shutdown;
use crate::subscriber::{End, Subscriber, gap_event};
use crate::timer::{Delay, Pulse};
use crate::trace::Trace;

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
    subscriber: Subscriber,
    reconnection_time: Option<Duration>,
    /// Whether the client came with an id.
    has_id: bool,
    /// Whether it begins with the oldest message, as it would if it came again.
    is_from_start: bool,
    /// Blocks that bring the client to its place.
    snapshot: Option<Vec<u8>>,
    headers: HeaderMap,
}

impl Subscription {
    /// Subscribes to at least one channel of one hub.
    pub(crate) fn new<B>(channels: Vec<Arc<Channel>>, request: &Request<B>) -> Self {
        let hub = channels[0].hub().clone();
        let last_event_id = last_event_id(request, hub.settings.query_parameter.as_deref());
        if request.method() == Method::HEAD {
            let has_more = channels.iter().any(|channel| channel.has_more(&last_event_id));
            return Self::answered(if has_more { event_stream(Body::empty()) } else { stop() });
        }
        let place = match Place::new(channels, &last_event_id) {
            Ok(place) => place,
            Err(refusal) => return Self::refused(refusal),
        };
        let settings = &hub.settings;
        // So not all streams that begin together end together.
        let age = settings.max_age.map(|age| {
            let (shortest, spread) = (age.saturating_sub(age / 10), age / 5);
            Delay::new(shortest.saturating_add(spread.mul_f64(fastrand::f64())))
        });
        let pulse = settings
            .heartbeat
            .filter(|_| !place.has_heartbeat())
            .map(|interval| Box::new(Pulse::new(interval)));
        let has_id = !last_event_id.is_empty();
        let reconnection_time = settings.reconnection_time.as_ref().map(|range| {
            let spread = range.end().saturating_sub(*range.start());
            *range.start() + spread.mul_f64(fastrand::f64())
        });
        let subscriber = Subscriber {
            place,
            ahead: None,
            filter: None,
            pulse,
            age,
            ending: request.extensions().get::<Shutdown>().map(Shutdown::ending),
            stalled: request.extensions().get::<Stalled>().cloned(),
            end: End::Open,
            trace: Trace::new(&last_event_id),
        };
        let headers = HeaderMap::new();
        Self(State::Open(Box::new(Open {
            subscriber,
            reconnection_time,
            has_id,
            is_from_start: false,
            snapshot: None,
            headers,
        })))
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Trace::refused(if refusal == Refusal::Full { "full" } else { "over" });
        Self::answered(match refusal {
            Refusal::Over => stop(),
            // Those who are refused together shall not come back together.
            Refusal::Full => unavailable(Duration::from_secs(fastrand::u64(5..=10))),
        })
    }

    fn answered(response: Response<Body>) -> Self {
        Self(State::Refused(Box::new(response)))
    }

    /// Whether the subscriber has its place. If it has not, [`respond`](Self::respond) gives the reason: 503 with
    /// `Retry-After` if a bound is reached, 204 if the route is closed, and no body for `HEAD`.
    pub fn is_open(&self) -> bool {
        matches!(self.0, State::Open(_))
    }

    /// Says whose subscriber it is: an address, or a user. If that client has as many as
    /// [`max_subscribers_per_client`](crate::RouteBuilder::max_subscribers_per_client) allows, it is refused.
    pub fn client(self, client: &str) -> Self {
        let State::Open(mut open) = self.0 else { return self };
        match open.subscriber.place.join_client(client) {
            Ok(()) => Self(State::Open(open)),
            Err(refusal) => Self::refused(refusal),
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
        let State::Open(open) = &mut self.0 else { return self };
        let place = &mut open.subscriber.place;
        if open.has_id && place.is_whole() {
            return self;
        }
        let mut blocks = Vec::new();
        let hub = place.hub().clone();
        if let Some(gap) = place.skip_to_start() {
            open.subscriber.trace.gap(&gap);
            gap_event(&hub, &gap, false).encode(&mut blocks);
        }
        for message in messages() {
            for field in message.fields().filter(|field| !matches!(field, Field::Id(_))) {
                field.encode(&mut blocks);
            }
            blocks.push(b'\n');
        }
        // Whoever loses the connection before this has no place yet, and gets the snapshot again.
        Message::empty().id(place.start_id()).encode(&mut blocks);
        open.snapshot = Some(blocks);
        self
    }

    /// Begins with the oldest message that is kept, if the client came without an id: for the stream of one task, whose
    /// first messages may be there before its reader. Nobody is told of messages that are no longer kept by then.
    pub fn from_start(mut self) -> Self {
        if let State::Open(open) = &mut self.0
            && !open.has_id
        {
            open.subscriber.place.rewind();
            open.is_from_start = true;
        }
        self
    }

    /// Leaves out the events for which `predicate` says `false`.
    ///
    /// It is asked when the subscriber reads, outside of any lock. If it panics, the stream of this subscriber ends.
    pub fn filter(mut self, predicate: impl FnMut(EventRef<'_>) -> bool + Send + 'static) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.subscriber.filter = Some(Box::new(Filter::new(predicate)));
        }
        self
    }

    /// How long the stream is silent before a comment is sent, for this subscriber; at least 10 ms, `None` for never.
    pub fn heartbeat(mut self, interval: impl Into<Option<Duration>>) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.subscriber.place.ignore_heartbeat();
            open.subscriber.pulse =
                heartbeat::clamp(interval.into()).map(|interval| Box::new(Pulse::new(interval)));
        }
        self
    }

    /// After how long the stream of this subscriber ends; `None` for never.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        if let State::Open(open) = &mut self.0 {
            open.subscriber.age = age.into().map(Delay::new);
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
            State::Open(mut open) => {
                let ahead = open.ahead();
                let Open { mut subscriber, headers, .. } = *open;
                subscriber.ahead = Some(ahead);
                let mut response = event_stream(subscriber.into());
                response.headers_mut().extend(headers);
                response
            }
            State::Refused(response) => *response,
        }
    }
}

impl Open {
    /// What goes out first.
    fn ahead(&mut self) -> Bytes {
        let mut opening = Message::empty().comment("");
        if let Some(time) = self.reconnection_time {
            opening = opening.reconnection_time(time);
        }
        // It dispatches nothing, but a client that loses the connection before the first event resumes here.
        if !self.has_id && !self.is_from_start && self.snapshot.is_none() {
            opening = opening.id(self.subscriber.place.start_id());
        }
        let mut ahead = Vec::with_capacity(128);
        opening.encode(&mut ahead);
        ahead.append(&mut self.snapshot.take().unwrap_or_default());
        ahead.into()
    }
}

impl fmt::Debug for Subscription {
    /// Shows nothing of the messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}
