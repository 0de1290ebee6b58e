//! Where the hub keeps its events: in memory, in a directory, or in Redis.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use sse_disk::DiskLog;
use sse_redis::{ConnectError, RedisLog};
use sse_server::log::Log;
use sse_server::{RouteBuilder, Topics, TopicsBuilder};

use super::history::{History, TopicHistory};
use super::sockets::Places;
use crate::failure::Failure;

/// How long an unused topic is kept, at least.
const LINGER: Duration = Duration::from_secs(10 * 60);

/// How long to wait at the start: for Redis, which may start at the same time, or for the directory, which the previous
/// hub may still use.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the events are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Storage<'o> {
    Memory,
    Disk { directory: &'o Path, of_topic: TopicHistory },
    Redis { url: &'o str, namespace: &'o str },
}

/// The topics of the hub, and what is known of their log.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) topics: Topics,
    /// The log on the disk, for its numbers.
    pub(crate) disk: Option<DiskLog>,
}

impl<'o> Storage<'o> {
    /// As the settings say.
    pub(crate) fn of(
        directory: Option<&'o Path>,
        of_topic: TopicHistory,
        redis: Option<&'o str>,
        namespace: &'o str,
    ) -> Result<Self, Failure> {
        match (directory, redis) {
            (None, None) => Ok(Self::Memory),
            (Some(directory), None) => Ok(Self::Disk { directory, of_topic }),
            (None, Some(url)) => Ok(Self::Redis { url, namespace }),
            (Some(_), Some(_)) => {
                Err(Failure::usage("events are kept in one place: give --data or --redis, not both"))
            }
        }
    }

    /// Returns its name, for a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "the memory",
            Self::Disk { .. } => "the disk",
            Self::Redis { .. } => "Redis",
        }
    }

    /// Opens it with the events that it keeps. If this takes long, the hub at these places is said to wait.
    pub(crate) async fn open(
        self,
        topics: TopicsBuilder,
        route: RouteBuilder,
        history: History,
        places: &Places,
    ) -> Result<Opened, Failure> {
        match self {
            Self::Memory => Ok(Opened { topics: in_memory(topics, route, history), disk: None }),
            Self::Disk { directory, of_topic } => {
                let waiting =
                    tell_of_waiting("the directory of --data, which another process has open", places);
                let log = tokio::select! {
                    log = disk(directory, history, of_topic) => log?,
                    never = waiting => match never {},
                };
                let topics = build_on(topics.route(route), log.clone(), "--data").await?;
                Ok(Opened { topics, disk: Some(log) })
            }
            Self::Redis { url, namespace } => {
                let log = tokio::select! {
                    log = redis(url, namespace, history) => log?,
                    never = tell_of_waiting("Redis, which can't be reached", places) => match never {},
                };
                let topics = build_on(topics.route(route), log, "--redis").await?;
                Ok(Opened { topics, disk: None })
            }
        }
    }
}

fn in_memory(topics: TopicsBuilder, mut route: RouteBuilder, history: History) -> Topics {
    if let Some(bytes) = history.bytes {
        route = route.history_bytes(bytes);
    }
    if history != History::default() {
        // An age or a size alone is meant as the only limit.
        route = route.history(history.events.unwrap_or(usize::MAX));
    }
    let linger = history.age.map_or(LINGER, |age| age.max(LINGER));
    topics.linger(linger).route(route.history_age(history.age)).build()
}

async fn disk(directory: &Path, history: History, of_topic: TopicHistory) -> Result<DiskLog, Failure> {
    let mut log = DiskLog::builder().open_within(PATIENCE);
    log = log.max_topic_messages(of_topic.events.map(|events| events as u64));
    log = log.max_topic_bytes(of_topic.bytes.map(|bytes| bytes as u64));
    if history != History::default() {
        // The given limits are meant as the only ones.
        log = log.max_entries(history.events.map(|events| events as u64)).max_age(history.age);
        log = log.max_bytes(history.bytes.map(|bytes| bytes as u64));
    }
    let directory = directory.to_owned();
    let opening = tokio::task::spawn_blocking(move || log.open(directory));
    let opened = opening.await.map_err(|error| Failure::failed(error.to_string()))?;
    opened.map_err(|error| Failure::failed(format!("--data: {error}")))
}

async fn redis(url: &str, namespace: &str, history: History) -> Result<RedisLog, Failure> {
    if history.bytes.is_some() {
        return Err(Failure::usage("with --redis, --history is a number of events, an age, or both"));
    }
    let mut log = RedisLog::builder(namespace).connect_within(PATIENCE);
    if let Some(events) = history.events {
        log = log.max_entries(events);
    }
    if let Some(age) = history.age {
        log = log.max_age(age);
    }
    log.connect(url).await.map_err(|error| match error {
        ConnectError::Namespace => Failure::usage(format!("--namespace: {error}")),
        ConnectError::Address(_) => {
            Failure::usage(format!("--redis: {error}; write it as redis://localhost:6379"))
        }
        _ => Failure::failed(format!("--redis: {error}")),
    })
}

async fn build_on(topics: TopicsBuilder, log: impl Log, flag: &str) -> Result<Topics, Failure> {
    topics.build_on(log).await.map_err(|error| Failure::failed(format!("{flag}: {error}")))
}

/// Logs what the hub waits for, if it waits for long.
async fn tell_of_waiting(what: &str, places: &Places) -> Infallible {
    tokio::time::sleep(Duration::from_secs(1)).await;
    tracing::warn!(within = ?PATIENCE, address = %places, "waiting for {what}");
    std::future::pending().await
}
