//! A subscriber's place: how it is taken and left, and how it waits.

use std::iter;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use sse_codec::EventId;
use tokio::time::Instant;

use crate::backlog::Page;
use crate::channel::Channel;
use crate::cursor::{Cursor, Gap};
use crate::hub::{Hub, State};
use crate::log::Position;
use crate::reader::{Feed, Feeds, Next, Reader};
use crate::sync::Exclusive;
use crate::wakers::addresses;

/// A place in one topic, or in several of one hub.
#[derive(Debug)]
pub(crate) struct Place {
    hub: Arc<Hub>,
    reader: Reader,
    /// The id of the newest event when the subscriber came, if its author gave it one.
    start_id: Option<Box<EventId<'static>>>,
    client: Option<Box<str>>,
    /// The waker that it has left, as its two addresses.
    left: Option<(usize, usize)>,
    /// What is being read of the log, for one that has come from further back than the rings go.
    past: Option<Box<Exclusive<Past>>>,
}

type Past = Pin<Box<dyn Future<Output = Page> + Send>>;

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is nothing to read, now or later.
    Over,
    /// A bound is reached.
    Full,
}

impl Place {
    /// A place for a subscriber that comes with this last event ID, in at least one channel.
    pub(crate) fn new(channels: Vec<Arc<Channel>>, last_event_id: &str) -> Result<Self, Refusal> {
        let hub = channels[0].hub().clone();
        let now = hub.age(Instant::now());
        let feeds = Feeds::new(channels);
        let mut state = hub.lock();
        for feed in &*feeds {
            feed.topic_mut(&mut state).ring.expire(now);
        }
        let reader = Reader::new(feeds, last_event_id, &hub, &state);
        if let Some(refusal) = refusal(&reader, &mut state, hub.settings.max_subscribers) {
            // The last handle of a channel takes the lock.
            drop(state);
            return Err(refusal);
        }
        for feed in &*reader.feeds {
            feed.topic_mut(&mut state).subscribers += 1;
        }
        let start_id = reader.own_id(&state).map(Box::new);
        drop(state);
        reader.feeds.iter().for_each(|feed| feed.channel.start_timer());
        Ok(Self { hub, reader, start_id, client: None, left: None, past: None })
    }

    /// Counts the subscriber as one of this client's, if it may have one more.
    pub(crate) fn join_client(&mut self, client: &str) -> Result<(), Refusal> {
        self.leave_client();
        let most = self.hub.settings.max_subscribers_per_client;
        let mut state = self.hub.lock();
        for feed in &*self.reader.feeds {
            let topic = feed.topic_mut(&mut state);
            if topic.clients.get(client).is_some_and(|&count| count >= most) || most == 0 {
                topic.stats.refused += 1;
                return Err(Refusal::Full);
            }
        }
        for feed in &*self.reader.feeds {
            *feed.topic_mut(&mut state).clients.entry(client.into()).or_default() += 1;
        }
        drop(state);
        self.client = Some(client.into());
        Ok(())
    }

    fn leave_client(&mut self) {
        let Some(client) = self.client.take() else { return };
        let mut state = self.hub.lock();
        for feed in &*self.reader.feeds {
            let clients = &mut feed.topic_mut(&mut state).clients;
            match clients.get_mut(&client) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(clients.remove(&client)),
            }
        }
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// The channels that it reads.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &Arc<Channel>> {
        self.reader.feeds.iter().map(|feed| &feed.channel)
    }

    /// The id with which a client resumes that has everything from before this subscriber came.
    pub(crate) fn start_id(&self) -> EventId<'static> {
        self.start_id.as_deref().cloned().unwrap_or_else(|| self.hub.ids.of(self.reader.start))
    }

    /// The id with which a client resumes that has got everything so far; `None` if there is more to read.
    pub(crate) fn id(&self) -> Option<EventId<'static>> {
        let state = self.hub.lock();
        let own_id = self.reader.is_read(&state).then(|| self.reader.own_id(&state))?;
        // It may have come from a replica that is ahead of this one.
        let last = state.last.max(self.reader.cursor.place());
        Some(own_id.unwrap_or_else(|| self.hub.ids.of(last)))
    }

    /// How long to wait before the end of a closed route.
    pub(crate) fn closing_delay(&self) -> Duration {
        let spread = self.reader.feeds[0].topic(&self.hub.lock()).closing_spread;
        spread.mul_f64(fastrand::f64())
    }

    /// Goes back to the oldest message that is kept.
    pub(crate) fn rewind(&mut self) {
        let state = self.hub.lock();
        self.reader.cursor = Cursor::oldest(self.reader.rings(&state));
    }

    /// Gives up what is older than the subscriber. Returns the gap, if it is no longer whole.
    pub(crate) fn skip_to_start(&mut self) -> Option<Gap> {
        self.reader.skip_to_start(&self.hub, &self.hub.lock())
    }

    /// Whether nothing is missing between what the subscriber has seen and its place.
    pub(crate) fn is_whole(&self) -> bool {
        let state = self.hub.lock();
        !self.reader.has_gap(&state) || self.reader.recent_page(&state).is_some()
    }

    /// Whether its client gets nothing more here, for the time being: everything has been read, or the log is asked.
    pub(crate) fn is_idle(&self) -> bool {
        self.reader.is_behind || self.reader.is_read(&self.hub.lock())
    }

    /// Whether the topic's own heartbeat reaches it.
    pub(crate) fn has_heartbeat(&self) -> bool {
        self.reader.beats.is_some()
    }

    /// Lets the topic's heartbeats pass: there is another.
    pub(crate) fn ignore_heartbeat(&mut self) {
        self.reader.beats = None;
    }

    /// Counts a message that passed the filter.
    pub(crate) fn count(&mut self, feed: usize, bytes: usize) {
        self.reader.feeds[feed].count(bytes);
    }

    /// Reads on; `None` at the end of closed topics. `is_apart` asks for messages one by one.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>, is_apart: bool) -> Poll<Option<Next>> {
        loop {
            if self.reader.is_behind && self.past.is_none() {
                let at_hand = self.reader.recent_page(&self.hub.lock());
                if let Some(page) = at_hand {
                    match self.take_page(Ok(page)) {
                        Some(messages) => return Poll::Ready(Some(Next::Messages(messages))),
                        None => continue,
                    }
                }
                self.past = self.read_past();
            }
            if let Some(past) = &mut self.past
                && let Poll::Ready(page) = past.get_mut().as_mut().poll(cx)
            {
                // What the answer leads to is new, though no topic has changed.
                (self.past, self.left) = (None, None);
                if let Some(messages) = self.take_page(page) {
                    return Poll::Ready(Some(Next::Messages(messages)));
                }
                continue;
            }
            let next = self.poll_rings(cx, is_apart);
            if next.is_ready() || !self.reader.is_behind || self.past.is_some() {
                return next;
            }
        }
    }

    /// Asks the log for what follows the place.
    fn read_past(&self) -> Option<Box<Exclusive<Past>>> {
        let backlog = self.hub.replica.as_ref()?.backlog.clone();
        let place = Position::new(self.reader.cursor.place());
        let past: Past = Box::pin(async move { backlog.after(place).await });
        Some(Box::new(Exclusive::new(past)))
    }

    /// The messages of a page, if there are any for this subscriber.
    fn take_page(&mut self, page: Page) -> Option<Vec<(usize, Bytes)>> {
        let is_wanted = self.reader.take_page(page.as_deref().map_err(|unknown| *unknown), &self.hub.lock());
        let page = page.ok().filter(|_| is_wanted)?;
        let messages = self.reader.messages(&page, &self.hub.ids);
        self.reader.count_replayed(messages.len(), &mut self.hub.lock());
        (!messages.is_empty()).then_some(messages)
    }

    fn poll_rings(&mut self, cx: &Context<'_>, is_apart: bool) -> Poll<Option<Next>> {
        let waits = self.past.is_some();
        let Self { hub, reader, left, .. } = self;
        let addresses = Some(addresses(cx.waker()));
        // A waker that waits is alive: no other can have its addresses.
        if *left == addresses && reader.feeds.iter().all(Feed::is_quiet) {
            return Poll::Pending;
        }
        *left = None;
        let mut waker = Some(cx.waker().clone());
        let mut others: Vec<_> = iter::repeat_n(waker.clone(), reader.feeds.len() - 1).collect();
        let mut state = hub.lock();
        let next =
            if waits { reader.read_behind(&mut state) } else { reader.read(hub, &mut state, is_apart) };
        if !waits && (reader.is_closed(&state) || !reader.is_read(&state)) {
            return next;
        }
        // Also when there is something: who asks again at once, for more, needs no lock to hear that there is none.
        *left = addresses;
        for (feed, waker) in reader.feeds.iter_mut().zip(iter::once(&mut waker).chain(&mut others)) {
            feed.version = feed.channel.version.load(Ordering::Relaxed);
            let wakers = &mut state.topics[feed.channel.key()].wakers;
            *waker = waker.take().and_then(|waker| wakers.wait(&mut feed.ticket, waker));
        }
        drop(state);
        // The wakers that were left before are dropped behind the lock.
        if next.is_pending() {
            reader.feeds.iter().for_each(|feed| feed.channel.start_timer());
        }
        next
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave_client();
        let mut state = self.hub.lock();
        self.reader.report(&mut state);
        let mut waker: Option<Waker> = None;
        let mut others = Vec::new();
        for (number, feed) in self.reader.feeds.iter_mut().enumerate() {
            let topic = &mut state.topics[feed.channel.key()];
            topic.subscribers -= 1;
            let removed = topic.wakers.remove(&mut feed.ticket);
            if number == 0 { waker = removed } else { others.extend(removed) }
        }
        drop(state);
        drop((waker, others));
        self.channels().for_each(|channel| channel.has_lost_one());
    }
}

fn refusal(reader: &Reader, state: &mut State, max_subscribers: usize) -> Option<Refusal> {
    if reader.is_closed(state) && reader.is_read(state) {
        return Some(Refusal::Over);
    }
    let full = reader.feeds.iter().find(|feed| feed.topic(state).subscribers >= max_subscribers)?;
    full.topic_mut(state).stats.refused += 1;
    Some(Refusal::Full)
}
