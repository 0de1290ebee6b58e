//! Numbers for operators.

use std::sync::Arc;

/// What a route has done since it was made, and how it stands: from [`Route::stats`](crate::Route::stats).
///
/// All but [`subscribers`](Self::subscribers), [`catching_up`](Self::catching_up), [`history`](Self::history) and
/// [`memory`](Self::memory) are sums that only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// How many subscribers are connected now.
    pub subscribers: usize,
    /// How many of them have not read everything: they are about to, or their sockets are full.
    pub catching_up: usize,
    /// Messages that are kept now.
    pub history: usize,
    /// How many bytes of memory the history takes now: messages with what each of them takes beside its text, and the
    /// publishers' ids that are remembered.
    pub memory: usize,
    /// Messages that were evicted to make room for those of other topics: see
    /// [`TopicsBuilder::max_memory`](crate::TopicsBuilder::max_memory).
    pub evicted: u64,
    /// Subscriptions that were refused because a bound was reached.
    pub refused: u64,
    /// Messages published.
    pub published: u64,
    /// Messages that were not published because they had been: repeats, by the ids of their publishers.
    pub repeated: u64,
    /// Messages handed to connections, one for each subscriber.
    pub delivered: u64,
    /// The bytes of those messages.
    pub bytes: u64,
    /// Of the messages delivered, those that were published before their subscriber came.
    pub replayed: u64,
    /// Gap events, to subscribers that came too late or lagged.
    pub gaps: u64,
    /// How often a connected subscriber lagged so far that it missed messages.
    pub lagged: u64,
    /// Subscribers whose connections were cut because the write deadline passed; known under
    /// [`serve`](crate::serve) only.
    pub stalled: u64,
    /// How it stands with the log, if there is one.
    pub log: Option<LogStats>,
}

/// The numbers of all [`Topics`](crate::Topics), at one moment: from [`Topics::stats`](crate::Topics::stats).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TopicsStats {
    /// Of all topics together, also of those that were dropped since: so what only rises goes on rising.
    pub total: Stats,
    /// Of each topic that there is, in no order.
    pub topics: Vec<(Arc<str>, Stats)>,
    /// How many bytes of memory the histories of all topics may take together.
    pub max_memory: usize,
}

impl Stats {
    /// Adds the numbers of another topic; those of the log stay.
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

/// How it stands with the log of [`Topics`](crate::Topics): the same for all of their routes.
///
/// All but [`is_following`](Self::is_following) and [`queued`](Self::queued) are sums that only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Whether the log is being followed: if not, subscribers get nothing new until it can be reached again.
    pub is_following: bool,
    /// How often the log could not be followed any more.
    pub interruptions: u64,
    /// How often what was to come next was no longer in the log, so that all subscribers were told of a gap.
    pub losses: u64,
    /// Reads of what is older than this process keeps in memory, for subscribers that resume there.
    pub reads: u64,
    /// Messages of this process that wait to be appended.
    pub queued: usize,
    /// Messages of this process that were appended.
    pub appended: u64,
    /// Messages that this process gave up, because the log failed for too long.
    pub failed: u64,
    /// How often an append was repeated.
    pub retries: u64,
}
