//! One subscriber: its position, and how it waits.
//!
//! It reads the rings of its topics (`live.rs`), and the log where the rings do not go back far enough (`past.rs`). One
//! cursor is used for both.

mod live;
mod past;
mod resting;

use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sse_codec::EventId;
use tokio::time::Instant;

pub(crate) use self::resting::Resting;
use super::feeds::{Feed, Feeds, StreamIds};
use super::first_event::FirstEvent;
use super::observer::EndReason;
use super::stalled::Stalled;
use super::trace::Trace;
use crate::history::{Cursor, Gap, Position, Ring};
use crate::hub::{ClientTicket, Hub, ReadsOn, Resume, State, Topic};
use crate::log::{PAGE, Page};
use crate::message::Block;
use crate::sync::{Exclusive, addresses};

/// One open stream of a topic, or of several of one hub.
#[derive(Debug)]
pub(crate) struct Subscriber {
    hub: Arc<Hub>,
    feeds: Feeds,
    ids: StreamIds,
    cursor: Cursor,
    /// A gap event was about all messages up to here, so that evicted messages of the log are not told of again.
    told: Position,
    reading: Reading,
    /// The position of the newest message when the subscriber came. Messages up to it are a replay.
    start: Position,
    /// The id of that message's event, if its publisher gave it one.
    start_id: Option<Box<EventId<'static>>>,
    /// Whether nothing has been read. A gap is then due to a late start, and not to lag.
    is_new: bool,
    /// How often the log had begun anew when the subscriber took its position.
    generation: u32,
    /// How many of the topic's heartbeats it has had. `None` if it has a heartbeat of its own.
    beats: Option<u64>,
    client: Option<Box<Client>>,
    first_event: FirstEvent,
    /// Set when its connection is cut by the write deadline.
    stalled: Option<Stalled>,
    /// The waker that it has left, as the two addresses of the waker.
    left: Option<(usize, usize)>,
}

/// What a subscriber reads.
#[derive(Debug)]
enum Reading {
    /// The rings.
    Live,
    /// The log, because the rings have evicted the next message. `is_asked_again` is set if the log has answered that
    /// it ends here, though the rings have gone on.
    Log { is_asked_again: bool },
    /// The log, which must first find the position that this publisher's id names.
    Id(Box<str>),
    /// The answer of the log, for which it waits.
    Waiting { is_asked_again: bool, answer: Box<Exclusive<Answer>> },
}

type Answer = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// An answer of the log.
enum Answered {
    /// The next messages.
    Page(Page),
    /// The position that a publisher's id names, and the messages after it.
    Found(Position, Page),
    /// The log does not know the publisher's id.
    Unknown,
}

/// The client that the subscriber belongs to.
#[derive(Debug)]
struct Client {
    name: Box<str>,
    /// One ticket for each topic.
    tickets: Box<[ClientTicket]>,
}

/// Why a request can't subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// There is nothing to read, now or later.
    Over,
    /// The limit of subscribers or of topics is reached.
    Full,
    /// The client has as many streams as allowed.
    ClientFull,
}

/// What a subscriber reads next.
#[derive(Debug)]
pub(crate) enum Next {
    /// Joined messages.
    Frame {
        bytes: Bytes,
        messages: u64,
    },
    Messages(Vec<Item>),
    Gap(Gap),
    Heartbeat,
}

/// One message for a subscriber.
#[derive(Debug)]
pub(crate) struct Item {
    /// The index of the topic among the subscriber's topics.
    pub(crate) feed: usize,
    pub(crate) bytes: Bytes,
    pub(crate) key: Option<Arc<str>>,
    pub(crate) tag: Option<Arc<str>>,
    /// When the message was published, if that is known.
    pub(crate) published: Option<SystemTime>,
}

impl Subscriber {
    /// Returns a subscriber of at least one topic, which resumes after this last event ID.
    pub(crate) fn new(topics: Vec<Arc<Topic>>, last_event_id: &str, ids: StreamIds) -> Result<Self, Denied> {
        let hub = topics[0].hub().clone();
        let now = hub.age(Instant::now());
        let feeds = Feeds::new(topics);
        let mut state = hub.lock();
        for feed in &*feeds {
            feed.state_mut(&mut state).trim(now);
        }
        let Resume { cursor, reads_on } =
            state.resume(feeds.own_id_key(ids), feeds.keys(), last_event_id, hub.source());
        let reading = match reads_on {
            ReadsOn::Rings => Reading::Live,
            ReadsOn::Log => Reading::Log { is_asked_again: false },
            ReadsOn::Id => Reading::Id(last_event_id.into()),
        };
        let beats = feeds.only().map(|feed| feed.state(&state).beats().count());
        let (start, generation) = (state.last(), state.generation());
        let start_id = own_id(&feeds, ids, &state).map(Box::new);
        // A subscriber that has nothing to read is counted for a moment, because it may still begin at the start.
        let is_over = has_ended(&feeds, &state)
            && matches!(reading, Reading::Live)
            && cursor.is_read(state.rings(feeds.keys()));
        let most = hub.settings().max_subscribers;
        if !is_over && let Some(full) = feeds.iter().find(|feed| feed.state(&state).subscribers() >= most) {
            full.state_mut(&mut state).refuse();
            // The last handle of a topic takes the lock when it is dropped.
            drop(state);
            return Err(Denied::Full);
        }
        for feed in &*feeds {
            feed.state_mut(&mut state).add_subscriber();
        }
        drop(state);
        feeds.iter().for_each(|feed| feed.topic().start_timer());
        Ok(Self {
            hub,
            feeds,
            ids,
            cursor,
            told: Position::START,
            reading,
            start,
            start_id,
            is_new: true,
            generation,
            beats,
            client: None,
            first_event: FirstEvent::default(),
            stalled: None,
            left: None,
        })
    }

    /// Watches whether its connection is cut by the write deadline.
    pub(crate) fn watch(&mut self, stalled: Option<Stalled>) {
        self.stalled = stalled;
    }

    /// Tells the application how long the stream waits for its first event.
    pub(crate) fn await_first_event(&mut self, first_event: FirstEvent) {
        self.first_event = first_event;
    }

    /// Notes that events were passed to the connection.
    pub(crate) fn has_sent_events(&mut self) {
        self.first_event.sent(&self.hub);
    }

    /// Counts the subscriber as a stream of this client, if the client may have one more.
    pub(crate) fn join_client(&mut self, name: &str) -> Result<(), Denied> {
        self.leave_client();
        let most = self.hub.settings().max_subscribers_per_client;
        let mut state = self.hub.lock();
        for feed in &*self.feeds {
            let topic = feed.state_mut(&mut state);
            if topic.streams_of(name) >= most {
                topic.refuse();
                return Err(Denied::ClientFull);
            }
        }
        let join = |feed: &Feed| feed.state_mut(&mut state).join_client(name);
        let tickets = self.feeds.iter().map(join).collect();
        drop(state);
        self.client = Some(Box::new(Client { name: name.into(), tickets }));
        Ok(())
    }

    /// Returns the topic that it reads, if there is exactly one.
    pub(crate) fn only_topic(&self) -> Option<&Arc<Topic>> {
        self.feeds.only().map(Feed::topic)
    }

    fn leave_client(&mut self) {
        let Some(client) = self.client.take() else { return };
        let mut state = self.hub.lock();
        for feed in &*self.feeds {
            feed.state_mut(&mut state).leave_client(&client.name);
        }
    }

    fn is_client_ended(&self, state: &State) -> bool {
        let Some(client) = &self.client else { return false };
        let mut feeds = self.feeds.iter().zip(&client.tickets);
        feeds.any(|(feed, ticket)| feed.state(state).is_client_ended(&client.name, *ticket))
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Returns the topics that it reads.
    pub(crate) fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.feeds.iter().map(Feed::topic)
    }

    /// Returns the topic of one of its messages.
    pub(crate) fn topic(&self, feed: usize) -> &Arc<Topic> {
        self.feeds[feed].topic()
    }

    /// Returns the id with which a client resumes that has everything from before this subscriber came.
    pub(crate) fn start_id(&self) -> EventId<'static> {
        self.start_id.as_deref().cloned().unwrap_or_else(|| self.hub.source().id(self.start))
    }

    /// Returns the id with which a client resumes that has everything so far. `None` if there is more to read, or may be:
    /// a topic that has lost its last publisher takes in nothing more, though the log goes on.
    pub(crate) fn id(&self) -> Option<EventId<'static>> {
        let state = self.hub.lock();
        if self.feeds.iter().any(|feed| feed.state(&state).is_abandoned()) {
            return None;
        }
        let own_id = self.is_read(&state).then(|| own_id(&self.feeds, self.ids, &state))?;
        // The client may come from a replica that has read further than this one.
        let last = state.last().max(self.cursor.read_to());
        Some(own_id.unwrap_or_else(|| self.hub.source().id(last)))
    }

    /// Returns the id with which a client comes back that has everything of topics that have ended. `None` if the client
    /// comes from a replica that has read more of the log than this one, and may know that a topic was opened again.
    pub(crate) fn end_id(&self) -> Option<EventId<'static>> {
        let is_seen = self.cursor.read_to() <= self.hub.lock().last();
        self.id().filter(|_| is_seen)
    }

    /// Returns why there is nothing more to read.
    pub(crate) fn end_reason(&self) -> EndReason {
        let state = self.hub.lock();
        if self.is_client_ended(&state) {
            EndReason::ClientEnded
        } else if self.is_ended(&state) {
            EndReason::TopicClosed
        } else {
            EndReason::Lagged
        }
    }

    /// Returns how long to wait before the end of the stream.
    pub(crate) fn closing_delay(&self) -> Duration {
        let state = self.hub.lock();
        // A lagging subscriber is disconnected, though its topic goes on.
        if self.is_client_ended(&state) || !self.is_ended(&state) {
            return Duration::ZERO;
        }
        self.feeds[0].state(&state).spread().mul_f64(fastrand::f64())
    }

    /// Goes back to the oldest kept message.
    pub(crate) fn rewind(&mut self) {
        let state = self.hub.lock();
        self.cursor = Cursor::oldest(self.rings(&state));
    }

    /// Goes back to the newest kept messages, `messages` at most.
    pub(crate) fn rewind_to_newest(&mut self, messages: usize) {
        let state = self.hub.lock();
        self.cursor = Cursor::newest(self.rings(&state), messages);
    }

    /// Skips the messages from before this subscriber came. Returns the gap, if some of them are missing.
    pub(crate) fn skip_to_start(&mut self) -> Option<Gap> {
        let state = self.hub.lock();
        let before = self.cursor.read_to();
        let was_live = matches!(self.reading, Reading::Live);
        self.reading = Reading::Live;
        let gap = take_gap(&mut self.cursor, &self.feeds, &self.hub, &state);
        self.cursor = Cursor::after(self.start);
        let missed = match gap {
            _ if !was_live => None,
            Some(gap) => gap.missed.map(|_| self.start.since(before)),
            None => return None,
        };
        Some(Gap { missed, end: self.start })
    }

    /// Returns whether nothing is missing between what the subscriber has seen and its position.
    pub(crate) fn is_whole(&self) -> bool {
        let state = self.hub.lock();
        match self.reading {
            Reading::Live => !self.cursor.has_gap(self.rings(&state)),
            Reading::Log { .. } => state
                .recent_after(self.cursor.read_to())
                .is_some_and(|mut entries| !entries.any(|entry| self.tells_of_eviction(entry))),
            Reading::Id(_) | Reading::Waiting { .. } => false,
        }
    }

    /// Returns whether there is nothing to read, now or later.
    pub(crate) fn is_over(&self) -> bool {
        let state = self.hub.lock();
        self.is_ended(&state) && self.is_read(&state)
    }

    /// Returns whether everything that was published has been read, also from the log.
    pub(crate) fn has_read(&self) -> bool {
        self.is_read(&self.hub.lock())
    }

    /// Returns whether there is nothing to send for now: everything has been read, or the log has not answered yet.
    pub(crate) fn is_idle(&self) -> bool {
        !matches!(self.reading, Reading::Live) || self.is_read(&self.hub.lock())
    }

    /// Returns whether it gets the topic's heartbeats.
    pub(crate) fn has_heartbeat(&self) -> bool {
        self.beats.is_some()
    }

    /// Ignores the topic's heartbeats, because it has a heartbeat of its own.
    pub(crate) fn ignore_heartbeat(&mut self) {
        self.beats = None;
    }

    /// Returns whether it waits for its topics with this waker, and nothing has happened to them since.
    pub(crate) fn is_quiet(&self, waker: &Waker) -> bool {
        matches!(self.reading, Reading::Live) && self.has_left(waker)
    }

    /// Returns whether it has left this waker, and nothing has happened since.
    fn has_left(&self, waker: &Waker) -> bool {
        // A waker that waits is alive, so no other waker can have its addresses.
        self.left == Some(addresses(waker)) && self.feeds.are_quiet()
    }

    /// Counts a message that passed the filter.
    pub(crate) fn count(&mut self, item: &Item) {
        self.feeds[item.feed].count(item.bytes.len());
    }

    /// Reads the next messages; `None` at the end. With `is_apart`, they come one by one.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>, is_apart: bool) -> Poll<Option<Next>> {
        loop {
            if matches!(self.reading, Reading::Log { .. })
                && let Some(page) = self.page_at_hand()
            {
                match self.take_page(Ok(page), is_apart) {
                    Some(next) => return Poll::Ready(Some(next)),
                    None => continue,
                }
            }
            self.ask_log();
            if let Reading::Waiting { answer, is_asked_again } = &mut self.reading
                && let Poll::Ready(answered) = answer.get_mut().as_mut().poll(cx)
            {
                // The answer of the log may change what is read next, though no topic has changed.
                self.left = None;
                self.reading = Reading::Log { is_asked_again: *is_asked_again };
                match self.take_answer(answered, is_apart) {
                    Some(next) => return Poll::Ready(Some(next)),
                    None => continue,
                }
            }
            let next = self.poll_rings(cx, is_apart);
            if next.is_ready() || !matches!(self.reading, Reading::Log { .. }) {
                return next;
            }
        }
    }

    fn go_live(&mut self) {
        self.reading = Reading::Live;
        self.feeds.iter_mut().for_each(|feed| feed.set_ended(None));
    }

    /// Returns a message as this subscriber gets it.
    fn item(&self, feed: usize, position: Position, block: &Block, published: Option<SystemTime>) -> Item {
        let bytes = match self.ids {
            StreamIds::Own => block.bytes().clone(),
            StreamIds::Hub => block.bytes_with_hub_id(|| self.hub.source().id(position)),
        };
        Item { feed, bytes, key: block.key().cloned(), tag: block.tag().cloned(), published }
    }

    /// Positions rise also after a log has begun anew, so a subscriber has read everything up to its position. The
    /// exception is a position after the `end` of the log.
    fn lose_position(&mut self, end: Option<Position>) {
        let position = self.cursor.read_to();
        self.go_live();
        self.cursor = Cursor::unknown_after(end.map_or(position, |end| position.min(end)));
    }

    fn rings<'s>(&'s self, state: &'s State) -> impl Iterator<Item = &'s Ring> + Clone {
        state.rings(self.feeds.keys())
    }

    /// Returns whether nothing more will come.
    fn is_ended(&self, state: &State) -> bool {
        has_ended(&self.feeds, state)
    }

    /// Returns whether everything has been read.
    fn is_read(&self, state: &State) -> bool {
        matches!(self.reading, Reading::Live)
            && self.generation == state.generation()
            && match &self.feeds {
                // Most subscribers have one topic, and ask after each piece.
                Feeds::One([feed]) => self.cursor.is_read(iter::once(feed.state(state).ring())),
                Feeds::Several(_) => self.cursor.is_read(self.rings(state)),
            }
    }

    /// Returns whether its next message was evicted, and it has not been told yet.
    fn has_gap(&self, state: &State) -> bool {
        match &self.feeds {
            Feeds::One([feed]) => self.cursor.has_gap(iter::once(feed.state(state).ring())),
            Feeds::Several(_) => self.cursor.has_gap(self.rings(state)),
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if self.feeds.is_empty() {
            return;
        }
        self.leave_client();
        let mut state = self.hub.lock();
        let mut waker: Option<Waker> = None;
        let mut others = Vec::new();
        for (number, feed) in self.feeds.iter_mut().enumerate() {
            feed.report(&mut state);
            if self.stalled.as_ref().is_some_and(Stalled::is_set) {
                feed.state_mut(&mut state).count_stalled();
            }
            let left = feed.leave(&mut state);
            if number == 0 { waker = left } else { others.extend(left) }
        }
        drop(state);
        drop((waker, others));
        if self.stalled.as_ref().is_some_and(Stalled::is_set) {
            Trace::stalled(self.feeds.iter().map(|feed| &**feed.topic().name()));
        }
        self.topics().for_each(|topic| topic.has_lost_one());
    }
}

/// Returns the id of the newest event, if its publisher gave it one and the stream carries it.
fn own_id(feeds: &Feeds, ids: StreamIds, state: &State) -> Option<EventId<'static>> {
    state.topic(feeds.own_id_key(ids)?).ring().own_id()
}

fn has_ended(feeds: &Feeds, state: &State) -> bool {
    feeds.iter().all(|feed| feed.state(state).is_ended())
}

fn take_gap(cursor: &mut Cursor, feeds: &Feeds, hub: &Hub, state: &State) -> Option<Gap> {
    cursor.take_gap(state.rings(feeds.keys()), state.last(), hub.counts_gaps())
}
