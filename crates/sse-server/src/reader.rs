//! What a subscriber reads, under the lock of its hub.

use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use bytes::Bytes;
use sse_codec::EventId;

use crate::backlog::Unknown;
use crate::channel::Channel;
use crate::cursor::{Cursor, Gap, merge};
use crate::hub::{Hub, State, Topic};
use crate::ids::Ids;
use crate::log::{self, Position};
use crate::ring::{FRAME, Frame, Ring};
use crate::settings::Lagging;
use crate::wakers::Ticket;

/// A reader of one topic, or of several of one hub.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) feeds: Feeds,
    pub(crate) cursor: Cursor,
    /// The newest message when the reader came: what is older is a replay.
    pub(crate) start: u64,
    /// Whether nothing has been read: a gap is that of a late comer, not of one that lags.
    is_new: bool,
    /// What it should get next is in the log only, if it is anywhere.
    pub(crate) is_behind: bool,
    /// The log has said that it ends where the reader stands, though the rings have gone on.
    has_doubts: bool,
    /// How often the log had begun anew when the reader took its place.
    generation: u32,
    /// How many of the topic's heartbeats are behind it; `None` if it has a heartbeat of its own.
    pub(crate) beats: Option<u64>,
}

/// At least one. Most readers have one, and it is at hand.
#[derive(Debug)]
pub(crate) enum Feeds {
    One([Feed; 1]),
    Several(Box<[Feed]>),
}

/// One of the topics.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) channel: Arc<Channel>,
    pub(crate) ticket: Ticket,
    /// The topic's version when the waker was left.
    pub(crate) version: u64,
    /// What passed the subscriber's filter, to be added to the topic's numbers.
    delivered: u64,
    bytes: u64,
}

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Next {
    Frame(Bytes),
    /// Messages one by one, each with the number of its feed.
    Messages(Vec<(usize, Bytes)>),
    Gap(Gap),
    Heartbeat,
}

impl Feeds {
    pub(crate) fn new(channels: Vec<Arc<Channel>>) -> Self {
        let feeds: Vec<Feed> = channels.into_iter().map(Feed::new).collect();
        feeds.try_into().map_or_else(|feeds: Vec<Feed>| Self::Several(feeds.into()), Self::One)
    }
}

impl Deref for Feeds {
    type Target = [Feed];

    fn deref(&self) -> &[Feed] {
        match self {
            Self::One(feed) => feed,
            Self::Several(feeds) => feeds,
        }
    }
}

impl DerefMut for Feeds {
    fn deref_mut(&mut self) -> &mut [Feed] {
        match self {
            Self::One(feed) => feed,
            Self::Several(feeds) => feeds,
        }
    }
}

impl Feed {
    fn new(channel: Arc<Channel>) -> Self {
        Self { channel, ticket: Ticket::NONE, version: 0, delivered: 0, bytes: 0 }
    }

    pub(crate) fn topic<'s>(&self, state: &'s State) -> &'s Topic {
        &state.topics[self.channel.key()]
    }

    pub(crate) fn topic_mut<'s>(&self, state: &'s mut State) -> &'s mut Topic {
        &mut state.topics[self.channel.key()]
    }

    /// Counts a message that passed the filter.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.delivered += 1;
        self.bytes += bytes as u64;
    }

    /// Whether nothing has happened to the topic since the waker was left, and there is nothing to tell it.
    pub(crate) fn is_quiet(&self) -> bool {
        self.channel.version.load(Ordering::Acquire) == self.version && self.delivered == 0
    }
}

impl Reader {
    /// A reader that comes with this last event ID.
    pub(crate) fn new(feeds: Feeds, last_event_id: &str, hub: &Hub, state: &State) -> Self {
        let rings = feeds.iter().map(|feed| &feed.topic(state).ring);
        let (cursor, is_behind) = state.resume(last_event_id, hub, rings);
        let beats = match &*feeds {
            [feed] => Some(feed.topic(state).beats.count),
            _ => None,
        };
        let generation = state.generation();
        Self {
            feeds,
            cursor,
            start: state.last,
            is_new: true,
            is_behind,
            has_doubts: false,
            generation,
            beats,
        }
    }

    pub(crate) fn rings<'s>(&'s self, state: &'s State) -> impl Iterator<Item = &'s Ring> + Clone {
        self.feeds.iter().map(|feed| &feed.topic(state).ring)
    }

    /// Whether nothing will come any more.
    pub(crate) fn is_closed(&self, state: &State) -> bool {
        self.feeds.iter().all(|feed| feed.topic(state).is_closed)
    }

    /// Whether everything has been read.
    pub(crate) fn is_read(&self, state: &State) -> bool {
        !self.is_behind && self.generation == state.generation() && self.cursor.is_read(self.rings(state))
    }

    /// Whether something is missing between what the reader has seen and its place.
    pub(crate) fn has_gap(&self, state: &State) -> bool {
        self.is_behind || self.cursor.has_gap(self.rings(state))
    }

    /// The id of the newest event of the only topic, if its author gave it one.
    pub(crate) fn own_id(&self, state: &State) -> Option<EventId<'static>> {
        match &*self.feeds {
            [feed] => feed.topic(state).ring.own_id().cloned(),
            _ => None,
        }
    }

    /// Gives up what is older than the reader. Returns the gap, if it is no longer whole.
    pub(crate) fn skip_to_start(&mut self, hub: &Hub, state: &State) -> Option<Gap> {
        let before = self.cursor.next();
        let was_behind = mem::take(&mut self.is_behind);
        let gap = self.take_gap(hub, state);
        self.cursor = Cursor::behind(self.start);
        let missed = match gap {
            _ if was_behind => None,
            Some(gap) => gap.missed.map(|_| self.start + 1 - before),
            None => return None,
        };
        Some(Gap { missed, behind: self.start })
    }

    /// Reads on; `None` at the end of closed topics. `is_apart` asks for messages one by one.
    pub(crate) fn read(&mut self, hub: &Hub, state: &mut State, is_apart: bool) -> Poll<Option<Next>> {
        self.report(state);
        self.check_generation(state);
        let beat = self.take_beat(state);
        let has_log = hub.replica.is_some() && !self.cursor.is_lost();
        let stays = self.is_new || hub.settings.lagging != Lagging::Disconnect;
        if has_log && stays && self.cursor.has_gap(self.rings(state)) {
            self.is_behind = true;
            return Poll::Pending;
        }
        let is_new = mem::replace(&mut self.is_new, false);
        if let Some(gap) = self.take_gap(hub, state) {
            let counted = &mut self.feeds[0].topic_mut(state).stats;
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
        if next.is_some() || self.is_closed(state) {
            return Poll::Ready(next);
        }
        if hub.replica.is_some() {
            // Of a silent topic, the last message may be gone from the log when the next one comes.
            self.cursor.advance(self.cursor.place().max(state.last));
        }
        if beat { Poll::Ready(Some(Next::Heartbeat)) } else { Poll::Pending }
    }

    /// While the log is asked for what comes next, there are heartbeats only.
    pub(crate) fn read_behind(&mut self, state: &mut State) -> Poll<Option<Next>> {
        self.report(state);
        if self.take_beat(state) { Poll::Ready(Some(Next::Heartbeat)) } else { Poll::Pending }
    }

    /// What follows the reader's place, where it is at hand though the rings have let go of it.
    pub(crate) fn recent_page(&self, state: &State) -> Option<Arc<[log::Entry]>> {
        state.mirror.as_ref()?.after(Position::new(self.cursor.place()))
    }

    /// Takes the answer of the log to what follows the reader's place. Returns whether the reader shall get the page.
    pub(crate) fn take_page(&mut self, page: Result<&[log::Entry], Unknown>, state: &State) -> bool {
        if mem::replace(&mut self.generation, state.generation()) != state.generation() {
            // It may be the answer of a log that is no more: the new one is asked.
            return false;
        }
        let is_here = !self.cursor.has_gap(self.rings(state));
        match page {
            // The log knows the place, and all that follows is at hand.
            Ok(_) if is_here => self.is_behind = false,
            Ok([.., last]) => {
                self.has_doubts = false;
                self.cursor.advance(last.position.get());
                self.is_behind = self.cursor.has_gap(self.rings(state));
                return true;
            }
            // More has come since the log was asked; or it has lost what was seen of it.
            Ok([]) if !mem::replace(&mut self.has_doubts, true) => {}
            Ok([]) => self.lose_place(None),
            Err(Unknown { end }) => self.lose_place(Some(end)),
        }
        false
    }

    /// Counts messages that were read from the log.
    pub(crate) fn count_replayed(&mut self, messages: usize, state: &mut State) {
        self.feeds[0].topic_mut(state).stats.replayed += messages as u64;
    }

    /// The messages of a page of the log that are of the reader's topics, each with the number of its feed.
    pub(crate) fn messages(&self, page: &[log::Entry], ids: &Ids) -> Vec<(usize, Bytes)> {
        let own = |entry: &log::Entry| {
            let record = entry.record.as_ref()?;
            let feed = self.feeds.iter().position(|feed| feed.channel.name() == record.topic())?;
            Some((feed, record.block(|| ids.of(entry.position.get())).0))
        };
        page.iter().filter_map(own).collect()
    }

    /// If the log was lost meanwhile, so is the reader's place.
    fn check_generation(&mut self, state: &State) {
        if mem::replace(&mut self.generation, state.generation()) != state.generation() {
            self.lose_place(None);
        }
    }

    /// Positions rise, also where a log begins anew: so what is not above its place, the reader has had; unless the
    /// place is not even one of a log that `end`s here.
    fn lose_place(&mut self, end: Option<Position>) {
        let place = self.cursor.place();
        self.is_behind = false;
        self.cursor = Cursor::lost(end.map_or(place, |end| place.min(end.get())));
    }

    fn take_beat(&mut self, state: &State) -> bool {
        let beats = self.feeds[0].topic(state).beats.count;
        self.beats.as_mut().is_some_and(|seen| mem::replace(seen, beats) != beats)
    }

    /// Adds what has passed the filter to the topics' numbers.
    pub(crate) fn report(&mut self, state: &mut State) {
        for feed in &mut *self.feeds {
            if feed.delivered > 0 {
                let counted = &mut feed.topic_mut(state).stats;
                counted.delivered += mem::take(&mut feed.delivered);
                counted.bytes += mem::take(&mut feed.bytes);
            }
        }
    }

    fn take_gap(&mut self, hub: &Hub, state: &State) -> Option<Gap> {
        let rings = self.feeds.iter().map(|feed| &feed.topic(state).ring);
        self.cursor.take_gap(rings, state.last, hub.counts_gaps())
    }

    fn read_frame(&mut self, state: &mut State) -> Option<Bytes> {
        let topic = self.feeds[0].topic_mut(state);
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
        for (feed, entry) in merge(self.rings(state), self.cursor.next()) {
            size += entry.block.len();
            if size > FRAME && !messages.is_empty() {
                break;
            }
            replayed += u64::from(entry.sequence <= self.start);
            end.advance(entry.sequence);
            messages.push((feed, entry.block.clone()));
        }
        self.cursor = end;
        self.feeds[0].topic_mut(state).stats.replayed += replayed;
        (!messages.is_empty()).then_some(messages)
    }
}
