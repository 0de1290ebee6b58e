//! Routes by name, made on demand and dropped when unused.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Request};
use sse_codec::EventId;
use tokio::time::Instant;

use crate::history::Position;
use crate::hub::{Beginning, Hub, Replica, Topic, TopicsStats, follow_log};
use crate::log::{Log, LogError, PublishError, Published, PublisherBuilder, SharedLog};
use crate::message::{Control, Record};
use crate::route::{Route, RouteBuilder, epoch};
use crate::subscribe::{Denied, StreamIds, Subscription};
use crate::sync::Mutex;

/// Routes by name. A subscriber may read several of them.
///
/// It is a handle, and its clones are the same topics. A topic is made when somebody first asks for it. When it has had
/// no handle and no subscriber for a while, it is dropped, with its history. A client that comes back to a dropped
/// topic gets a gap event.
///
/// Subscribers may ask for any name. A topic that no publisher has asked for is empty: it never takes the room of a
/// topic that was published to, and it never makes a publisher wait for room.
///
/// A position counts the messages of all topics together. So a client of several topics gets their messages in the
/// order of publishing, and the id of each event resumes all of these topics.
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
    /// How many of the topics were asked for only by subscribers.
    awaited: usize,
    swept: Instant,
}

struct Entry {
    route: Route,
    /// When somebody last asked for the topic, or when it was last seen in use.
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
    /// Sets the settings of each topic's route. Each topic has a history of its own, within
    /// [`max_memory`](Self::max_memory).
    pub fn route(mut self, settings: RouteBuilder) -> Self {
        self.route = settings;
        self
    }

    /// Sets how many topics there may be: 10,000 by default. If one more is asked for, the topic that has been unused
    /// for the longest time is dropped. The same number of empty topics may exist for subscribers alone.
    pub fn max_topics(mut self, topics: usize) -> Self {
        self.max_topics = topics;
        self
    }

    /// Sets how many bytes of memory the histories of all topics may take together: 256 MiB by default.
    ///
    /// When a publish would exceed this limit, the oldest messages are evicted, whichever topics they belong to. The
    /// newest message is kept whatever its size. This limit comes before the limits of each topic, and before
    /// [`burst_bytes`](RouteBuilder::burst_bytes). A subscriber that has not read an evicted message gets a gap event,
    /// or reads the message from the log if there is one. [`Stats::evicted`](crate::Stats::evicted) counts the evicted
    /// messages.
    ///
    /// The limit covers the memory that grows with the published messages: the text of each message, 256 bytes for each
    /// text, keys and tags, the frames that subscribers at the same position share, and 64 bytes for each publisher's
    /// id that is remembered. An id is remembered for longer than its message only while there is room.
    ///
    /// Other settings limit the rest. Each topic takes about 2 KiB ([`max_topics`](Self::max_topics)), and each
    /// subscriber takes what its connection takes. With a log, there are also its newest messages
    /// ([`recent_bytes`](Self::recent_bytes)), the messages that wait to be appended
    /// ([`PublisherBuilder::max_queued_bytes`]), and up to 8 MiB of older messages that were read.
    pub fn max_memory(mut self, bytes: usize) -> Self {
        self.max_memory = bytes;
        self
    }

    /// Sets how long an unused topic is kept for clients that come back: 60 s by default. Unused topics are dropped
    /// when somebody asks for any topic, so a topic may be kept longer than this.
    pub fn linger(mut self, time: Duration) -> Self {
        self.linger = time;
        self
    }

    /// Sets how messages get into the log. Without a log, it has no effect.
    pub fn publisher(mut self, settings: PublisherBuilder) -> Self {
        self.publisher = settings;
        self
    }

    /// Sets how many of the newest messages of the log, of all topics together, are kept in memory: 16,384 by default,
    /// at least 1. They are read at the start, and a topic that is made later begins with those of them that belong to
    /// it. Subscribers that resume after an older message are served from the log. Without a log, this setting has no
    /// effect.
    pub fn recent(mut self, messages: usize) -> Self {
        self.beginning.messages = messages.max(1);
        self
    }

    /// Sets how many bytes of the newest messages of the log are kept in memory: 32 MiB by default. The newest message
    /// is kept whatever its size. Without a log, this setting has no effect.
    pub fn recent_bytes(mut self, bytes: usize) -> Self {
        self.beginning.bytes = bytes.max(1);
        self
    }

    /// Returns topics whose history is in memory. No topic exists yet.
    pub fn build(self) -> Topics {
        let hub = Hub::new(epoch(), self.route.clone().into_settings(), self.max_memory);
        self.with(Arc::new(hub))
    }

    /// Returns topics that are shared by all processes that use the same log.
    ///
    /// A published message goes into the log. Every process sends the messages of the log to its subscribers, whichever
    /// process has published them. The ids of events are positions in the log, so a client can resume with them in any
    /// process. If the log no longer holds the next message of a client, the client gets a gap event.
    ///
    /// While the log can't be reached, subscribers keep their connections and get heartbeats. They get the messages
    /// when the log can be reached again. Published messages wait for the log as long as [the publisher's
    /// patience](PublisherBuilder::patience) lasts. If the log was deleted, all subscribers get a gap event, and go on
    /// with the messages that there are.
    ///
    /// The log is followed in the tokio runtime in which this method is called.
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
    /// Returns topics with the default settings.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Returns the settings for new topics.
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

    /// Returns the route of this name, for a publisher. The topic is made if it does not exist. If the name comes from
    /// a subscriber, use [`subscribe`](Self::subscribe) or [`subscribe_to`](Self::subscribe_to) instead.
    ///
    /// The topic is in use as long as you keep the handle. The topic is not closed when you drop your last handle,
    /// because the topics keep a handle of their own. A [closed](Route::close) topic stays closed until it is dropped
    /// as unused, or [opened](Self::open) again.
    ///
    /// # Errors
    ///
    /// [`TooManyTopics`] if there are as many topics as allowed, and all of them are in use.
    pub fn route(&self, name: &str) -> Result<Route, TooManyTopics> {
        self.ask_for(name, false)
    }

    /// Returns the topic of this name, for a subscriber or for a publisher.
    fn ask_for(&self, name: &str, awaits: bool) -> Result<Route, TooManyTopics> {
        let Registry { hub, max_topics, linger, state } = &*self.0;
        let now = Instant::now();
        // Dropped after the lock is released, because a route may be large.
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
        // So far, only subscribers have asked for this topic.
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

    /// Returns the route of this name, if a publisher has asked for it before. It makes no topic, so use it if the name
    /// comes from a client and the topic must exist.
    ///
    /// With a log, this process does not know the topics of other processes. It knows a topic after it has asked for it
    /// by [`route`](Self::route), or has subscribed to it.
    pub fn get(&self, name: &str) -> Option<Route> {
        let state = self.0.state.lock();
        let entry = state.topics.get(name)?;
        let is_made = !entry.is_awaited || self.0.hub.source().replica().is_some();
        is_made.then(|| entry.route.clone())
    }

    /// Returns the names and routes of all topics, in no order, for statistics or for a page that shows them. A topic
    /// is in use as long as you keep its handle.
    pub fn routes(&self) -> Vec<(Box<str>, Route)> {
        let state = self.0.state.lock();
        state.topics.iter().map(|(name, entry)| (name.clone(), entry.route.clone())).collect()
    }

    /// Returns the route of this name, and opens it if it was [closed](Route::close): with a log, on every replica. The
    /// history of a closed topic stays, so clients that come back get the messages that they missed.
    ///
    /// # Errors
    ///
    /// The same as of [`route`](Self::route).
    pub fn open(&self, name: &str) -> Result<Route, TooManyTopics> {
        let route = self.route(name)?;
        route.topic().open();
        Ok(route)
    }

    /// Ends the streams of a [client](Subscription::client) in all topics at once. See [`Route::end_client`].
    ///
    /// # Errors
    ///
    /// The same as of [`Route::end_client`].
    pub fn end_client(&self, client: &str) -> Result<Published, PublishError> {
        let hub = &self.0.hub;
        let client = client.into();
        hub.end_client(&client);
        let Some(replica) = hub.source().replica() else { return Ok(Published::known(None)) };
        let record = Record::control("".into(), Control::EndClient { client, everywhere: true });
        replica.outbox().tell(record)
    }

    /// Returns the name of the topic of the event with this id, if the event is still kept. The id must be one that the
    /// topics gave, and not a publisher's. A server uses it if a client sends the id of an event but not the name of
    /// its topic.
    ///
    /// The id of a gap event, of a heartbeat or of the first block of a stream names a position, and the event there may
    /// be of another topic. So check that the client may read the topic.
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

    /// Returns the id of the last message in the log before a time: a subscriber that goes on
    /// [after it](Self::subscribe_from) gets what was published since then. `None` without a log, or if the log
    /// [does not tell](crate::log::Log::time) when a message was appended.
    ///
    /// If the log has no message before the time, the id is that of its beginning. The subscriber then gets a gap event
    /// if the log has evicted messages.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the log can't be read.
    pub async fn id_before(&self, time: SystemTime) -> Result<Option<EventId<'static>>, LogError> {
        let Some(log) = self.0.hub.source().replica().map(Replica::log) else { return Ok(None) };
        if log.time(Position::START).is_none() {
            return Ok(None);
        }
        let newest = log.before(log.position_at(time), 1).await?;
        let position = newest.last().map_or(Position::START, |entry| entry.position);
        Ok(Some(log.id(position)))
    }

    /// Completes when the log has stored or refused all published messages. Without a log, it completes at once. Await
    /// it before a program ends, if the program does not wait for each message to be
    /// [stored](crate::Published::stored).
    pub async fn flush(&self) {
        if let Some(replica) = self.0.hub.source().replica() {
            replica.outbox().flush().await;
        }
    }

    /// Returns the counts of what all topics have done and their present state, together and for each topic.
    pub fn stats(&self) -> TopicsStats {
        let hub = &self.0.hub;
        hub.lock().stats(hub.source())
    }

    /// Returns how many topics there are.
    pub fn len(&self) -> usize {
        self.0.state.lock().topics.len()
    }

    /// Returns whether there is no topic.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Subscribes to several topics at once, as [`Route::subscribe`] does to one. Topics that do not exist are made. A
    /// name that is given twice counts once. The request is refused with 503 if there would be too many topics, and
    /// with 204 if there is no name.
    ///
    /// The events come in the order of publishing, with the ids that the topics give. Such an id resumes each topic of
    /// the stream, alone or with others. The ids of publishers are not sent, because two topics may use the same id.
    /// [`subscribe_to`](Self::subscribe_to) sends the publishers' ids of one topic.
    ///
    /// A gap event of this stream does not count the missed messages: its data is `{"missed":null}`. The positions in a
    /// gap may belong to messages of other topics.
    pub fn subscribe<'n, B>(
        &self,
        request: &Request<B>,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Subscription {
        self.subscribe_with(request, names, StreamIds::Hub)
    }

    /// Subscribes to one topic, as [`Route::subscribe`] does, with the ids that its publishers gave. The topic is made
    /// if it does not exist. The request is refused with 503 if there would be too many topics.
    pub fn subscribe_to<B>(&self, request: &Request<B>, name: &str) -> Subscription {
        self.subscribe_with(request, [name], StreamIds::Own)
    }

    fn subscribe_with<'n, B>(
        &self,
        request: &Request<B>,
        names: impl IntoIterator<Item = &'n str>,
        ids: StreamIds,
    ) -> Subscription {
        // A `HEAD` request makes no topic. If a topic does not exist, a subscription to it would be accepted.
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

    /// Returns the routes of these names, of which there is at least one. The caller holds the routes until it has
    /// subscribed, because a topic that nobody uses may be dropped to make room.
    fn routes_of<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Result<Vec<Route>, Denied> {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Err(Denied::Over);
        }
        // All routes are held until the last one is found, so that none of them is dropped to make room for another.
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
    /// Shows no messages, and takes no lock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topics").finish_non_exhaustive()
    }
}

impl State {
    /// Returns how many topics there are of one kind: asked for only by subscribers, or not.
    fn number(&self, is_awaited: bool) -> usize {
        if is_awaited { self.awaited } else { self.topics.len() - self.awaited }
    }

    /// Removes the topics that have been unused for at least `linger`.
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

    /// Removes the topic of one kind that has been unused for the longest time, if all of that kind is not in use.
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

/// An error: there are as many topics as allowed, and all of them are in use.
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
