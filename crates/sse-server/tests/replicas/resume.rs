//! Scenes with clients that resume, read the log, lag, or have a gap.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use sse_server::{LagPolicy, LogStats, Message, PublishError, Route, Stats, Topics};
use sse_testing::{Subscriber, field, request};
use tokio::time::sleep;

use crate::log::{Link, Store};
use crate::scene::{
    GAP, all, builder, log_stats, numbers, publish, replica, settle, small, store, store_all, subscribe,
};

#[tokio::test(start_paused = true)]
async fn a_message_arrives_at_all_replicas_with_one_id() {
    let log = Arc::default();
    let (here, there) = (replica(&log).await, replica(&log).await);
    let mut readers = [subscribe(&here, "", &["a"]), subscribe(&there, "", &["a"])];
    let id = store(&here, "a", "x").await;
    for reader in &mut readers {
        let block = reader.read();
        assert_eq!((field(&block, "data"), field(&block, "id")), (Some("x"), Some(&*id)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_resumes_at_the_other_replica_with_any_id() {
    let log = Arc::default();
    let (here, there) = (replica(&log).await, replica(&log).await);
    let mut ids = vec!["0".to_owned()];
    for (number, topic) in ["a", "b", "c", "b", "a"].into_iter().enumerate() {
        ids.push(store(if number % 2 == 0 { &here } else { &there }, topic, number).await);
    }
    for (seen, id) in ids.iter().enumerate() {
        for topics in [&here, &there] {
            for (names, all_data) in [(&["a"][..], &[0, 4][..]), (&["a", "b"], &[0, 1, 3, 4]), (&["d"], &[])]
            {
                let left = all_data.iter().filter(|&&number| number >= seen).map(ToString::to_string);
                let mut reader = subscribe(topics, id, names);
                assert_eq!(all(&mut reader).await, left.collect::<Vec<_>>(), "{names:?} after {id}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_starts_later_serves_earlier_messages() {
    let log = Arc::default();
    let here = replica(&log).await;
    let id = store_all(&here, "a", 1..=9).await;
    drop(here);
    let there = replica(&log).await;
    assert_eq!(all(&mut subscribe(&there, &id, &["a"])).await, numbers(2..=9));
    assert_eq!(log_stats(&there).reads, 0);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_made_later_begins_with_its_messages() {
    let log = Arc::default();
    let (here, there) = (replica(&log).await, replica(&log).await);
    let mut other = subscribe(&there, "", &["b"]);
    let id = store_all(&here, "a", 1..=3).await;
    assert_eq!(all(&mut subscribe(&there, &id, &["a", "b"])).await, numbers(2..=3));
    assert_eq!(all(&mut other).await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_old_id_is_served_from_the_log_without_a_gap() {
    let log = Arc::default();
    let (topics, _) = small(&log).await;
    let first = store_all(&topics, "a", 1..=1000).await;
    let mut reader = subscribe(&topics, &first, &["a"]);
    assert_eq!(all(&mut reader).await, numbers(2..=1000));
    store(&topics, "a", 1001).await;
    assert_eq!(all(&mut reader).await, ["1001"]);
    let LogStats { reads, .. } = log_stats(&topics);
    assert_eq!(reads, 4, "pages");
}

#[tokio::test(start_paused = true)]
async fn an_old_id_is_served_while_messages_are_published() {
    for delay in [0, 3] {
        let log = Arc::default();
        let (topics, link) = small(&log).await;
        let first = store_all(&topics, "a", 1..=1000).await;
        link.set(|weather| weather.delay = Duration::from_millis(delay));
        let mut reader = subscribe(&topics, &first, &["a"]);
        let mut seen = Vec::new();
        for number in 1001..=1200 {
            publish(&topics, if number % 3 == 0 { "b" } else { "a" }, number);
            seen.extend(reader.read_data().into_iter().filter(|data| data != "-"));
            settle().await;
        }
        seen.append(&mut all(&mut reader).await);
        let expected = (2..=1200).filter(|number| *number <= 1000 || number % 3 != 0);
        assert_eq!(seen, expected.map(|number: u32| number.to_string()).collect::<Vec<_>>(), "{delay}");
    }
}

#[tokio::test(start_paused = true)]
async fn many_clients_at_one_position_take_few_reads() {
    for delay in [0, 1] {
        let log = Arc::default();
        let (topics, link) = small(&log).await;
        let first = store_all(&topics, "a", 1..=600).await;
        link.set(|weather| weather.delay = Duration::from_millis(delay));
        let mut readers: Vec<_> = (0..1000).map(|_| subscribe(&topics, &first, &["a"])).collect();
        let mut seen = vec![Vec::new(); readers.len()];
        for _ in 0..20 {
            // Each client would be a task of its own, with a budget of its own.
            tokio::task::unconstrained(async {
                for (reader, seen) in readers.iter_mut().zip(&mut seen) {
                    seen.extend(reader.read_data().into_iter().filter(|data| data != "-"));
                }
            })
            .await;
            settle().await;
        }
        for seen in seen {
            assert_eq!(seen, numbers(2..=600), "{delay}");
        }
        let LogStats { reads, .. } = log_stats(&topics);
        // The last page is not kept, because more entries may come after it.
        assert!(reads <= if delay == 0 { 1002 } else { 6 }, "{reads}");
    }
}

/// Most clients share the joined bytes of a page. A client with a filter reads messages one by one.
#[tokio::test(start_paused = true)]
async fn what_is_read_from_the_log_is_counted_for_each_client() {
    let log = Arc::default();
    let (topics, _) = small(&log).await;
    let first = store_all(&topics, "a", 1..=600).await;
    let route = topics.route("a").unwrap();
    let request = request(&first);
    let streams = [
        route.subscribe(&request),
        route.subscribe(&request),
        topics.subscribe(&request, ["a"]),
        route.subscribe(&request).filter(|_| true),
    ];
    for (number, stream) in (1..).zip(streams) {
        let mut reader = Subscriber::of(stream.respond());
        assert!(reader.read().starts_with(":\n"));
        assert_eq!(all(&mut reader).await, numbers(2..=600), "{number}");
        drop(reader);
        let Stats { delivered, replayed, bytes, .. } = route.stats();
        assert_eq!((delivered, replayed), (599 * number, 599 * number), "{number}");
        assert_eq!(bytes % number, 0, "{number}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trimmed_id_is_a_gap_and_then_the_kept_messages() {
    for delay in [0, 2] {
        let log: Arc<Store> = Arc::default();
        let first = store_all(&replica(&log).await, "a", 1..=20).await;
        log.trim(3);
        let link = Link::new(&log);
        let topics = builder(1000, 1000).build_on(link.clone()).await.unwrap();
        link.set(|weather| weather.delay = Duration::from_millis(delay));
        let mut reader = subscribe(&topics, &first, &["a"]);
        let kept = [&[GAP.to_owned()][..], &numbers(18..=20)].concat();
        assert_eq!(all(&mut reader).await, kept, "{delay}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_never_given_is_a_gap() {
    let log = Arc::default();
    let (topics, _) = small(&log).await;
    store_all(&topics, "a", 1..=3).await;
    for id in ["x", "007", "4711", "18446744073709551615", "99999999999999999999"] {
        let mut reader = subscribe(&topics, id, &["a"]);
        assert_eq!(all(&mut reader).await[0], GAP, "{id}");
        store(&topics, "a", "next").await;
        assert_eq!(all(&mut reader).await, ["next"], "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_the_id_of_a_gap_there_is_no_other_gap() {
    let log = Arc::new(Store::with_skips(10));
    let (topics, _) = small(&log).await;
    for number in 1..=3 {
        store(&topics, "a", number).await;
        store(&topics, "b", number).await;
    }
    // The positions of the messages are 11, 22, 33, 44, 55 and 66.
    let cases = [("34", "44"), ("56", "66"), ("67", "66")];
    for (id, end) in cases {
        let mut reader = subscribe(&topics, id, &["a"]);
        let gap = reader.next_block().await.unwrap();
        assert_eq!((field(&gap, "data"), field(&gap, "id")), (Some(GAP), Some(end)), "{id}");
        let rest = all(&mut reader).await;
        assert_eq!(all(&mut subscribe(&topics, end, &["a"])).await, rest, "{id}");
    }
    // The log may lose everything, and is at its beginning then.
    let gap = subscribe(&topics, "x", &["a"]).next_block().await.unwrap();
    assert_eq!((field(&gap, "data"), field(&gap, "id")), (Some(GAP), None));
}

#[tokio::test(start_paused = true)]
async fn an_id_that_the_replica_has_not_read_yet_waits() {
    let log = Arc::default();
    let here = replica(&log).await;
    let (there, link) = small(&log).await;
    store(&here, "a", 1).await;
    link.set(|weather| weather.is_blind = true);
    let id = store_all(&here, "a", 2..=3).await;
    let mut reader = subscribe(&there, &id, &["a"]);
    assert_eq!(all(&mut reader).await, [""; 0]);
    link.set(|weather| weather.is_blind = false);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(all(&mut reader).await, ["3"]);
    store(&here, "a", 4).await;
    assert_eq!(all(&mut reader).await, ["4"]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_of_a_late_replica_moves_no_client_back() {
    let log = Arc::default();
    let here = replica(&log).await;
    let link = Link::new(&log);
    let beating = Topics::builder().route(Route::builder().heartbeat(Duration::from_secs(10)));
    let there = beating.build_on(link.clone()).await.unwrap();
    store(&here, "a", 1).await;
    link.set(|weather| weather.is_blind = true);
    store(&here, "a", 2).await;
    let id = store(&here, "a", 3).await;
    let mut reader = subscribe(&there, &id, &["a"]);
    assert_eq!(all(&mut reader).await, [""; 0]);
    sleep(Duration::from_secs(11)).await;
    let heartbeat = reader.read();
    assert!(heartbeat.starts_with(':'), "{heartbeat:?}");
    assert!(field(&heartbeat, "id").is_none_or(|new| new == id), "{heartbeat:?} to a client with {id}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_reads_on_from_the_log() {
    for delay in [0, 5] {
        let log = Arc::default();
        let (topics, link) = small(&log).await;
        let mut reader = subscribe(&topics, "", &["a"]);
        store(&topics, "a", 1).await;
        assert_eq!(all(&mut reader).await, ["1"]);
        store_all(&topics, "a", 2..=700).await;
        link.set(|weather| weather.delay = Duration::from_millis(delay));
        assert_eq!(all(&mut reader).await, numbers(2..=700), "{delay}");
        assert_eq!(topics.route("a").unwrap().stats().gaps, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lagging_subscriber_is_disconnected_if_the_policy_says_so() {
    let log = Arc::default();
    let route = Route::builder().history(4).burst_bytes(0).heartbeat(None).lag_policy(LagPolicy::Disconnect);
    let topics = Topics::builder().route(route).recent(4).build_on(Link::new(&log)).await.unwrap();
    let mut reader = subscribe(&topics, "", &["a"]);
    store(&topics, "a", 1).await;
    assert_eq!(all(&mut reader).await, ["1"]);
    store_all(&topics, "a", 2..=20).await;
    assert_eq!(all(&mut reader).await, ["."]);
    assert_eq!(all(&mut subscribe(&topics, "1", &["a"])).await, numbers(2..=20));
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_that_reads_the_log_does_not_lag() {
    let log = Arc::default();
    let route = Route::builder().history(4).burst_bytes(0).heartbeat(None).lag_policy(LagPolicy::Disconnect);
    let topics = Topics::builder().route(route).recent(4).build_on(Link::new(&log)).await.unwrap();
    store_all(&topics, "a", 1..=1000).await;
    assert_eq!(all(&mut subscribe(&topics, "1", &["a"])).await, numbers(2..=1000));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_too_late_gets_a_gap_and_is_not_disconnected() {
    let log: Arc<Store> = Arc::default();
    let route = Route::builder().history(4).burst_bytes(0).heartbeat(None).lag_policy(LagPolicy::Disconnect);
    let topics = Topics::builder().route(route).recent(4).build_on(Link::new(&log)).await.unwrap();
    store_all(&topics, "a", 1..=20).await;
    log.trim(4);
    for id in ["1", "4711"] {
        let seen = all(&mut subscribe(&topics, id, &["a"])).await;
        assert!(seen.starts_with(&[GAP.to_owned()]), "{id}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_messages_are_not_in_memory_gets_the_snapshot() {
    for (id, expected) in [("1", &[GAP, "snapshot", "live"][..]), ("18", &["19", "20", "live"])] {
        let log = Arc::default();
        let (topics, _) = small(&log).await;
        store_all(&topics, "a", 1..=20).await;
        let route = topics.route("a").unwrap();
        let response = route.subscribe(&request(id)).snapshot(|| [Message::new("snapshot")]).respond();
        let mut reader = Subscriber::of(response);
        let mut seen = all(&mut reader).await;
        store(&topics, "a", "live").await;
        seen.append(&mut all(&mut reader).await);
        assert_eq!(seen, expected, "{id}");
        assert_eq!(log_stats(&topics).reads, 0, "the log is not read");
    }
}

#[tokio::test(start_paused = true)]
async fn from_the_start_are_the_kept_messages() {
    let log = Arc::default();
    let (topics, _) = small(&log).await;
    store_all(&topics, "a", 1..=20).await;
    let response = topics.route("a").unwrap().subscribe(&request("")).from_start().respond();
    assert_eq!(all(&mut Subscriber::of(response)).await, numbers(17..=20));
}

#[tokio::test(start_paused = true)]
async fn a_closed_route_ends_on_all_replicas_after_its_messages() {
    for delay in [0, 5, 20] {
        let log = Arc::default();
        let (here, link) = small(&log).await;
        let there = replica(&log).await;
        let mut readers = [subscribe(&here, "", &["a"]), subscribe(&there, "", &["a"])];
        let first = store_all(&here, "a", 1..=20).await;
        let mut late = subscribe(&here, &first, &["a"]);
        // A message that is stored just before the end may take long to come back.
        link.set(|weather| weather.delay = Duration::from_millis(delay));
        for number in 21..=23 {
            publish(&here, "a", number).stored().await.unwrap();
        }
        let end = here.route("a").unwrap().close();
        assert!(matches!(here.route("a").unwrap().publish(&Message::new("x")), Err(PublishError::Closed)));
        let ended = |from| [&numbers(from..=23)[..], &[".".to_owned()]].concat();
        assert_eq!(all(&mut readers[0]).await, ended(1), "{delay}");
        assert_eq!(all(&mut readers[1]).await, ended(1), "{delay}");
        assert_eq!(all(&mut late).await, ended(2), "{delay}");
        assert_eq!(end.stored().await.unwrap(), None, "an end has no id of an event");
        drop((readers, late));
        here.route("a").unwrap().closed().await;
        there.route("a").unwrap().closed().await;
        assert!(matches!(there.route("a").unwrap().publish(&Message::new("x")), Err(PublishError::Closed)));
        // The same for a topic, or a replica, that is made later.
        let later = replica(&log).await;
        for topics in [&here, &there, &later] {
            let status = |id| topics.subscribe(&request(id), ["a"]).respond().status();
            assert_eq!(
                (status(""), status("23"), status("24")),
                (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT, StatusCode::NO_CONTENT)
            );
            let mut reader = subscribe(topics, &first, &["a"]);
            assert_eq!(all(&mut reader).await, ended(2));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_leaves_out_events_from_the_log() {
    for delay in [0, 5] {
        let log = Arc::default();
        let (topics, link) = small(&log).await;
        store_all(&topics, "a", 1..=300).await;
        link.set(|weather| weather.delay = Duration::from_millis(delay));
        let passes = |data: &str| data.ends_with("99");
        let subscription = topics.route("a").unwrap().subscribe(&request("1"));
        let response = subscription.filter(move |event| passes(event.data())).respond();
        let mut reader = Subscriber::of(response);
        let mut seen = all(&mut reader).await;
        publish(&topics, "a", "399");
        seen.append(&mut all(&mut reader).await);
        assert_eq!(seen, ["99", "199", "299", "399"], "{delay}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_topic_resumes_by_its_heartbeats() {
    let log: Arc<Store> = Arc::default();
    let beating = Topics::builder().route(Route::builder().heartbeat(Duration::from_secs(5)));
    let here = beating.build_on(Link::new(&log)).await.unwrap();
    let mut reader = subscribe(&here, "", &["quiet"]);
    store(&here, "quiet", "x").await;
    assert_eq!(all(&mut reader).await, ["x"]);
    let newest = store_all(&here, "loud", 1..=20).await.parse::<u64>().unwrap() + 19;
    sleep(Duration::from_secs(6)).await;
    let heartbeat = reader.read();
    let id = field(&heartbeat, "id").expect("a heartbeat has an id");
    assert_eq!(id, newest.to_string());
    store_all(&here, "loud", 21..=30).await;
    log.trim(10);
    let there = replica(&log).await;
    let mut resumed = subscribe(&there, id, &["quiet"]);
    store(&here, "quiet", "y").await;
    assert_eq!(all(&mut resumed).await, ["y"]);
}

/// The last event of the topic may be trimmed. The subscriber has everything up to the newest entry all the same.
#[tokio::test(start_paused = true)]
async fn a_quiet_topic_that_lags_has_no_gap() {
    let log: Arc<Store> = Arc::default();
    let (topics, _) = small(&log).await;
    let mut reader = subscribe(&topics, "", &["quiet"]);
    store(&topics, "quiet", "x").await;
    assert_eq!(all(&mut reader).await, ["x"]);
    store_all(&topics, "loud", 1..=20).await;
    store(&topics, "quiet", "y").await;
    assert_eq!(all(&mut reader).await, ["y"]);
    store_all(&topics, "loud", 21..=40).await;
    log.trim(5);
    // Nothing else wakes the subscriber, so it learns of the newest entry at a heartbeat.
    topics.route("quiet").unwrap().set_heartbeat(Duration::from_secs(5));
    sleep(Duration::from_secs(6)).await;
    assert_eq!(all(&mut reader).await, [""; 0]);
    store_all(&topics, "quiet", 41..=60).await;
    assert_eq!(all(&mut reader).await, numbers(41..=60));
}
