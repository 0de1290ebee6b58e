//! One topic, protected by the lock of its hub.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::heartbeat::{Beat, Beats};
use super::settings::Settings;
use super::stats::Stats;
use crate::history::{Cursor, Frame, Kept, KnownId, Lifetime, Memory, OwnIds, Position, Ring};
use crate::sync::{AtomicU64, Ticket, Waiting, Wakers};

/// The messages of a topic, and its subscribers.
pub(crate) struct TopicState {
    ring: Ring,
    own_ids: OwnIds,
    /// The position by which the topic is sorted in the memory that the topics share.
    place: Option<Position>,
    /// Whether an earlier topic of this name had publishers' ids, which are forgotten.
    has_lost_own_ids: bool,
    lifetime: Lifetime,
    /// The commands of this process that have not come back from the log, in order.
    asked: Vec<Asked>,
    subscribers: usize,
    /// How often the streams of a client were ended.
    client_ends: u64,
    /// The clients of the subscribers that have named one.
    clients: HashMap<Box<str>, Client>,
    /// The wakers of the subscribers that have read everything.
    wakers: Wakers,
    /// Whether there are messages of which the subscribers were not notified.
    has_news: bool,
    beats: Beats,
    stats: Stats,
    signals: Arc<Signals>,
}

/// State of a topic that is read without its lock.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    /// Rises, under the lock, with everything that subscribers must look at.
    version: AtomicU64,
    /// Notified when the heartbeat's interval changes, or when the topic is dropped.
    pub(crate) heartbeat_changed: Arc<Notify>,
    /// Notified when an ended topic has lost its last subscriber.
    pub(crate) drained: Notify,
}

/// A command that is on its way into the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    End,
    Open,
}

/// The streams of one client.
#[derive(Debug, Default)]
struct Client {
    streams: usize,
    /// How often the streams of the client were ended.
    ends: u64,
}

/// A ticket of a client's stream, which shows whether the stream was ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientTicket(u64);

impl Signals {
    /// Returns the present version. If it is read without the lock, it may be old.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

impl TopicState {
    pub(crate) fn new(ring: Ring, own_ids: OwnIds, settings: &Settings, signals: Arc<Signals>) -> Self {
        Self {
            ring,
            own_ids,
            place: None,
            has_lost_own_ids: false,
            lifetime: Lifetime::default(),
            asked: Vec::new(),
            subscribers: 0,
            client_ends: 0,
            clients: HashMap::new(),
            wakers: Wakers::default(),
            has_news: false,
            beats: Beats::new(settings.heartbeat),
            stats: Stats::default(),
            signals,
        }
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Replaces the ring and the ids by those that were made from the log. Returns the old ones.
    #[must_use = "they may be large: drop them without the lock"]
    pub(crate) fn replace(&mut self, ring: Ring, own_ids: OwnIds) -> (Ring, OwnIds) {
        (std::mem::replace(&mut self.ring, ring), std::mem::replace(&mut self.own_ids, own_ids))
    }

    /// Appends a message. The caller must [notify](Self::touch) the subscribers.
    pub(crate) fn push(&mut self, kept: Kept, now: Instant) {
        let is_awaited = self.is_awaited();
        self.ring.push(kept, is_awaited);
        self.has_news = true;
        self.stats.published += 1;
        self.beats.put_off(now);
    }

    /// Evicts the messages up to a position. The caller must [notify](Self::touch) the subscribers.
    pub(crate) fn evict_until(&mut self, position: Position) {
        self.ring.evict_until(position);
    }

    /// Evicts expired messages, and messages that were kept for subscribers that have read them.
    pub(crate) fn trim(&mut self, now: Duration) {
        let is_awaited = self.is_awaited();
        self.ring.trim(now, is_awaited);
    }

    /// Evicts the oldest message, or forgets the oldest id if that is older, to make room for other topics.
    pub(crate) fn make_room(&mut self) {
        match (self.ring.oldest(), self.own_ids.oldest()) {
            (Some(message), id) if id.is_none_or(|id| message <= id) => {
                self.ring.evict_oldest();
                self.stats.evicted += 1;
            }
            _ => self.own_ids.forget_oldest(),
        }
    }

    /// Returns the position of the oldest message or id.
    pub(crate) fn oldest(&self) -> Option<Position> {
        [self.ring.oldest(), self.own_ids.oldest()].into_iter().flatten().min()
    }

    /// Sorts the topic by its oldest message or id in the memory that the topics share.
    pub(crate) fn take_place(&mut self, key: usize, memory: &mut Memory) {
        let oldest = self.oldest();
        memory.put(key, self.place, oldest);
        self.place = oldest;
    }

    /// Does the same, if the topic is not there yet.
    pub(crate) fn need_place(&mut self, key: usize, memory: &mut Memory) {
        if self.place.is_none() {
            self.take_place(key, memory);
        }
    }

    /// Removes the topic from the memory that the topics share.
    pub(crate) fn leave_place(&mut self, key: usize, memory: &mut Memory) {
        memory.put(key, self.place.take(), None);
    }

    /// Returns whether a subscriber has not read everything.
    fn is_awaited(&self) -> bool {
        let read_all = if self.has_news { 0 } else { self.wakers.len() };
        self.subscribers > read_all
    }

    /// Looks up an id of a publisher's with its message, both as hashes.
    pub(crate) fn look_up_own_id(&self, id: u64, fingerprint: u64) -> KnownId {
        self.own_ids.look_up(id, fingerprint)
    }

    pub(crate) fn remember_own_id(&mut self, id: u64, position: Position, fingerprint: u64) {
        self.own_ids.insert(id, position, fingerprint, |position| self.ring.keeps(position));
    }

    /// Returns the position of the message that a publisher's id names, if the id is remembered in memory.
    pub(crate) fn own_id_position(&self, id: u64) -> Option<Position> {
        self.own_ids.position(id)
    }

    /// Returns where a subscriber begins that resumes after a publisher's id.
    pub(crate) fn resume_by_own_id(&self, id: u64) -> Option<Cursor> {
        let position = self.own_ids.position(id)?;
        // The client may have the id from the earlier topic, after which other messages came.
        Some(if self.has_lost_own_ids { Cursor::unknown_after(position) } else { Cursor::after(position) })
    }

    /// Notes that an earlier topic of this name had publishers' ids.
    pub(crate) fn lose_own_ids(&mut self) {
        self.has_lost_own_ids = true;
    }

    /// Returns whether a publisher has given ids.
    pub(crate) fn has_own_ids(&self) -> bool {
        self.has_lost_own_ids || self.own_ids.is_used()
    }

    pub(crate) fn count_repeat(&mut self) {
        self.stats.repeated += 1;
    }

    /// Lets all subscribers know that there is something to look at. The caller must wake everything that is returned.
    #[must_use = "a subscriber that is not woken waits for ever"]
    pub(crate) fn touch(&mut self) -> Slab<Waiting> {
        self.has_news = false;
        self.signals.version.fetch_add(1, Ordering::Release);
        self.wakers.take()
    }

    /// Keeps the storage of wakers for the next time. Returns the storage that is not needed.
    #[must_use = "its storage should be freed without a lock"]
    pub(crate) fn give_back(&mut self, drained: Slab<Waiting>) -> Slab<Waiting> {
        self.wakers.give_back(drained)
    }

    /// Leaves a waker for the next change. Returns the version, and the waker that was replaced.
    #[must_use = "dropped under a lock, a waker runs the executor's code there"]
    pub(crate) fn wait(&mut self, ticket: &mut Ticket, waker: Waker) -> (u64, Option<Waker>) {
        self.wait_for(ticket, waker, 1)
    }

    /// Leaves a waker for several subscribers.
    #[must_use = "dropped under a lock, a waker runs the executor's code there"]
    pub(crate) fn wait_for(
        &mut self,
        ticket: &mut Ticket,
        waker: Waker,
        subscribers: usize,
    ) -> (u64, Option<Waker>) {
        let replaced = self.wakers.wait_for(ticket, waker, subscribers);
        (self.signals.version.load(Ordering::Relaxed), replaced)
    }

    /// Removes the waker of a subscriber or a group, if it waits.
    #[must_use = "dropped under a lock, a waker runs the executor's code there"]
    pub(crate) fn stop_waiting(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        self.wakers.remove(ticket)
    }

    pub(crate) fn signals(&self) -> &Arc<Signals> {
        &self.signals
    }

    // The end of the topic.

    /// Returns whether messages can be published.
    pub(crate) fn is_open(&self) -> bool {
        match self.asked.last() {
            Some(Asked::End) => false,
            Some(Asked::Open) => true,
            None => !self.is_ended(),
        }
    }

    /// Returns whether nothing more will come.
    pub(crate) fn is_ended(&self) -> bool {
        self.lifetime.is_ended()
    }

    /// Returns whether the topic has ended for good, because its last publisher has dropped its handle.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lifetime.is_abandoned()
    }

    /// Returns whether the topic is open without another command to the log.
    pub(crate) fn is_known_open(&self) -> bool {
        self.is_open() && self.lifetime.is_known_open()
    }

    /// Returns whether the topic had ended at a position; `None` if that is not known.
    pub(crate) fn has_ended_at(&self, position: Position) -> Option<bool> {
        self.lifetime.has_ended_at(position)
    }

    /// Returns the newest end, and the time within which the streams end.
    pub(crate) fn last_end(&self) -> (Position, Duration) {
        self.lifetime.last_end()
    }

    /// Returns whether an end is the last change of the topic.
    pub(crate) fn is_last_change(&self, end: Position) -> bool {
        self.lifetime.changed() == end
    }

    /// Returns the time within which the streams of an ended topic end.
    pub(crate) fn spread(&self) -> Duration {
        self.lifetime.spread()
    }

    /// Notes that this process has sent an end of the topic to the log.
    pub(crate) fn ask_for_end(&mut self) {
        self.ask_for(Asked::End);
    }

    /// Notes that this process has sent an opening of the topic to the log.
    pub(crate) fn ask_for_open(&mut self) {
        self.ask_for(Asked::Open);
    }

    fn ask_for(&mut self, asked: Asked) {
        if self.asked.last() != Some(&asked) {
            self.asked.push(asked);
        }
    }

    /// Notes that a command has come back, from this or another process. Commands from before it have come or are lost,
    /// and later ones still count.
    fn answer(&mut self, answered: Asked) {
        if let Some(number) = self.asked.iter().position(|asked| *asked == answered) {
            self.asked.drain(..=number);
        }
    }

    /// Notes that the log has not stored the first of the commands.
    pub(crate) fn stop_asking(&mut self) {
        self.asked.drain(..self.asked.len().min(1));
    }

    /// Ends the topic at a position of the log. The caller must [notify](Self::touch) the subscribers.
    pub(crate) fn end(&mut self, at: Position, spread: Duration) {
        self.answer(Asked::End);
        self.lifetime.end(at, spread);
    }

    /// Opens the topic at a position of the log.
    pub(crate) fn open(&mut self, at: Position) {
        self.answer(Asked::Open);
        self.lifetime.open(at);
    }

    /// Takes over the state of the topic in its log.
    pub(crate) fn set_lifetime(&mut self, lifetime: Lifetime) {
        self.lifetime.replace_with(lifetime);
    }

    /// Ends the topic at once, in this process only. The caller must [notify](Self::touch) the subscribers.
    pub(crate) fn end_here(&mut self, spread: Duration) {
        self.lifetime.end(self.lifetime.changed().max(self.ring.newest()).next(), spread);
    }

    /// Ends the topic because its last publisher has dropped its handle. The caller must [notify](Self::touch) the
    /// subscribers.
    pub(crate) fn end_for_good(&mut self) {
        self.asked.clear();
        self.lifetime.end_for_good();
    }

    /// Opens the topic at once, in this process only.
    pub(crate) fn open_here(&mut self) {
        self.lifetime.reopen();
    }

    /// Returns whether the topic has ended and has no subscriber left.
    pub(crate) fn is_drained(&self) -> bool {
        self.is_ended() && self.subscribers == 0
    }

    // The subscribers.

    pub(crate) fn subscribers(&self) -> usize {
        self.subscribers
    }

    pub(crate) fn stats(&self) -> Stats {
        let catching_up = self.subscribers.saturating_sub(self.wakers.len());
        Stats {
            subscribers: self.subscribers,
            catching_up,
            history: self.ring.len(),
            memory: self.ring.held() + self.own_ids.held(),
            ..self.stats
        }
    }

    /// Returns how many subscribers wait.
    #[cfg(all(test, shuttle))]
    pub(crate) fn waiting(&self) -> usize {
        self.wakers.len()
    }

    /// Counts a refused subscription.
    pub(crate) fn refuse(&mut self) {
        self.stats.refused += 1;
    }

    pub(crate) fn add_subscriber(&mut self) {
        self.subscribers += 1;
    }

    /// Removes a subscriber. Returns its waker, if it was waiting.
    #[must_use = "dropped under a lock, a waker runs the executor's code there"]
    pub(crate) fn remove_subscriber(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        self.subscribers -= 1;
        self.wakers.remove(ticket)
    }

    /// Returns how many streams a client has.
    pub(crate) fn streams_of(&self, client: &str) -> usize {
        self.clients.get(client).map_or(0, |client| client.streams)
    }

    /// Counts a stream of a client.
    pub(crate) fn join_client(&mut self, client: &str) -> ClientTicket {
        let client = self.clients.entry(client.into()).or_default();
        client.streams += 1;
        ClientTicket(client.ends)
    }

    pub(crate) fn leave_client(&mut self, client: &str) {
        match self.clients.get_mut(client) {
            Some(client) if client.streams > 1 => client.streams -= 1,
            _ => drop(self.clients.remove(client)),
        }
    }

    /// Ends the streams of a client. Returns whether there are any. If so, the caller must [notify](Self::touch) the
    /// subscribers.
    pub(crate) fn end_client(&mut self, client: &str) -> bool {
        let client = self.clients.get_mut(client);
        let has_streams = client.is_some();
        if let Some(client) = client {
            client.ends += 1;
            self.client_ends += 1;
        }
        has_streams
    }

    /// Rises when the streams of any client are ended.
    pub(crate) fn client_ends(&self) -> u64 {
        self.client_ends
    }

    /// Returns whether the streams of a client were ended since one of them joined.
    pub(crate) fn is_client_ended(&self, client: &str, ticket: ClientTicket) -> bool {
        self.clients.get(client).is_some_and(|client| client.ends != ticket.0)
    }

    // Reading.

    /// Returns the next frame after a position. Messages from before `start` count as replayed.
    pub(crate) fn read_frame(&mut self, after: Position, start: Position) -> Option<Frame> {
        let frame = self.ring.frame(after)?;
        if after < start {
            let replayed = self.ring.after(after).take_while(|kept| kept.position <= start.min(frame.to));
            self.stats.replayed += replayed.count() as u64;
        }
        self.count_delivered(frame.messages, frame.bytes.len() as u64);
        Some(frame)
    }

    /// Returns the next frame after a position. The caller counts it when it is delivered.
    pub(crate) fn frame(&mut self, after: Position) -> Option<Frame> {
        self.ring.frame(after)
    }

    pub(crate) fn count_delivered(&mut self, messages: u64, bytes: u64) {
        self.stats.delivered += messages;
        self.stats.bytes += bytes;
    }

    pub(crate) fn count_replayed(&mut self, messages: u64) {
        self.stats.replayed += messages;
    }

    pub(crate) fn count_gap(&mut self) {
        self.stats.gaps += 1;
    }

    /// Counts a connected subscriber that missed messages.
    pub(crate) fn count_lagged(&mut self) {
        self.stats.lagged += 1;
    }

    /// Counts a subscriber whose connection was cut by the write deadline.
    pub(crate) fn count_stalled(&mut self) {
        self.stats.stalled += 1;
    }

    // The heartbeat.

    pub(crate) fn beats(&self) -> &Beats {
        &self.beats
    }

    pub(crate) fn beats_mut(&mut self) -> &mut Beats {
        &mut self.beats
    }

    /// Returns what a timer does now.
    pub(crate) fn beat(&mut self, now: Instant) -> Beat {
        self.beats.beat(now, self.subscribers > 0)
    }
}
