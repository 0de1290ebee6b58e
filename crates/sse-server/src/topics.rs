//! Routes by name, made on demand and dropped when unused.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use tokio::time::Instant;

use crate::history::Position;
use crate::hub::{Beginning, Hub, Topic, TopicsStats, follow_log};
use crate::log::{Log, LogError, PublishError, Published, PublisherBuilder, SharedLog};
use crate::message::{Control, Record};
use crate::route::{Route, RouteBuilder, epoch};
use crate::subscribe::{Denied, StreamIds, Subscription};
use crate::sync::Mutex;

/// Routes by name, and streams of several of them.
///
/// It is a handle: clones are the same topics. A topic is made when it is first asked for. When nobody has had a
/// handle or a subscriber of it for a while, it is dropped, with its history; a client that comes back to it then gets
/// a gap event.
///
/// Subscribers may ask for any name. A topic that only subscribers have asked for holds nothing: it never takes the room
/// of one that has been published to, and publishers don't wait for its room either.
///
/// A position counts the messages of all topics together. So a client of several topics gets their messages in the order
/// of publishing, and the id of each event resumes all of these topics exactly.
///
/// ```
/// use http::{Method, Request};
/// use sse_server::{Message, Topics};
///
/// let topics = Topics::new();
/// let request = Request::get("/events?topics=news,weather").body(()).unwrap();
/// let response = topics.subscribe(&request, ["news", "weather"]).respond();
///
/// topics.route("weather")?.publish(&Message::new("rain"))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Topics(Arc<Registry>);

struct Registry {
    hub: Arc<Hub>,
    max_topics: usize,
    linger: Duration,
    state: Mutex<State>,
}

struct State {
    topics: HashMap<Box<str>, Entry>,
    /// How many of them are only awaited.
    awaited: usize,
    swept: Instant,
}

struct Entry {
    route: Route,
    /// When it was last asked for, or seen in use.
    used: Instant,
    /// Whether only subscribers have asked for it, and no publisher.
    is_awaited: bool,
}

/// Settings of [`Topics`].
#[derive(Clone, Debug)]
#[must_use]
pub struct TopicsBuilder {
    route: RouteBuilder,
    max_topics: usize,
    linger: Duration,
    max_memory: usize,
    publisher: PublisherBuilder,
    beginning: Beginning,
}

impl TopicsBuilder {
    /// The settings of each topic's route: its history, too, is each topic's own, within
    /// [`max_memory`](Self::max_memory).
    pub fn route(mut self, settings: RouteBuilder) -> Self {
        self.route = settings;
        self
    }

    /// How many topics there are at most; 10,000 by default. If one more is asked for, the one that has been unused
    /// for the longest time makes room. As many more may be there for subscribers alone, without anything in them.
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.max_topics = topics;
        self
    }

    /// How many bytes of memory the histories of all topics take together; 256 MiB by default.
    ///
    /// When a message is published that is over it, the oldest messages make room, whichever topics they are of, up to the
    /// newest message, which is kept whatever its size. It goes before the bounds of each topic, and before
    /// [`burst_bytes`](RouteBuilder::burst_bytes): a subscriber that has not read what was evicted, or comes back for it,
    /// is told of the gap, or gets it from the log if there is one. [`Stats::evicted`](crate::Stats::evicted) counts what was evicted.
    ///
    /// It covers what grows with what is published: the text of each message, 256 bytes beside each text, keys and
    /// tags, what is joined for subscribers that read together, and 64 bytes for each publisher's id that is remembered.
    /// An id is remembered for longer than its message is kept only while there is room. What it does not cover is bounded
    /// by other settings: each topic takes some 2 KiB ([`max_topics`](Self::max_topics)) and each subscriber what
    /// its connection takes; with a log, there are its newest messages ([`recent_bytes`](Self::recent_bytes)), what waits
    /// to be appended ([`PublisherBuilder::max_queued_bytes`]), and 8 MiB of older messages that were read.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.max_memory = bytes;
        self
    }

    /// How long an unused topic is kept, for clients that come back; 60 s by default. It may be kept longer, until
    /// the next time that any topic is asked for.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// With a log: how messages get into it.
    pub fn publisher(mut self, settings: PublisherBuilder) -> Self {
        self.publisher = settings;
        self
    }

    /// With a log: how many of its newest messages, of all topics together, are at hand in memory: as many as are read
    /// at the start, and what a topic begins with that is made later. 16,384 by default, at least 1. Subscribers that
    /// resume after an older message are served from the log.
    pub fn recent(mut self, messages: usize) -> Self {
        self.beginning.messages = messages.max(1);
        self
    }

    /// With a log: how many bytes of its newest messages are at hand; 32 MiB by default. The newest message is at
    /// hand whatever its size.
    pub fn recent_bytes(mut self, bytes: usize) -> Self {
        self.beginning.bytes = bytes.max(1);
        self
    }

    /// The topics; there are none yet.
    pub fn build(self) -> Topics {
        let hub = Hub::new(epoch(), self.route.clone().into_settings(), self.max_memory);
        self.with(Arc::new(hub))
    }

    /// Topics that all processes share that use the same log.
    ///
    /// What is published goes into the log; what is in the log, whoever has published it, goes to the subscribers. The
    /// ids of events are positions in the log: a client that has one resumes with it in any process. What the log does
    /// not hold any more is told as a gap event.
    ///
    /// While the log can't be reached, subscribers keep their connections and get heartbeats, and afterwards what they
    /// missed; messages are kept for as long as [the publisher's patience](PublisherBuilder::patience) lasts. If the log
    /// was lost, all get a gap event, and go on with what there is.
    ///
    /// The log is followed within the tokio runtime in which this is called.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log can't be read.
    pub async fn build_on(self, log: impl Log) -> Result<Topics, LogError> {
        let log = SharedLog::new(log);
        let (outbox, settings) =
            (self.publisher.clone().outbox(log.clone()), self.route.clone().into_settings());
        let hub = follow_log(log, outbox, settings, self.beginning, self.max_memory).await?;
        Ok(self.with(hub))
    }

    fn with(self, hub: Arc<Hub>) -> Topics {
        let state = State { topics: HashMap::new(), awaited: 0, swept: Instant::now() };
        Topics(Arc::new(Registry {
            hub,
            max_topics: self.max_topics,
            linger: self.linger,
            state: Mutex::new(state),
        }))
    }
}

impl Topics {
    /// Topics with the default settings.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Settings for topics.
    pub fn builder() -> TopicsBuilder {
        TopicsBuilder {
            route: RouteBuilder::default(),
            max_topics: 10_000,
            linger: Duration::from_secs(60),
            max_memory: 256 * 1024 * 1024,
            publisher: PublisherBuilder::default(),
            beginning: Beginning { messages: 16 * 1024, bytes: 32 * 1024 * 1024 },
        }
    }

    /// The route of this name, for a publisher; it is made if there is none. A name that comes from a subscriber belongs
    /// to [`subscribe`](Self::subscribe) or [`subscribe_to`](Self::subscribe_to).
    ///
    /// As long as the handle is kept, the topic is in use. It is not closed when your last handle is dropped: the topics
    /// have one of their own. Once it is [closed](Route::close), it stays so until it is dropped as unused, or
    /// [opened](Self::open) again.
    ///
    /// # Errors
    ///
    /// [`TooManyTopics`] if there are as many as allowed, and all are in use.
    pub fn route(&self, name: &str) -> Result<Route, TooManyTopics> {
        self.ask_for(name, false)
    }

    /// The topic of this name, for a subscriber or for a publisher.
    fn ask_for(&self, name: &str, awaits: bool) -> Result<Route, TooManyTopics> {
        let Registry { hub, max_topics, linger, state } = &*self.0;
        let now = Instant::now();
        // Dropped without the lock: a route may be large.
        let mut dropped = Vec::new();
        let mut state = state.lock();
        if now.saturating_duration_since(state.swept) >= *linger {
            state.sweep(now, *linger, &mut dropped);
        }
        if let Some(entry) = state.topics.get_mut(name) {
            entry.used = now;
            if awaits || !entry.is_awaited {
                return Ok(entry.route.clone());
            }
        }
        if state.number(awaits) >= *max_topics {
            dropped.push(state.make_room(awaits).ok_or(TooManyTopics)?);
        }
        // One that was only awaited so far.
        if let Some(entry) = state.topics.get_mut(name) {
            entry.is_awaited = false;
            let route = entry.route.clone();
            state.awaited -= 1;
            return Ok(route);
        }
        let route = Route::of(Topic::new(hub, name));
        let entry = Entry { route: route.clone(), used: now, is_awaited: awaits };
        state.topics.insert(name.into(), entry);
        state.awaited += usize::from(awaits);
        Ok(route)
    }

    /// The route of this name, if a publisher has asked for it. It makes no topic, so use it if the name comes from a client
    /// and must be one that a publisher has made.
    ///
    /// With a log, a topic that other processes publish to is not there before this process has asked for it by
    /// [`route`](Self::route) or has subscribed to it.
    pub fn get(&self, name: &str) -> Option<Route> {
        let state = self.0.state.lock();
        let entry = state.topics.get(name)?;
        let is_made = !entry.is_awaited || self.0.hub.source().replica().is_some();
        is_made.then(|| entry.route.clone())
    }

    /// All topics that there are, by name, in no order: for numbers, or a page that shows them. As long as a handle is
    /// kept, its topic is in use.
    pub fn routes(&self) -> Vec<(Box<str>, Route)> {
        let state = self.0.state.lock();
        state.topics.iter().map(|(name, entry)| (name.clone(), entry.route.clone())).collect()
    }

    /// The route of this name, open again if it was [closed](Route::close); with a log, on every replica. A closed
    /// topic's history stays: subscribers that come back get what they missed.
    ///
    /// # Errors
    ///
    /// As [`route`](Self::route).
    pub fn open(&self, name: &str) -> Result<Route, TooManyTopics> {
        let route = self.route(name)?;
        route.topic().open();
        Ok(route)
    }

    /// Ends the streams of a [client](Subscription::client) at once, of all topics; see
    /// [`Route::end_client`].
    ///
    /// # Errors
    ///
    /// As [`Route::end_client`].
    pub fn end_client(&self, client: &str) -> Result<Published, PublishError> {
        let hub = &self.0.hub;
        let client = client.into();
        hub.end_client(&client);
        let Some(replica) = hub.source().replica() else { return Ok(Published::known(None)) };
        let record = Record::control("".into(), Control::EndClient { client, everywhere: true });
        replica.outbox().tell(record)
    }

    /// The name of the topic of the event with this id, if the event is still kept. The id must be one that the topics
    /// gave, not a publisher's. It is for servers that must find a stream by the id of an event alone.
    ///
    /// ```
    /// use sse_server::{Message, Topics};
    ///
    /// let topics = Topics::new();
    /// let published = topics.route("session-7")?.publish(&Message::new("Hello"))?;
    /// let id = published.id().unwrap().as_str();
    /// assert_eq!(topics.topic_of(id).as_deref(), Some("session-7"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn topic_of(&self, id: &str) -> Option<Arc<str>> {
        let hub = &self.0.hub;
        let position: Position = hub.source().position(id)?;
        hub.lock().topic_of(position)
    }

    /// Completes when all that was published is in the log, or has been given up; at once, if there is no log. Await it
    /// before the end of a program that does not wait for each message to be [stored](crate::Published::stored).
    pub async fn flush(&self) {
        if let Some(replica) = self.0.hub.source().replica() {
            replica.outbox().flush().await;
        }
    }

    /// What all topics have done and how they stand, together and each.
    pub fn stats(&self) -> TopicsStats {
        let hub = &self.0.hub;
        hub.lock().stats(hub.source())
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.0.state.lock().topics.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Subscribes to several topics at once, as [`Route::subscribe`] does to one. Topics that do not exist are made; a
    /// name that comes twice counts once. If there would be too many topics, the request is refused with 503; if there is
    /// no name, with 204.
    ///
    /// The events come in the order of publishing, with the ids that the topics give. A publisher's id is not sent,
    /// because two topics may use the same one. So an id of this stream resumes each of its topics, alone or with others.
    /// [`subscribe_to`](Self::subscribe_to) sends the publishers' ids of one topic.
    ///
    /// A gap event of this stream does not count the missed messages: its data is `{"missed":null}`. Positions in a gap
    /// may belong to messages of other topics.
    pub fn subscribe<'n, B>(
        &self,
        request: &Request<B>,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Subscription {
        self.subscribe_with(request, names, StreamIds::Hub)
    }

    /// Subscribes to one topic, as [`Route::subscribe`] does: with the ids that its publishers gave. The topic is made if it
    /// does not exist. If there would be too many topics, the request is refused with 503.
    pub fn subscribe_to<B>(&self, request: &Request<B>, name: &str) -> Subscription {
        self.subscribe_with(request, [name], StreamIds::Own)
    }

    fn subscribe_with<'n, B>(
        &self,
        request: &Request<B>,
        names: impl IntoIterator<Item = &'n str>,
        ids: StreamIds,
    ) -> Subscription {
        // A `HEAD` request makes no topic: one that is not there could be subscribed to.
        let mut names = names.into_iter().peekable();
        if request.method() == Method::HEAD && names.peek().is_some() {
            let state = self.0.state.lock();
            let routes: Option<Vec<_>> =
                names.map(|name| Some(state.topics.get(name)?.route.clone())).collect();
            drop(state);
            let topics = routes.map(|routes| topics_of(&routes));
            return Subscription::of_head(topics, request, ids, self.0.hub.settings());
        }
        match self.routes_of(names) {
            Ok(routes) => Subscription::of_request(topics_of(&routes), request, ids),
            Err(denied) => Subscription::denied(denied),
        }
    }

    /// Subscribes a part of the program to several topics, as [`Route::subscribe_from`] does to one.
    pub fn subscribe_from<'n>(
        &self,
        last_event_id: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Subscription {
        match self.routes_of(names) {
            Ok(routes) => Subscription::after(topics_of(&routes), last_event_id, StreamIds::Hub),
            Err(denied) => Subscription::denied(denied),
        }
    }

    /// The routes of these names, at least one. They are to be held until somebody has subscribed: a topic that nobody
    /// uses makes room for others.
    fn routes_of<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<Vec<Route>, Denied> {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Err(Denied::Over);
        }
        // The routes are held until all are there, so that none of them makes room for another.
        let routes: Result<Vec<_>, _> = names.into_iter().map(|name| self.ask_for(name, true)).collect();
        routes.map_err(|TooManyTopics| Denied::Full)
    }
}

fn topics_of(routes: &[Route]) -> Vec<Arc<Topic>> {
    routes.iter().map(|route| route.topic().clone()).collect()
}

impl Default for Topics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Topics {
    /// Shows nothing of the messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}

impl State {
    /// How many topics there are that are only awaited, or that are more than that.
    fn number(&self, is_awaited: bool) -> usize {
        if is_awaited { self.awaited } else { self.topics.len() - self.awaited }
    }

    /// Takes out what has been unused for long.
    fn sweep(&mut self, now: Instant, linger: Duration, dropped: &mut Vec<Route>) {
        self.swept = now;
        for entry in self.topics.values_mut().filter(|entry| entry.route.topic().is_used()) {
            entry.used = now;
        }
        let unused = self.topics.extract_if(|_, entry| now.saturating_duration_since(entry.used) >= linger);
        dropped.extend(unused.map(|(_, entry)| {
            self.awaited -= usize::from(entry.is_awaited);
            entry.route
        }));
    }

    /// Takes out the topic of one kind that has been unused for the longest time.
    fn make_room(&mut self, is_awaited: bool) -> Option<Route> {
        let unused = self
            .topics
            .iter()
            .filter(|(_, entry)| entry.is_awaited == is_awaited && !entry.route.topic().is_used());
        let oldest = unused.min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone())?;
        self.awaited -= usize::from(is_awaited);
        Some(self.topics.remove(&oldest)?.route)
    }
}

/// There are as many topics as allowed, and all of them are in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooManyTopics;

impl fmt::Display for TooManyTopics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "there are too many topics in use; drop handles that are not needed, or allow more topics",
        )
    }
}

impl Error for TooManyTopics {}
