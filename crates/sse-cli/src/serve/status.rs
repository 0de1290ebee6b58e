//! How the hub stands: what its page shows.

use std::time::Instant;

use serde::Serialize;
use sse_server::{EventType, LogStats, Message, Stats, Topics};

use super::subscribers::Subscribers;

/// The type of the events that tell it.
const STATUS: EventType<'static> = EventType::from_static("status");

/// How many topics one event tells of.
const MAX_TOPICS: usize = 500;

/// Where the numbers come from.
#[derive(Clone, Debug)]
pub(crate) struct Numbers {
    pub(crate) topics: Topics,
    pub(crate) subscribers: Subscribers,
    pub(crate) begun: Instant,
}

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    /// Seconds.
    uptime: f64,
    /// Connections: one of several topics counts once.
    subscribers: usize,
    topics_total: usize,
    topics: Vec<Topic<'a>>,
    log: Option<Log>,
}

#[derive(Serialize)]
struct Topic<'a> {
    name: &'a str,
    subscribers: usize,
    catching_up: usize,
    published: u64,
    delivered: u64,
    gaps: u64,
}

#[derive(Serialize)]
struct Log {
    is_following: bool,
    queued: usize,
}

impl Numbers {
    /// The topics by name, with their numbers, and those of the log.
    pub(crate) fn stats(&self) -> (Vec<(Box<str>, Stats)>, Option<LogStats>) {
        let topics = self.topics.routes().into_iter();
        let mut topics: Vec<_> = topics.map(|(name, route)| (name, route.stats())).collect();
        topics.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let log = topics.first().and_then(|(_, stats)| stats.log);
        (topics, log)
    }

    /// How the hub stands, as an event.
    pub(crate) fn message(&self) -> Message<'static> {
        let (topics, log) = self.stats();
        let shown = topics.iter().take(MAX_TOPICS).map(|(name, stats)| Topic {
            name,
            subscribers: stats.subscribers,
            catching_up: stats.catching_up,
            published: stats.published,
            delivered: stats.delivered,
            gaps: stats.gaps,
        });
        let status = Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime: self.begun.elapsed().as_secs_f64(),
            subscribers: self.subscribers.count(),
            topics_total: topics.len(),
            topics: shown.collect(),
            log: log.map(|log| Log { is_following: log.is_following, queued: log.queued }),
        };
        let json = serde_json::to_string(&status).expect("numbers and names are JSON");
        Message::new(json).event_type(STATUS)
    }
}
