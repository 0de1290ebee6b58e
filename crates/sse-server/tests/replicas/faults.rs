//! Scenes with a log that is unavailable, slow, trimmed or lost; with its followers; and with publishers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use sse_server::log::Publisher;
use sse_server::{EventId, LogStats, Message, PublishError, Route, Topics};
use sse_testing::field;
use sse_testing::log::MemoryLog;
use tokio::time::{Instant, sleep};

use crate::log::{Link, Store, Storm};
use crate::scene::{
    GAP, all, builder, log_stats, numbers, publish, replica, settle, small, store, store_all, subscribe,
};

#[tokio::test(start_paused = true)]
async fn a_lost_log_is_one_gap_to_all_and_then_goes_on() {
    let log: Arc<Store> = Arc::default();
    let (here, there) = (replica(&log).await, small(&log).await.0);
    let mut readers = [
        subscribe(&here, "", &["a"]),
        subscribe(&here, "", &["b"]),
        subscribe(&here, "", &["a", "b"]),
        subscribe(&there, "", &["a"]),
    ];
    store_all(&here, "a", 1..=5).await;
    for reader in &mut readers {
        all(reader).await;
    }
    log.lose(2);
    settle().await;
    for reader in &mut readers {
        assert_eq!(all(reader).await, [GAP]);
    }
    store(&there, "a", 6).await;
    for (reader, expected) in readers.iter_mut().zip([&["6"][..], &[], &["6"], &["6"]]) {
        assert_eq!(all(reader).await, expected);
    }
    assert_eq!((log_stats(&here).losses, log_stats(&there).losses), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_lost_completely_is_one_gap() {
    let log: Arc<Store> = Arc::default();
    let here = replica(&log).await;
    let mut reader = subscribe(&here, "", &["a"]);
    store_all(&here, "a", 1..=5).await;
    all(&mut reader).await;
    log.lose(5);
    settle().await;
    store(&here, "a", 6).await;
    assert_eq!(all(&mut reader).await, [GAP, "6"]);
    assert_eq!(all(&mut subscribe(&here, "3", &["a"])).await, [GAP, "6"]);
}

#[tokio::test(start_paused = true)]
async fn an_id_of_the_lost_part_is_a_gap() {
    let log: Arc<Store> = Arc::default();
    let here = replica(&log).await;
    store_all(&here, "a", 1..=5).await;
    log.lose(2);
    settle().await;
    let late = small(&log).await.0;
    for topics in [&here, &late] {
        assert_eq!(all(&mut subscribe(topics, "5", &["a"])).await[0], GAP);
        assert_eq!(all(&mut subscribe(topics, "3", &["a"])).await, [""; 0]);
    }
    store(&here, "a", 6).await;
    for topics in [&here, &late] {
        for id in ["4", "5"] {
            let mut reader = subscribe(topics, id, &["a"]);
            let gap = reader.next_block().await.unwrap();
            // Another replica may not know of the loss yet, and still have the lost messages.
            assert_eq!((field(&gap, "data"), field(&gap, "id")), (Some(GAP), Some(id)));
            assert_eq!(all(&mut reader).await, ["6"], "{id}");
        }
        assert_eq!(all(&mut subscribe(topics, "2", &["a"])).await, ["3", "6"]);
    }
    // The replicas forget which entries there were.
    store_all(&here, "b", 1..=20).await;
    store(&here, "a", 7).await;
    for topics in [&here, &late] {
        for id in ["4", "5"] {
            assert_eq!(all(&mut subscribe(topics, id, &["a"])).await, [GAP, "6", "7"], "{id}");
        }
    }
}

/// A page that was read before the loss is not served to later clients.
#[tokio::test(start_paused = true)]
async fn a_page_from_before_a_loss_is_not_served_after_it() {
    let log: Arc<Store> = Arc::default();
    let (topics, _) = small(&log).await;
    let first = store_all(&topics, "a", 1..=20).await;
    assert_eq!(all(&mut subscribe(&topics, &first, &["a"])).await, numbers(2..=20));
    log.lose(10);
    settle().await;
    assert_eq!(all(&mut subscribe(&topics, &first, &["a"])).await, numbers(2..=10));
    assert_eq!(log_stats(&topics).losses, 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_log_is_unavailable_streams_stay_and_messages_wait() {
    let log = Arc::default();
    let link = Link::new(&log);
    let beating = Topics::builder().route(Route::builder().heartbeat(Duration::from_secs(5)));
    let topics = beating.build_on(link.clone()).await.unwrap();
    let mut reader = subscribe(&topics, "", &["a"]);
    assert_eq!(reader.read(), "-");
    link.set(|weather| weather.is_down = true);
    settle().await;
    let published = publish(&topics, "a", "x");
    sleep(Duration::from_secs(6)).await;
    assert!(reader.read().starts_with(':'));
    assert_eq!(reader.read(), "-");
    let LogStats { is_following, interruptions, queued, retries, .. } = log_stats(&topics);
    assert_eq!((is_following, interruptions, queued), (false, 1, 1));
    assert!(retries > 0);
    link.set(|weather| weather.is_down = false);
    let id = published.stored().await.unwrap().unwrap();
    sleep(Duration::from_secs(2)).await;
    let block = reader.read();
    assert_eq!((field(&block, "data"), field(&block, "id")), (Some("x"), Some(id.as_str())));
    let LogStats { is_following, interruptions, queued, appended, failed, .. } = log_stats(&topics);
    assert_eq!((is_following, interruptions, queued, appended, failed), (true, 1, 0, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_given_up_when_the_patience_is_over() {
    let log: Arc<Store> = Arc::default();
    let link = Link::new(&log);
    let publisher = Publisher::builder().patience(Duration::from_secs(3)).build(link.clone());
    link.set(|weather| weather.is_down = true);
    let begun = Instant::now();
    let message = publisher.publish("a", &Message::new("x")).unwrap();
    let Err(PublishError::Log(error)) = message.stored().await else { panic!("the log can't store it") };
    assert!(!error.is_refused());
    assert!(begun.elapsed() <= Duration::from_secs(3) && begun.elapsed() > Duration::from_secs(1));
    link.set(|weather| weather.is_down = false);
    publisher.publish("a", &Message::new("y")).unwrap();
    publisher.flush().await;
    assert_eq!(log.data(), ["y"]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_and_own_ids_are_refused_at_once() {
    let log = Arc::default();
    let link = Link::new(&log);
    let topics = Topics::builder().publisher(Publisher::builder().max_queued(2));
    let topics = topics.build_on(link.clone()).await.unwrap();
    let route = topics.route("a").unwrap();
    let own = Message::new("x").id(EventId::from_static("7"));
    assert!(matches!(route.publish(&own), Err(PublishError::OwnId)));
    link.set(|weather| weather.is_down = true);
    let queued: Vec<_> = (0..2).map(|number| publish(&topics, "a", number)).collect();
    assert!(matches!(route.publish(&Message::new("x")), Err(PublishError::Full)));
    settle().await;
    assert!(matches!(route.publish(&Message::new("x")), Err(PublishError::Full)));
    link.set(|weather| weather.is_down = false);
    for published in queued {
        published.stored().await.unwrap();
    }
    store(&topics, "a", "y").await;
    assert_eq!(log.data(), ["0", "1", "y"]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_whose_response_is_lost_is_not_stored_twice() {
    let log = Arc::default();
    let link = Link::new(&log);
    let publisher = Publisher::new(link.clone());
    link.set(|weather| weather.lost_answers = 3);
    let messages: Vec<_> = (0..5)
        .map(|number: u32| publisher.publish("a", &Message::new(number.to_string())).unwrap())
        .collect();
    for (number, message) in (1..).zip(messages) {
        assert_eq!(message.stored().await.unwrap(), Some(EventId::from(number)));
    }
    assert_eq!(log.data(), numbers(0..=4));
}

#[tokio::test(start_paused = true)]
async fn the_order_of_one_publisher_is_kept() {
    let log: Arc<Store> = Arc::default();
    let link = Link::new(&log);
    let topics = replica(&log).await;
    let mut reader = subscribe(&topics, "", &["a"]);
    let publisher = Publisher::new(link.clone());
    link.set(|weather| weather.storm = Some(Storm { rng: Rng::with_seed(1), calm: 4, delay: 20 }));
    for number in 1..=1000_u32 {
        publisher.publish("a", &Message::new(number.to_string())).unwrap();
        if number % 7 == 0 {
            settle().await;
        }
    }
    publisher.flush().await;
    assert_eq!(all(&mut reader).await, numbers(1..=1000));
}

#[tokio::test(start_paused = true)]
async fn no_task_follows_the_log_after_the_topics_are_dropped() {
    let log = Arc::default();
    let (topics, link) = small(&log).await;
    settle().await;
    let route = topics.route("a").unwrap();
    let reader = subscribe(&topics, "", &["a"]);
    assert_eq!(link.0.follows.load(Ordering::Relaxed), 1);
    drop(topics);
    settle().await;
    assert_eq!(link.0.follows.load(Ordering::Relaxed), 1, "there is a subscriber");
    drop((route, reader));
    settle().await;
    assert_eq!(link.0.follows.load(Ordering::Relaxed), 0);
    assert_eq!(Arc::strong_count(&link.0), 1);
}

/// The log has answered before the replica has seen the entries since.
#[tokio::test(start_paused = true)]
async fn a_late_answer_is_not_a_gap() {
    let log = Arc::default();
    let here = replica(&log).await;
    let (there, link) = small(&log).await;
    link.set(|weather| weather.is_blind = true);
    let id = store(&here, "a", 1).await;
    link.set(|weather| weather.delay = Duration::from_secs(2));
    let mut reader = subscribe(&there, &id, &["a"]);
    assert_eq!(reader.read(), "-");
    // The log was asked, and its answer is on the way: no entry comes after this position.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(reader.read(), "-");
    link.set(|weather| (weather.is_blind, weather.delay) = (false, Duration::ZERO));
    store_all(&here, "a", 2..=20).await;
    let mut seen = all(&mut reader).await;
    sleep(Duration::from_secs(5)).await;
    seen.append(&mut all(&mut reader).await);
    assert_eq!(seen, numbers(2..=20));
}

/// A stalled subscriber delays no other, whether that reads the same pages or not.
#[tokio::test(start_paused = true)]
async fn a_subscriber_that_stalls_while_it_reads_the_log_stops_no_other() {
    let log = Arc::default();
    let (topics, link) = small(&log).await;
    store_all(&topics, "a", 1..=100).await;
    link.set(|weather| weather.delay = Duration::from_millis(5));
    let mut stalled: Vec<_> = (1..=8).map(|id| subscribe(&topics, &id.to_string(), &["a"])).collect();
    for reader in &mut stalled {
        assert_eq!(reader.read(), "-");
    }
    for id in [1, 50] {
        let mut reader = subscribe(&topics, &id.to_string(), &["a"]);
        assert_eq!(all(&mut reader).await, numbers(id + 1..=100), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_log_whose_entries_were_trimmed_is_followed() {
    let log: Arc<Store> = Arc::default();
    let here = replica(&log).await;
    store_all(&here, "a", 1..=5).await;
    log.trim(0);
    let there = replica(&log).await;
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(log_stats(&there).losses <= 1, "{:?}", log_stats(&there));
}

#[tokio::test(start_paused = true)]
async fn a_replica_keeps_at_least_one_message() {
    for settings in [builder(4, 0), builder(4, 4).recent_bytes(0)] {
        let log: Arc<Store> = Arc::default();
        store_all(&replica(&log).await, "a", 1..=5).await;
        log.trim(2);
        let topics = settings.build_on(Link::new(&log)).await.unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(log_stats(&topics).losses, 0);
    }
}

/// A publisher that waits for a task that has ended is told so.
#[test]
fn a_publisher_without_its_runtime_is_closed() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (theirs, ours) = (runtime(), runtime());
    let publisher = theirs.block_on(async { Publisher::new(MemoryLog::new()) });
    let waiting = publisher.publish("a", &Message::new("x")).unwrap();
    drop(theirs);
    ours.block_on(async {
        assert!(matches!(waiting.stored().await, Err(PublishError::Closed)));
        assert!(matches!(publisher.publish("a", &Message::new("y")), Err(PublishError::Closed)));
        publisher.flush().await;
    });
}

#[tokio::test(start_paused = true)]
async fn flushed_messages_are_in_the_log() {
    let log = MemoryLog::new();
    let topics = builder(4, 4).build_on(log.clone()).await.unwrap();
    for number in 0..1000 {
        publish(&topics, "a", number);
    }
    assert!(log.len() < 1000);
    topics.flush().await;
    assert_eq!(log.len(), 1000);
}
