//! A log that evicts messages of one topic, and keeps older entries of another one.

use std::sync::Arc;

use sse_server::Topics;

use crate::log::Store;
use crate::scene::{GAP, all, replica, small, store, subscribe};

/// Stores the messages `n1` to `n9` of a topic with many messages, and `q1` to `q3` of a quiet one, at the positions that
/// are their ids:
///
/// | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 |
/// |---|---|---|---|---|---|---|---|---|----|----|----|
/// | n1 | n2 | q1 | n3 | n4 | n5 | q2 | n6 | n7 | n8 | q3 | n9 |
async fn filled(log: &Arc<Store>) -> Topics {
    let topics = replica(log).await;
    for data in ["n1", "n2", "q1", "n3", "n4", "n5", "q2", "n6", "n7", "n8", "q3", "n9"] {
        store(&topics, if data.starts_with('n') { "noisy" } else { "quiet" }, data).await;
    }
    topics
}

async fn check(topics: &Topics, last_event_id: u64, names: &[&str], expected: &[&str]) {
    let seen = all(&mut subscribe(topics, &last_event_id.to_string(), names)).await;
    assert_eq!(seen, expected, "{names:?} after {last_event_id}");
}

#[tokio::test(start_paused = true)]
async fn only_subscribers_of_the_topic_get_a_gap_event() {
    let log = Arc::new(Store::default());
    filled(&log).await;
    log.evict("noisy", 2);
    // One has the newest entries in memory, and the other one reads all of them from the log.
    for topics in [replica(&log).await, small(&log).await.0] {
        for (after, expected) in [
            (0, &[GAP, "n8", "n9"][..]),
            // The entry of this message was removed.
            (1, &[GAP, "n8", "n9"]),
            (3, &[GAP, "n8", "n9"]),
            (8, &[GAP, "n8", "n9"]),
            (9, &["n8", "n9"]),
            (10, &["n9"]),
        ] {
            check(&topics, after, &["noisy"], expected).await;
        }
        for (after, expected) in [(1, &["q1", "q2", "q3"][..]), (4, &["q2", "q3"]), (9, &["q3"]), (11, &[])] {
            check(&topics, after, &["quiet"], expected).await;
        }
        for (after, expected) in [
            // One gap event is for all that is missing up to now.
            (1, &[GAP, "q1", "q2", "n8", "q3", "n9"][..]),
            (3, &[GAP, "q2", "n8", "q3", "n9"]),
            (7, &[GAP, "n8", "q3", "n9"]),
            (9, &["n8", "q3", "n9"]),
        ] {
            check(&topics, after, &["quiet", "noisy"], expected).await;
        }
    }
}

/// What a replica has in memory, its clients get.
#[tokio::test(start_paused = true)]
async fn messages_in_memory_are_delivered_though_the_log_has_evicted_them() {
    let log = Arc::new(Store::default());
    let topics = filled(&log).await;
    log.evict("noisy", 2);
    check(&topics, 4, &["noisy"], &["n4", "n5", "n6", "n7", "n8", "n9"]).await;
}

/// Messages that were evicted later are told of, too.
#[tokio::test(start_paused = true)]
async fn the_log_evicts_again() {
    let log = Arc::new(Store::default());
    let topics = filled(&log).await;
    log.evict("noisy", 5);
    store(&topics, "noisy", "n10").await;
    log.evict("noisy", 1);
    let (topics, _) = small(&log).await;
    check(&topics, 9, &["noisy"], &[GAP, "n10"]).await;
    check(&topics, 9, &["quiet", "noisy"], &[GAP, "q3", "n10"]).await;
    check(&topics, 12, &["noisy"], &["n10"]).await;
}
