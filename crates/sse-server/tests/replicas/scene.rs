//! Helpers of the scenes: replicas, publishers, and subscribers.

use std::sync::Arc;
use std::time::Duration;

use sse_server::{LogStats, Message, Published, Route, Topics, TopicsBuilder};
use sse_testing::{Subscriber, request};
use tokio::time::sleep;

use crate::log::{Link, Store};

pub(crate) const GAP: &str = r#"{"missed":null}"#;

/// Returns settings for replicas without heartbeats, with this number of messages in memory.
pub(crate) fn builder(history: usize, recent: usize) -> TopicsBuilder {
    Topics::builder().route(Route::builder().history(history).burst_bytes(0).heartbeat(None)).recent(recent)
}

pub(crate) async fn replica(store: &Arc<Store>) -> Topics {
    builder(1000, 1000).build_on(Link::new(store)).await.unwrap()
}

/// Returns a replica that keeps four messages.
pub(crate) async fn small(store: &Arc<Store>) -> (Topics, Link) {
    let link = Link::new(store);
    (builder(4, 4).build_on(link.clone()).await.unwrap(), link)
}

pub(crate) fn publish(topics: &Topics, topic: &str, data: impl ToString + Copy) -> Published {
    topics.route(topic).unwrap().publish(&Message::new(data.to_string())).unwrap()
}

/// Publishes, and returns the id.
pub(crate) async fn store(topics: &Topics, topic: &str, data: impl ToString + Copy) -> String {
    let id = publish(topics, topic, data).stored().await.unwrap();
    // The message has to come back from the log.
    settle().await;
    id.expect("an event has an id").as_str().to_owned()
}

/// Publishes numbers, and returns the id of the first.
pub(crate) async fn store_all(
    topics: &Topics,
    topic: &str,
    numbers: std::ops::RangeInclusive<u32>,
) -> String {
    let mut published: Vec<_> = numbers.map(|number| publish(topics, topic, number)).collect();
    let first = published.remove(0).stored().await.unwrap();
    for published in published {
        published.stored().await.unwrap();
    }
    settle().await;
    first.expect("an event has an id").as_str().to_owned()
}

pub(crate) fn subscribe(topics: &Topics, last_event_id: &str, names: &[&str]) -> Subscriber {
    let names = names.iter().copied();
    let mut reader = Subscriber::of(topics.subscribe(&request(last_event_id), names).respond());
    assert!(reader.read().starts_with(":\n"));
    reader
}

/// Lets the replicas do everything that they can do now.
pub(crate) async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Returns all data that a subscriber gets, until nothing more has come for a while, and a dot if the stream has ended.
pub(crate) async fn all(reader: &mut Subscriber) -> Vec<String> {
    let (mut seen, mut idle) = (Vec::new(), 0);
    // A read of the log may take some hundred milliseconds.
    while idle < 300 {
        settle().await;
        let mut data = reader.read_data();
        let end = data.pop().unwrap();
        idle = if data.is_empty() { idle + 1 } else { 0 };
        seen.append(&mut data);
        if end == "." {
            seen.push(end);
            break;
        }
    }
    seen
}

pub(crate) fn numbers(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

pub(crate) fn log_stats(topics: &Topics) -> LogStats {
    topics.route("stats").unwrap().stats().log.expect("the topics have a log")
}
