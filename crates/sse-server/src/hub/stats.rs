//! Counts for operators.

use std::sync::Arc;

/// The counts of a route since it was made, and its present state. [`Route::stats`](crate::Route::stats) returns it.
///
/// All fields except [`subscribers`](Self::subscribers), [`catching_up`](Self::catching_up), [`history`](Self::history)
/// and [`memory`](Self::memory) are counters that only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many subscribers are connected now.
    pub subscribers: usize,
    /// How many of the subscribers have not read everything, because they are about to read, or because their sockets
    /// are full.
    pub catching_up: usize,
    /// How many messages are kept now.
    pub history: usize,
    /// How many bytes of memory the history takes now: the messages with their overhead, and the remembered ids of
    /// publishers.
    pub memory: usize,
    /// Messages that were evicted because of the limit of all topics together,
    /// [`TopicsBuilder::max_memory`](crate::TopicsBuilder::max_memory).
    pub evicted: u64,
    /// Subscriptions that were refused because a limit was reached.
    pub refused: u64,
    /// Messages published.
    pub published: u64,
    /// Messages that were not published because they had been: repeats, by the ids of their publishers. With a log, see
    /// [`LogStats::repeated`].
    pub repeated: u64,
    /// Messages that were passed to connections, one for each subscriber.
    pub delivered: u64,
    /// The bytes of those messages.
    pub bytes: u64,
    /// Delivered messages that were published before their subscriber came.
    pub replayed: u64,
    /// Gap events, for subscribers that came too late or lagged.
    pub gaps: u64,
    /// How often a connected subscriber lagged so far that it missed messages.
    pub lagged: u64,
    /// Subscribers whose connections were cut by the write deadline. Only counted under [`serve`](crate::serve).
    pub stalled: u64,
    /// The state of the log, if there is one.
    pub log: Option<LogStats>,
}

/// The counts of all [`Topics`](crate::Topics) at one moment. [`Topics::stats`](crate::Topics::stats) returns it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicsStats {
    /// The sums of all topics, including those that were dropped, so that counters never fall.
    pub total: Stats,
    /// The counts of each topic that exists, in no order.
    pub topics: Vec<(Arc<str>, Stats)>,
    /// How many bytes of memory the histories of all topics may take together.
    pub max_memory: usize,
}

impl Stats {
    /// Adds the counts of another topic. The state of the log stays.
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            subscribers,
            catching_up,
            history,
            memory,
            evicted,
            refused,
            published,
            repeated,
            delivered,
            bytes,
            replayed,
            gaps,
            lagged,
            stalled,
            log: _,
        } = other;
        self.subscribers += subscribers;
        self.catching_up += catching_up;
        self.history += history;
        self.memory += memory;
        self.evicted += evicted;
        self.refused += refused;
        self.published += published;
        self.repeated += repeated;
        self.delivered += delivered;
        self.bytes += bytes;
        self.replayed += replayed;
        self.gaps += gaps;
        self.lagged += lagged;
        self.stalled += stalled;
    }
}

/// The state of the log of [`Topics`](crate::Topics), which is the same for all of their routes.
///
/// All fields except [`is_following`](Self::is_following) and [`queued`](Self::queued) are counters that only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Whether the log is being followed. If not, subscribers get nothing new until it can be reached again.
    pub is_following: bool,
    /// How often following the log was interrupted.
    pub interruptions: u64,
    /// How often the log did not have the next entries any more, so that all subscribers got a gap event.
    pub losses: u64,
    /// Reads of entries that this process no longer has in memory, for subscribers that resume there.
    pub reads: u64,
    /// Messages of this process that wait to be appended.
    pub queued: usize,
    /// Messages of this process that were appended.
    pub appended: u64,
    /// Messages of this process that were not appended because they had been: repeats, by the ids of their publishers.
    pub repeated: u64,
    /// Messages that this process gave up, because the log failed for too long.
    pub failed: u64,
    /// How often an append was repeated.
    pub retries: u64,
}
