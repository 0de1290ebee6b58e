//! The topics of one hub that a subscriber reads.

use std::iter;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::delivered::Delivered;
use crate::history::Position;
use crate::hub::{State, Topic, TopicState};
use crate::sync::Ticket;

/// Which ids the events of a stream have if their publishers gave ids of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamIds {
    /// The publishers' ids, for a stream that is always of one topic.
    Own,
    /// The hub's ids, for a stream whose topics the client chooses, because two topics may use the same id.
    Hub,
}

/// The topics of a subscriber: at least one while it reads. Most subscribers have one topic, which needs no allocation.
#[derive(Debug)]
pub(crate) enum Feeds {
    One([Feed; 1]),
    Several(Box<[Feed]>),
}

/// One waker for each topic. The first one needs no allocation.
pub(crate) struct FeedWakers {
    first: Option<Waker>,
    others: Vec<Option<Waker>>,
}

/// One of the topics.
#[derive(Debug)]
pub(crate) struct Feed {
    topic: Arc<Topic>,
    ticket: Ticket,
    /// The topic's version when the waker was left.
    version: u64,
    /// Messages that passed the subscriber's filter, until they are added to the topic's counts.
    delivered: Delivered,
    /// While the subscriber reads older messages from the log: the end of the topic that it has read, and the time
    /// within which the streams end.
    ended: Option<Box<(Position, Duration)>>,
}

impl Feeds {
    pub(crate) fn new(topics: Vec<Arc<Topic>>) -> Self {
        let feeds: Vec<Feed> = topics.into_iter().map(Feed::new).collect();
        feeds.try_into().map_or_else(|feeds: Vec<Feed>| Self::Several(feeds.into()), Self::One)
    }

    /// Returns no topics, for a subscriber that has given its topic away.
    pub(crate) fn none() -> Self {
        Self::Several(Box::default())
    }

    /// Returns the topic, if there is exactly one.
    pub(crate) fn only(&self) -> Option<&Feed> {
        match self {
            Self::One([feed]) => Some(feed),
            Self::Several(_) => None,
        }
    }

    /// Returns the key of the topic whose publishers' ids the stream carries, if it carries any.
    pub(crate) fn own_id_key(&self, ids: StreamIds) -> Option<usize> {
        self.only().filter(|_| ids == StreamIds::Own).map(Feed::key)
    }

    /// Returns whether [all topics are quiet](Feed::is_quiet).
    pub(crate) fn are_quiet(&self) -> bool {
        match self {
            Self::One([feed]) => feed.is_quiet(),
            Self::Several(feeds) => feeds.iter().all(Feed::is_quiet),
        }
    }

    /// Returns a waker for each topic.
    pub(crate) fn wakers(&self, waker: &Waker) -> FeedWakers {
        let others = match self {
            Self::One(_) => Vec::new(),
            Self::Several(feeds) => vec![Some(waker.clone()); feeds.len().saturating_sub(1)],
        };
        FeedWakers { first: Some(waker.clone()), others }
    }

    /// Leaves a waker with each topic. `wakers` then has the replaced wakers, which the caller drops without the lock.
    pub(crate) fn wait(&mut self, wakers: &mut FeedWakers, state: &mut State) {
        let mut wait = |feed: &mut Feed, waker: &mut Option<Waker>| {
            *waker = waker.take().and_then(|waker| feed.wait(waker, state));
        };
        match self {
            Self::One([feed]) => wait(feed, &mut wakers.first),
            Self::Several(feeds) => {
                let wakers = iter::once(&mut wakers.first).chain(&mut wakers.others);
                feeds.iter_mut().zip(wakers).for_each(|(feed, waker)| wait(feed, waker));
            }
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = usize> + Clone {
        self.iter().map(Feed::key)
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
    fn new(topic: Arc<Topic>) -> Self {
        Self { topic, ticket: Ticket::NONE, version: 0, delivered: Delivered::default(), ended: None }
    }

    pub(crate) fn topic(&self) -> &Arc<Topic> {
        &self.topic
    }

    pub(crate) fn into_topic(self) -> Arc<Topic> {
        self.topic
    }

    pub(crate) fn key(&self) -> usize {
        self.topic.key()
    }

    pub(crate) fn state<'s>(&self, state: &'s State) -> &'s TopicState {
        state.topic(self.key())
    }

    pub(crate) fn state_mut<'s>(&self, state: &'s mut State) -> &'s mut TopicState {
        state.topic_mut(self.key())
    }

    /// Counts a message that passed the filter.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.delivered.add(Delivered::message(bytes));
    }

    /// Adds the counts to those of the topic.
    pub(crate) fn report(&mut self, state: &mut State) {
        if !self.delivered.is_nothing() {
            self.delivered.report(state.topic_mut(self.topic.key()));
        }
    }

    /// Returns whether nothing has happened to the topic since the waker was left, and there are no counts to add.
    pub(crate) fn is_quiet(&self) -> bool {
        self.topic.version() == self.version && self.delivered.is_nothing()
    }

    /// Leaves a waker with the topic. Returns the replaced waker.
    #[must_use = "dropped under a lock, a waker runs the executor's code there"]
    fn wait(&mut self, waker: Waker, state: &mut State) -> Option<Waker> {
        let (version, replaced) = state.topic_mut(self.topic.key()).wait(&mut self.ticket, waker);
        self.version = version;
        replaced
    }

    /// Stops waiting. Returns the waker that it had left.
    #[must_use = "dropped under a lock, a waker runs the executor's code there"]
    pub(crate) fn stop_waiting(&mut self, state: &mut State) -> Option<Waker> {
        state.topic_mut(self.topic.key()).stop_waiting(&mut self.ticket)
    }

    /// Removes the subscriber from the topic. Returns its waker, if it was waiting.
    #[must_use = "dropped under a lock, a waker runs the executor's code there"]
    pub(crate) fn leave(&mut self, state: &mut State) -> Option<Waker> {
        state.topic_mut(self.topic.key()).remove_subscriber(&mut self.ticket)
    }

    /// Returns the end of the topic, if the subscriber has read it in the log.
    pub(crate) fn ended(&self) -> Option<(Position, Duration)> {
        self.ended.as_deref().copied()
    }

    pub(crate) fn set_ended(&mut self, ended: Option<(Position, Duration)>) {
        self.ended = ended.map(Box::new);
    }
}
