//! A subscriber's place: what it reads next, and how it waits.

use std::iter;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use sse_codec::EventId;

use crate::channel::Channel;
use crate::cursor::{Cursor, Gap, merge};
use crate::hub::State;
use crate::ring::{FRAME, Frame, Ring};
use crate::settings::Lagging;
use crate::wakers::{Ticket, addresses};

/// A place in one topic, or in several of one hub.
#[derive(Debug)]
pub(crate) struct Place {
    /// At least one.
    feeds: Box<[Feed]>,
    cursor: Cursor,
    /// The newest message when the subscriber came: what is older is a replay.
    start: u64,
    /// The id of the newest event then, if its author gave it one.
    start_id: Option<EventId<'static>>,
    /// Whether nothing has been read: a gap is that of a late comer, not of one that lags.
    is_new: bool,
    /// How many of the topic's heartbeats are behind it; `None` if it has a heartbeat of its own.
    beats: Option<u64>,
    client: Option<Box<str>>,
    /// The waker that it has left, as its two addresses.
    left: Option<(usize, usize)>,
}

/// One of the topics.
#[derive(Debug)]
struct Feed {
    channel: Arc<Channel>,
    ticket: Ticket,
    /// The topic's version when the waker was left.
    version: u64,
    /// What passed the subscriber's filter, to be added to the topic's numbers.
    delivered: u64,
    bytes: u64,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is nothing to read, now or later.
    Over,
    /// A bound is reached.
    Full,
}

/// What a subscriber gets.
#[derive(Debug)]
pub(crate) enum Next {
    Frame(Bytes),
    /// Messages one by one, each with the number of its topic in the place.
    Messages(Vec<(usize, Bytes)>),
    Gap(Gap),
    Heartbeat,
}

impl Place {
    /// A place for a subscriber that comes with this last event ID, in at least one channel.
    pub(crate) fn new(channels: Vec<Arc<Channel>>, last_event_id: &str) -> Result<Self, Refusal> {
        let hub = channels[0].hub().clone();
        let now = hub.age(tokio::time::Instant::now());
        let feed = |channel| Feed { channel, ticket: Ticket::NONE, version: 0, delivered: 0, bytes: 0 };
        let feeds: Box<[Feed]> = channels.into_iter().map(feed).collect();
        let mut state = hub.lock();
        for feed in &feeds {
            state.topics[feed.channel.key()].ring.expire(now);
        }
        let cursor = Cursor::resume(last_event_id, hub.ids, state.last, rings(&state, &feeds));
        if let Some(refusal) = refusal(&mut state, &feeds, cursor, hub.settings.max_subscribers) {
            // The last handle of a channel takes the lock.
            drop(state);
            return Err(refusal);
        }
        for feed in &feeds {
            state.topics[feed.channel.key()].subscribers += 1;
        }
        let beats = match &*feeds {
            [feed] => Some(state.topics[feed.channel.key()].beats.count),
            _ => None,
        };
        let start = state.last;
        let start_id = own_id(&state, &feeds);
        drop(state);
        let place = Self { feeds, cursor, start, start_id, is_new: true, beats, client: None, left: None };
        place.feeds.iter().for_each(|feed| feed.channel.start_timer());
        Ok(place)
    }

    /// Counts the subscriber as one of this client's, if it may have one more.
    pub(crate) fn join_client(&mut self, client: &str) -> Result<(), Refusal> {
        self.leave_client();
        let hub = self.channel().hub().clone();
        let most = hub.settings.max_subscribers_per_client;
        let mut state = hub.lock();
        let is_full = |feed: &Feed| state.topics[feed.channel.key()].clients.get(client) >= Some(&most);
        if let Some(feed) = self.feeds.iter().find(|&feed| is_full(feed)) {
            state.topics[feed.channel.key()].stats.refused += 1;
            return Err(Refusal::Full);
        }
        for feed in &self.feeds {
            *state.topics[feed.channel.key()].clients.entry(client.into()).or_default() += 1;
        }
        drop(state);
        self.client = Some(client.into());
        Ok(())
    }

    fn leave_client(&mut self) {
        let Some(client) = self.client.take() else { return };
        let mut state = self.channel().hub().lock();
        for feed in &self.feeds {
            let clients = &mut state.topics[feed.channel.key()].clients;
            match clients.get_mut(&client) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(clients.remove(&client)),
            }
        }
    }

    /// The channels that it reads.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.feeds.iter().map(|feed| &feed.channel)
    }

    /// The first channel; its hub is that of all.
    pub(crate) fn channel(&self) -> &Arc<Channel> {
        &self.feeds[0].channel
    }

    /// The id with which a client resumes that has everything from before this subscriber came.
    pub(crate) fn start_id(&self) -> EventId<'static> {
        self.start_id.clone().unwrap_or_else(|| self.channel().hub().ids.of(self.start))
    }

    /// The id with which a client resumes that has got everything so far; `None` if there is more to read.
    pub(crate) fn id(&self) -> Option<EventId<'static>> {
        let hub = self.channel().hub();
        let state = hub.lock();
        let is_read = self.cursor.is_read(rings(&state, &self.feeds));
        is_read.then(|| own_id(&state, &self.feeds).unwrap_or_else(|| hub.ids.of(state.last)))
    }

    /// How long to wait before the end of a closed route.
    pub(crate) fn closing_delay(&self) -> Duration {
        let spread = self.channel().hub().lock().topics[self.channel().key()].closing_spread;
        spread.mul_f64(fastrand::f64())
    }

    /// Gives up what is older than the subscriber. Returns the gap, if it is no longer whole.
    pub(crate) fn skip_to_start(&mut self) -> Option<Gap> {
        let hub = self.channel().hub().clone();
        let before = mem::replace(&mut self.cursor, Cursor::behind(self.start));
        let mut cursor = before;
        let state = hub.lock();
        let gap = cursor.take_gap(rings(&state, &self.feeds), state.last, hub.counts_gaps())?;
        let missed = gap.missed.map(|_| self.start + 1 - before.next());
        Some(Gap { missed, behind: self.start })
    }

    /// Whether nothing is missing between what the subscriber has seen and its place.
    pub(crate) fn is_whole(&self) -> bool {
        let state = self.channel().hub().lock();
        !self.cursor.has_gap(rings(&state, &self.feeds))
    }

    /// Whether the topics' own heartbeat reaches it.
    pub(crate) fn has_heartbeat(&self) -> bool {
        self.beats.is_some()
    }

    /// Lets the topic's heartbeats pass: there is another.
    pub(crate) fn ignore_heartbeat(&mut self) {
        self.beats = None;
    }

    /// Whether everything has been read.
    pub(crate) fn is_read(&self) -> bool {
        let state = self.channel().hub().lock();
        self.cursor.is_read(rings(&state, &self.feeds))
    }

    /// Counts a message that passed the filter.
    pub(crate) fn count(&mut self, feed: usize, bytes: usize) {
        self.feeds[feed].delivered += 1;
        self.feeds[feed].bytes += bytes as u64;
    }

    /// Reads on; `None` at the end of closed topics. `is_apart` asks for messages one by one.
    pub(crate) fn poll_next(&mut self, cx: &Context<'_>, is_apart: bool) -> Poll<Option<Next>> {
        if self.waits(cx.waker()) {
            return Poll::Pending;
        }
        let mut waker = Some(cx.waker().clone());
        let mut others: Vec<_> = iter::repeat_n(waker.clone(), self.feeds.len() - 1).collect();
        let hub = self.channel().hub().clone();
        let mut state = hub.lock();
        let next = self.read(&mut state, is_apart);
        if is_closed(&state, &self.feeds) || !self.cursor.is_read(rings(&state, &self.feeds)) {
            return next;
        }
        // Also when there is something: who asks again at once, for more, needs no lock to hear that there is none.
        self.left = Some(addresses(cx.waker()));
        for (feed, waker) in self.feeds.iter_mut().zip(iter::once(&mut waker).chain(&mut others)) {
            feed.version = feed.channel.version.load(Ordering::Relaxed);
            let wakers = &mut state.topics[feed.channel.key()].wakers;
            *waker = waker.take().and_then(|waker| wakers.wait(&mut feed.ticket, waker));
        }
        drop(state);
        // The wakers that were left before are dropped here.
        if next.is_pending() {
            self.feeds.iter().for_each(|feed| feed.channel.start_timer());
        }
        next
    }

    /// Whether this waker has been left, and nothing has happened since.
    fn waits(&self, waker: &Waker) -> bool {
        let is_quiet =
            |feed: &Feed| feed.channel.version.load(Ordering::Acquire) == feed.version && feed.delivered == 0;
        // A waker that waits is alive: no other can have its address.
        self.left == Some(addresses(waker)) && self.feeds.iter().all(is_quiet)
    }

    fn read(&mut self, state: &mut State, is_apart: bool) -> Poll<Option<Next>> {
        self.left = None;
        let channel = self.channel().clone();
        let hub = channel.hub();
        self.report(state);
        let is_new = mem::replace(&mut self.is_new, false);
        let beats = state.topics[channel.key()].beats.count;
        let beat = self.beats.as_mut().is_some_and(|seen| mem::replace(seen, beats) != beats);
        if let Some(gap) = self.cursor.take_gap(rings(state, &self.feeds), state.last, hub.counts_gaps()) {
            let counted = &mut state.topics[channel.key()].stats;
            counted.lagged += u64::from(!is_new);
            if !is_new && hub.settings.lagging == Lagging::Disconnect {
                return Poll::Ready(None);
            }
            counted.gaps += 1;
            return Poll::Ready(Some(Next::Gap(gap)));
        }
        let next = match &*self.feeds {
            [_] if !is_apart => self.read_frame(state).map(Next::Frame),
            _ => self.read_messages(state).map(Next::Messages),
        };
        if next.is_some() {
            return Poll::Ready(next);
        }
        if is_closed(state, &self.feeds) {
            return Poll::Ready(None);
        }
        if beat { Poll::Ready(Some(Next::Heartbeat)) } else { Poll::Pending }
    }

    fn read_frame(&mut self, state: &mut State) -> Option<Bytes> {
        let topic = &mut state.topics[self.channel().key()];
        let from = self.cursor.next();
        let Frame { bytes, messages, to, .. } = topic.ring.frame(from)?;
        if from <= self.start {
            let replayed = topic.ring.from(from).take_while(|entry| entry.sequence <= self.start.min(to));
            topic.stats.replayed += replayed.count() as u64;
        }
        topic.stats.delivered += messages;
        topic.stats.bytes += bytes.len() as u64;
        self.cursor.advance(to);
        Some(bytes)
    }

    fn read_messages(&mut self, state: &mut State) -> Option<Vec<(usize, Bytes)>> {
        let mut messages = Vec::new();
        let (mut size, mut replayed) = (0, 0);
        let mut end = self.cursor;
        for (feed, entry) in merge(rings(state, &self.feeds), self.cursor.next()) {
            size += entry.block.len();
            if size > FRAME && !messages.is_empty() {
                break;
            }
            replayed += u64::from(entry.sequence <= self.start);
            end.advance(entry.sequence);
            messages.push((feed, entry.block.clone()));
        }
        self.cursor = end;
        state.topics[self.channel().key()].stats.replayed += replayed;
        (!messages.is_empty()).then_some(messages)
    }

    /// Adds what has passed the filter to the topics' numbers.
    fn report(&mut self, state: &mut State) {
        for feed in &mut self.feeds {
            let counted = &mut state.topics[feed.channel.key()].stats;
            counted.delivered += mem::take(&mut feed.delivered);
            counted.bytes += mem::take(&mut feed.bytes);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave_client();
        let hub = self.channel().hub().clone();
        let mut state = hub.lock();
        self.report(&mut state);
        let mut waker = None;
        let mut others = Vec::new();
        for (number, feed) in self.feeds.iter_mut().enumerate() {
            let topic = &mut state.topics[feed.channel.key()];
            topic.subscribers -= 1;
            let removed = topic.wakers.remove(&mut feed.ticket);
            if number == 0 { waker = removed } else { others.extend(removed) }
        }
        drop(state);
        drop((waker, others));
        self.feeds.iter().for_each(|feed| feed.channel.has_lost_one());
    }
}

fn refusal(state: &mut State, feeds: &[Feed], cursor: Cursor, max_subscribers: usize) -> Option<Refusal> {
    if is_closed(state, feeds) && cursor.is_read(rings(state, feeds)) {
        return Some(Refusal::Over);
    }
    let is_full = |feed: &&Feed| state.topics[feed.channel.key()].subscribers >= max_subscribers;
    let full = feeds.iter().find(is_full)?;
    state.topics[full.channel.key()].stats.refused += 1;
    Some(Refusal::Full)
}

fn is_closed(state: &State, feeds: &[Feed]) -> bool {
    feeds.iter().all(|feed| state.topics[feed.channel.key()].is_closed)
}

/// The id of the newest event of the only topic, if its author gave it one.
fn own_id(state: &State, feeds: &[Feed]) -> Option<EventId<'static>> {
    match feeds {
        [feed] => state.topics[feed.channel.key()].ring.own_id().cloned(),
        _ => None,
    }
}

/// The rings of a place.
fn rings<'s>(state: &'s State, feeds: &'s [Feed]) -> impl Iterator<Item = &'s Ring> + Clone {
    feeds.iter().map(|feed| &state.topics[feed.channel.key()].ring)
}
