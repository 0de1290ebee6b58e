//! The numbers of the hub, which its page shows.

use std::time::{Instant, SystemTime};

use serde::Serialize;
use sse_disk::DiskLog;
use sse_server::{EventType, Message, Stats, Topics, TopicsStats};

use super::subscribers::Subscribers;

/// The type of the events that carry them.
const STATUS: EventType<'static> = EventType::from_static("status");

/// How many topics are listed at once.
const MAX_TOPICS: usize = 1000;

/// Where the numbers come from.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) topics: Topics,
    /// The log on the disk, if that is where the events are kept.
    pub(crate) disk: Option<DiskLog>,
    pub(crate) subscribers: Subscribers,
    pub(crate) begun: Instant,
}

/// The data of an event of `/status`.
#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    /// Seconds.
    uptime: f64,
    /// Connections: one of several topics counts once.
    subscribers: usize,
    /// Bytes that the histories of all topics take, and may take.
    memory: usize,
    max_memory: usize,
    /// The sums of all topics, also of those that were dropped.
    total: Counts,
    topics_total: usize,
    /// The first [`MAX_TOPICS`] by name.
    topics: Vec<Topic<'a>>,
    log: Option<Log>,
}

/// The numbers of a topic.
#[derive(Serialize)]
struct Topic<'a> {
    name: &'a str,
    /// Connections, also those that read other topics, too.
    subscribers: usize,
    /// How many of them have not read everything.
    catching_up: usize,
    /// How many events are kept, and the bytes that they take.
    history: usize,
    memory: usize,
    #[serde(flatten)]
    counts: Counts,
}

/// What has happened; each number only rises.
#[derive(Serialize)]
struct Counts {
    published: u64,
    delivered: u64,
    /// Gap events sent.
    gaps: u64,
    /// Connected subscribers that lagged and missed events.
    lagged: u64,
    /// Subscribers that were cut because they took nothing.
    cut: u64,
    /// Subscriptions refused by the topic.
    refused: u64,
    /// Events evicted to make room for other topics.
    evicted: u64,
}

#[derive(Serialize)]
struct Log {
    is_following: bool,
    queued: usize,
}

impl Numbers {
    /// Returns those of these topics that may have evicted events that were published since a time.
    pub(crate) fn evicted_since<'n>(&self, time: SystemTime, names: &'n [String]) -> Vec<&'n str> {
        let is_before_the_hub = time.elapsed().is_ok_and(|age| age > self.begun.elapsed());
        let has_evicted = |name: &&str| {
            let stats = self.topics.get(name).map(|route| route.stats());
            is_before_the_hub || stats.is_some_and(|stats| stats.published > stats.history as u64)
        };
        names.iter().map(String::as_str).filter(has_evicted).collect()
    }

    /// Returns the numbers as an event.
    pub(crate) fn message(&self) -> Message<'static> {
        Message::new(self.json("")).event_type(STATUS)
    }

    /// Returns the numbers as JSON, with the topics whose names contain this text, whatever its case.
    pub(crate) fn json(&self, search: &str) -> String {
        let TopicsStats { total, mut topics, max_memory, .. } = self.topics.stats();
        topics.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let search = search.to_lowercase();
        let found = topics.iter().filter(|(name, _)| name.to_lowercase().contains(&search)).take(MAX_TOPICS);
        let status = Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime: self.begun.elapsed().as_secs_f64(),
            subscribers: self.subscribers.count(),
            memory: total.memory,
            max_memory,
            total: Counts::of(&total),
            topics_total: topics.len(),
            topics: found.map(|(name, stats)| Topic::of(name, stats)).collect(),
            log: total.log.map(|log| Log { is_following: log.is_following, queued: log.queued }),
        };
        serde_json::to_string(&status).expect("numbers and names are JSON")
    }
}

impl<'a> Topic<'a> {
    fn of(name: &'a str, stats: &Stats) -> Self {
        Self {
            name,
            subscribers: stats.subscribers,
            catching_up: stats.catching_up,
            history: stats.history,
            memory: stats.memory,
            counts: Counts::of(stats),
        }
    }
}

impl Counts {
    fn of(stats: &Stats) -> Self {
        Self {
            published: stats.published,
            delivered: stats.delivered,
            gaps: stats.gaps,
            lagged: stats.lagged,
            cut: stats.stalled,
            refused: stats.refused,
            evicted: stats.evicted,
        }
    }
}
