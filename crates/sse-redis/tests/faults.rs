//! Faults between a replica and its Redis: no message is lost or doubled, and each gap is told. Faults at single bytes
//! are in `once.rs` (requests and responses) and `torn.rs` (the file).

#![allow(missing_docs, reason = "tests")]

mod common;

use std::net::TcpListener;
use std::ops::Range;
use std::time::{Duration, Instant};

use common::subscriber::Subscriber;
use common::{Redis, SOON, free_port, host, until};
use sse_redis::{ConnectError, RedisLog};
use sse_server::log::{Log, Position, Publisher};
use sse_server::{LogStats, Message, PublishError, Published, Route, Topics};
use sse_testing::field;
use tokio::time::timeout;

async fn topics(redis: &Redis) -> Topics {
    topics_on(RedisLog::connect(&redis.url(), "app").await.unwrap()).await
}

async fn topics_on(log: RedisLog) -> Topics {
    Topics::builder().build_on(log).await.unwrap()
}

fn log_stats(topics: &Topics) -> LogStats {
    topics.route("t").unwrap().stats().log.unwrap()
}

/// Publishes numbers, and does not wait for the log.
fn publish(topics: &Topics, numbers: Range<u32>) -> Vec<Published> {
    let route = topics.route("t").unwrap();
    numbers.map(|number| route.publish(&Message::new(number.to_string())).unwrap()).collect()
}

async fn publish_and_wait(route: &Route, data: &str) {
    timeout(SOON, route.publish(&Message::new(data)).unwrap().stored()).await.unwrap().unwrap();
}

async fn all_stored(published: Vec<Published>) {
    for one in published {
        timeout(SOON, one.stored()).await.expect("the message is stored soon").unwrap();
    }
}

fn numbers(range: Range<u32>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Returns the error of a message that the publisher has given up.
async fn refused(published: Published) -> String {
    match timeout(SOON, published.stored()).await.expect("a response comes soon") {
        Err(PublishError::Log(error)) => {
            assert!(error.is_refused(), "{error}");
            error.to_string()
        }
        other => panic!("the message is not refused: {other:?}"),
    }
}

/// Returns settings of publishers that give up at the first failure.
fn impatient() -> sse_server::log::PublisherBuilder {
    Publisher::builder().patience(Duration::ZERO)
}

// Errors of connecting.

/// Checks that an error contains this text, and never the password.
#[track_caller]
fn check_refusal(outcome: Result<RedisLog, ConnectError>, says: &str) {
    let error = outcome.expect_err(says);
    let text = error.to_string();
    assert!(text.contains(says), "{says:?} is not in {text:?}");
    for shown in [text, format!("{error:?}")] {
        assert!(!shown.contains("secret"), "a password is told: {shown:?}");
    }
}

#[tokio::test]
async fn an_unreachable_redis_is_named_without_its_password() {
    // No server listens at the first port.
    let outcome = RedisLog::connect("redis://user:secret@127.0.0.1:1/", "app").await;
    check_refusal(outcome, "127.0.0.1:1");
}

#[tokio::test]
async fn an_invalid_address_or_namespace_is_refused_without_a_connection() {
    for url in ["http://:secret@localhost/", "secret", "", "redis://:secret@localhost:port/"] {
        let outcome = RedisLog::connect(url, "app").await;
        assert!(matches!(outcome, Err(ConnectError::Address(_))), "{url:?}: {outcome:?}");
        check_refusal(outcome, "the address of Redis can't be used");
    }
    for namespace in ["", "{", "}", "a{b}"] {
        let outcome = RedisLog::connect("redis://127.0.0.1:1/", namespace).await;
        assert!(matches!(outcome, Err(ConnectError::Namespace)), "{namespace:?}: {outcome:?}");
        check_refusal(outcome, "no braces");
    }
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_reported() {
    let redis = Redis::start_with(&["--requirepass", "right"]);
    let with = |password: &str| redis.url().replace("//", &format!("//{password}"));
    RedisLog::connect(&with(":right@"), "app").await.unwrap();
    check_refusal(RedisLog::connect(&with(""), "app").await, "NOAUTH");
    let port = redis.port.to_string();
    for wrong in [":secret@", "user:secret@"] {
        check_refusal(RedisLog::connect(&with(wrong), "app").await, "authentication failed");
        check_refusal(RedisLog::connect(&with(wrong), "app").await, &port);
    }
}

#[tokio::test]
async fn another_key_with_the_streams_name_is_reported() {
    let redis = Redis::start();
    let _: () = redis.ask(&["SET", "app", "x"]);
    check_refusal(RedisLog::connect(&redis.url(), "app").await, "WRONGTYPE");
}

#[tokio::test]
async fn a_redis_that_starts_later_is_waited_for() {
    let mut redis = Redis::start();
    redis.kill();
    // This proxy shows when an attempt has failed.
    let other = TcpListener::bind((host(), redis.port)).unwrap();
    let url = redis.url();
    let connecting =
        tokio::spawn(async move { RedisLog::builder("app").connect_within(SOON).connect(&url).await });
    let attempt = tokio::task::spawn_blocking(move || other.accept().map(drop));
    timeout(SOON, attempt).await.unwrap().unwrap().unwrap();
    redis.start_again();
    let log = timeout(SOON, connecting).await.unwrap().unwrap().unwrap();
    let topics = topics_on(log).await;
    let mut subscriber = Subscriber::new(&topics, "t").await;
    all_stored(publish(&topics, 0..1)).await;
    assert_eq!(subscriber.next().await, "0");
}

#[tokio::test]
async fn the_wait_for_a_redis_ends() {
    let url = format!("redis://:secret@{}:{}/", host(), free_port());
    let begun = Instant::now();
    let outcome = RedisLog::builder("app").connect_within(Duration::from_millis(300)).connect(&url).await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    check_refusal(outcome, host());
}

// Broken connections.

/// Cuts connections again and again while numbers are published. Each number must be seen once, in order.
async fn check_cuts(cut: impl Fn(&Redis)) {
    let redis = Redis::start();
    let (here, there) = (topics(&redis).await, topics(&redis).await);
    let mut subscribers = [Subscriber::new(&here, "t").await, Subscriber::new(&there, "t").await];
    let mut published = Vec::new();
    for round in 0..60 {
        let last = round * 10 + 9;
        published.extend(publish(&here, round * 10..last + 1));
        cut(&redis);
        // Sometimes the log recovers in between, and sometimes the next cut follows at once.
        if round % 4 == 0 {
            all_stored(std::mem::take(&mut published)).await;
            subscribers[0].read_to(&last.to_string()).await;
        }
        tokio::task::yield_now().await;
    }
    all_stored(published).await;
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.read_to("599").await, numbers(0..600));
    }
    for topics in [here, there] {
        let LogStats { is_following, interruptions, losses, failed, .. } = log_stats(&topics);
        assert!(is_following && interruptions > 0 && losses == 0 && failed == 0, "{:?}", log_stats(&topics));
    }
}

#[tokio::test]
async fn cut_connections_lose_and_double_no_message() {
    check_cuts(|redis| {
        let _: u64 = redis.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    })
    .await;
}

#[tokio::test]
async fn cut_readers_lose_and_double_no_message() {
    check_cuts(|redis| {
        for reader in readers(redis) {
            // The connection may have ended.
            let _: redis::Value = redis.ask(&["CLIENT", "KILL", "ID", &reader, "SKIPME", "yes"]);
        }
    })
    .await;
}

/// Returns the connections that wait for new entries.
fn readers(redis: &Redis) -> Vec<String> {
    let clients: String = redis.ask(&["CLIENT", "LIST"]);
    let readers = clients.lines().filter(|client| client.contains("cmd=xread"));
    let ids = readers.map(|client| client.split(' ').find_map(|word| word.strip_prefix("id=")).unwrap());
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn an_outage_and_its_end_are_seen_in_the_stats() {
    let mut redis = Redis::start();
    let topics = topics(&redis).await;
    let mut subscriber = Subscriber::new(&topics, "t").await;
    all_stored(publish(&topics, 0..1)).await;
    subscriber.next().await;
    for outage in 1..=2 {
        redis.kill();
        until("the outage is noticed", || !log_stats(&topics).is_following).await;
        assert_eq!(log_stats(&topics).interruptions, outage);
        redis.start_again();
        // Nothing new is published.
        until("the log is followed again", || log_stats(&topics).is_following).await;
        assert_eq!(log_stats(&topics).interruptions, outage);
    }
    assert_eq!(log_stats(&topics).losses, 0);
    all_stored(publish(&topics, 1..2)).await;
    assert_eq!(subscriber.read_to("1").await, ["0", "1"]);
}

#[tokio::test]
async fn a_redis_that_hangs_stops_no_heartbeat_and_loses_no_message() {
    let redis = Redis::start();
    let log =
        RedisLog::builder("app").timeout(Duration::from_millis(200)).connect(&redis.url()).await.unwrap();
    let route = Route::builder().heartbeat(Duration::from_millis(20));
    let hasty = Topics::builder().publisher(impatient()).build_on(log.clone()).await.unwrap();
    let topics = Topics::builder().route(route).build_on(log).await.unwrap();
    let mut subscriber = Subscriber::new(&topics, "t").await;
    all_stored(publish(&topics, 0..1)).await;
    subscriber.read_to("0").await;

    redis.signal("-STOP");
    let patient = publish(&topics, 1..10);
    let given_up = publish(&hasty, 10..11).remove(0);
    let outcome = timeout(SOON, given_up.stored()).await.expect("the publisher waits only for its patience");
    let Err(PublishError::Log(error)) = outcome else { panic!("{outcome:?}") };
    assert!(!error.is_refused(), "the log may have the message: {error}");
    until("the outage is noticed", || !log_stats(&topics).is_following).await;
    for _ in 0..5 {
        let block = subscriber.block().await;
        assert!(block.starts_with(':') && field(&block, "data").is_none(), "a heartbeat: {block:?}");
    }

    redis.signal("-CONT");
    all_stored(patient).await;
    all_stored(publish(&topics, 11..12)).await;
    let seen = subscriber.read_to("11").await;
    // The log may have the message that was given up, but only once.
    let given_up = seen.iter().filter(|&data| data == "10").count();
    assert!(given_up <= 1, "{seen:?}");
    let rest: Vec<_> = seen.iter().filter(|&data| data != "10").cloned().collect();
    assert_eq!(rest, [numbers(0..10), numbers(11..12)].concat());
}

// Redis refuses messages.

#[tokio::test]
async fn a_full_redis_refuses_until_there_is_room() {
    let redis = Redis::start();
    let log = RedisLog::connect(&redis.url(), "app").await.unwrap();
    let hasty = Topics::builder().publisher(impatient()).build_on(log.clone()).await.unwrap();
    let patient = topics_on(log).await;
    let mut subscriber = Subscriber::new(&patient, "t").await;
    let _: () = redis.ask(&["CONFIG", "SET", "maxmemory", "1"]);
    let error = refused(publish(&hasty, 0..1).remove(0)).await;
    assert!(error.contains("OOM"), "{error}");
    assert_eq!(log_stats(&hasty).failed, 1);
    let published = publish(&patient, 1..3);
    until("the publisher tries again", || log_stats(&patient).retries > 1).await;
    let _: () = redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    all_stored(published).await;
    assert_eq!(subscriber.read_to("2").await, ["1", "2"]);
    let LogStats { is_following, losses, appended, queued, .. } = log_stats(&patient);
    assert!(is_following && losses == 0 && appended == 2 && queued == 0);
}

#[tokio::test]
async fn a_read_only_replica_of_redis_refuses_and_can_be_followed() {
    let main = Redis::start();
    let port = main.port.to_string();
    let copy = Redis::start_with(&["--replicaof", host(), &port]);
    until("the copy is linked", || {
        copy.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")
    })
    .await;
    let log = RedisLog::connect(&copy.url(), "app").await.unwrap();
    let at_copy = Topics::builder().publisher(impatient()).build_on(log).await.unwrap();
    let error = refused(publish(&at_copy, 0..1).remove(0)).await;
    assert!(error.contains("read only replica"), "{error}");
    let mut subscriber = Subscriber::new(&at_copy, "t").await;
    all_stored(publish(&topics(&main).await, 1..3)).await;
    assert_eq!(subscriber.read_to("2").await, ["1", "2"]);
}

// The log is trimmed.

#[tokio::test]
async fn the_stream_keeps_about_as_many_entries_as_set() {
    let redis = Redis::start();
    let log = RedisLog::builder("app").max_entries(200).connect(&redis.url()).await.unwrap();
    let topics = topics_on(log).await;
    let mut subscriber = Subscriber::new(&topics, "t").await;
    for round in 0..20 {
        all_stored(publish(&topics, round * 100..round * 100 + 100)).await;
        // A subscriber that reads more slowly than the stream is trimmed has a gap.
        subscriber.read_to(&(round * 100 + 99).to_string()).await;
    }
    let length: u32 = redis.ask(&["XLEN", "app"]);
    // One node of 100 entries more, and the entries of the last batch.
    assert!((200..=300).contains(&length), "{length}");
    assert_eq!(subscriber.seen, numbers(0..2000));
}

#[tokio::test]
async fn the_stream_removes_old_entries() {
    let redis = Redis::start();
    let log =
        RedisLog::builder("app").max_age(Duration::from_millis(500)).connect(&redis.url()).await.unwrap();
    let topics = topics_on(log).await;
    all_stored(publish(&topics, 0..1000)).await;
    let begun = Instant::now();
    let mut number = 1000;
    while redis.ask::<u32>(&["XLEN", "app"]) >= 900 {
        assert!(begun.elapsed() < SOON, "no entry is removed");
        all_stored(publish(&topics, number..number + 1)).await;
        number += 1;
    }
    let (newest, _) = redis.entries("app").pop().unwrap();
    assert_eq!(newest, log_id(&redis, number - 1), "the newest entry is kept");
}

/// Returns the id of the entry that has a number.
fn log_id(redis: &Redis, number: u32) -> String {
    let event = format!("data: {number}\n");
    let entries = redis.entries("app");
    let (id, _) = entries.into_iter().find(|(_, fields)| fields["event"] == event).unwrap();
    id
}

#[tokio::test]
async fn a_deleted_entry_is_a_gap_for_subscribers_before_it() {
    let redis = Redis::start();
    all_stored(publish(&topics(&redis).await, 0..10)).await;
    let [first, fifth] = [0, 5].map(|number| log_id(&redis, number));
    let _: u64 = redis.ask(&["XDEL", "app", &fifth]);
    let log = RedisLog::connect(&redis.url(), "app").await.unwrap();
    for recent in [1, 16, 1000] {
        let topics = Topics::builder().recent(recent).build_on(log.clone()).await.unwrap();
        let mut subscriber = Subscriber::resume(&topics, "t", &first);
        let seen = subscriber.read_to("9").await;
        assert!(seen.contains(&"gap".to_owned()), "recent({recent}): {seen:?}");
    }
}

#[tokio::test]
async fn a_gap_that_the_log_reports_is_told_at_once() {
    let redis = Redis::start();
    let log = RedisLog::connect(&redis.url(), "app").await.unwrap();
    let here = topics(&redis).await;
    let other = here.route("other").unwrap();
    for round in 0..10 {
        all_stored(publish(&here, round..round + 1)).await;
        publish_and_wait(&other, "of another topic").await;
    }
    let ids: Vec<_> = redis.entries("app").into_iter().map(|(id, _)| id).collect();
    // Nothing else wakes the subscriber.
    let silent = Topics::builder().route(Route::builder().heartbeat(None)).recent(2);
    let topics = silent.build_on(log).await.unwrap();
    // Only entries of another topic are just in the log. Of this topic, one message is in memory.
    let mut subscriber = Subscriber::resume(&topics, "t", &ids[16]);
    assert_eq!(subscriber.next().await, "9");
    let _: u64 = redis.ask(&["XTRIM", "app", "MAXLEN", "10"]);
    let mut subscriber = Subscriber::resume(&topics, "t", &ids[1]);
    assert_eq!(subscriber.next().await, "gap");
}

// Other programs write into the stream.

/// Checks what a subscriber reads: `0`, an entry that was added by hand, and `1`. A client that comes with an earlier
/// id to a replica that was started later gets the same, or a gap.
async fn check_by_hand(id: &str, fields: &[&str], seen: &[&str]) {
    let redis = Redis::start();
    let replica = topics(&redis).await;
    let mut subscriber = Subscriber::new(&replica, "t").await;
    let start = subscriber.last_event_id.clone();
    all_stored(publish(&replica, 0..1)).await;
    subscriber.read_to("0").await;
    let newest = log_id(&redis, 0);
    let (time, number) = newest.split_once('-').unwrap();
    let next = format!("{time}-{}", number.parse::<u32>().unwrap() + 1);
    let filled: Vec<_> =
        fields.iter().map(|&field| if field == "NEWEST" { newest.as_str() } else { field }).collect();
    let id = id.replace("TIME", time).replace("NEXT", &next);
    let _: String = redis.ask(&[&["XADD", "app", &id], &filled[..]].concat());
    let calls = redis.calls("xread") + redis.calls("xrange");
    let later = topics(&redis).await;
    all_stored(publish(&replica, 1..2)).await;
    assert_eq!(subscriber.read_to("1").await, seen, "XADD {id} {fields:?}");
    let mut late = Subscriber::resume(&later, "t", &start);
    let late = late.read_to("1").await;
    let complete: Vec<_> = seen.iter().filter(|&&data| data != "gap").collect();
    assert!(late.contains(&"gap".to_owned()) || late.iter().eq(complete), "XADD {id} {fields:?}: {late:?}");
    let calls = redis.calls("xread") + redis.calls("xrange") - calls;
    assert!(calls < 40, "XADD {id} {fields:?}: Redis was asked {calls} times");
}

#[tokio::test]
async fn an_entry_added_by_hand_is_a_gap_because_it_has_no_previous() {
    let gap = ["0", "gap", "1"];
    check_by_hand("*", &["some", "thing"], &gap).await;
    check_by_hand("*", &["topic", "t"], &gap).await;
    check_by_hand("*", &["event", "data: x\n"], &gap).await;
    check_by_hand("*", &["topic", "other", "event", "data: x\n"], &gap).await;
    check_by_hand("*", &["topic", "t", "event", "data: x\n\ndata: y\n"], &gap).await;
    check_by_hand("*", &["topic", "t", "event", "data: x\n", "previous", "?"], &["0", "gap", "x", "1"]).await;
    check_by_hand("*", &["topic", "\u{fffd}", "event", "", "previous", "0-1"], &gap).await;
}

#[tokio::test]
async fn an_entry_that_is_not_a_message_is_skipped() {
    let nothing = ["0", "1"];
    check_by_hand("*", &["previous", "NEWEST"], &nothing).await;
    check_by_hand("*", &["topic", "t", "previous", "NEWEST"], &nothing).await;
    check_by_hand("*", &["event", "data: x\n", "previous", "NEWEST"], &nothing).await;
    check_by_hand("*", &["topic", "t", "event", "id: 7\n", "previous", "NEWEST"], &nothing).await;
    check_by_hand("NEXT", &["topic", "t", "event", "data: x\n", "previous", "NEWEST"], &["0", "x", "1"])
        .await;
}

#[tokio::test]
async fn an_entry_with_a_foreign_id_is_a_gap() {
    let gap = ["0", "gap", "1"];
    check_by_hand("TIME-9999999", &["topic", "t", "event", "data: x\n", "previous", "NEWEST"], &gap).await;
}

#[tokio::test]
async fn a_foreign_id_is_not_read_all_the_time() {
    let redis = Redis::start();
    let topics = topics(&redis).await;
    all_stored(publish(&topics, 0..1)).await;
    let (time, _) =
        log_id(&redis, 0).split_once('-').map(|(time, number)| (time.to_owned(), number.len())).unwrap();
    let _: String = redis.ask(&["XADD", "app", &format!("{time}-9999999"), "some", "thing"]);
    // As long as that entry is the newest, Redis responds only to other commands.
    let before = redis.calls("xread");
    for _ in 0..200 {
        let _: String = redis.ask(&["PING"]);
        tokio::task::yield_now().await;
    }
    // There is a pause before each read. How many there are depends on the time that the 200 commands take.
    let reads = redis.calls("xread") - before;
    assert!(reads < 50, "{reads} reads");
}

#[tokio::test]
async fn a_log_without_messages_can_be_opened() {
    let redis = Redis::start();
    for _ in 0..50 {
        let _: String = redis.ask(&["XADD", "app", "*", "some", "thing"]);
    }
    let topics = topics(&redis).await;
    let mut subscriber = Subscriber::new(&topics, "t").await;
    all_stored(publish(&topics, 0..1)).await;
    assert_eq!(subscriber.next().await, "0");
}

// Things that must make no difference.

#[tokio::test]
async fn two_logs_at_one_server_do_not_mix() {
    let redis = Redis::start();
    let mut logs = Vec::new();
    // Also if the name of one log looks like a key of the other.
    for namespace in ["app", "app2", "app:publisher", "a p\n*"] {
        let topics = topics_on(RedisLog::connect(&redis.url(), namespace).await.unwrap()).await;
        let subscriber = Subscriber::new(&topics, "t").await;
        logs.push((namespace, topics, subscriber));
    }
    for round in 0..20 {
        for (namespace, topics, _) in &logs {
            publish_and_wait(&topics.route("t").unwrap(), &format!("{round} {}", namespace.len())).await;
        }
    }
    for (namespace, _, subscriber) in &mut logs {
        let own: Vec<_> = (0..20).map(|round| format!("{round} {}", namespace.len())).collect();
        assert_eq!(subscriber.read_to(&own[19]).await, own);
    }
}

#[tokio::test]
async fn a_message_of_8_mib_is_stored_and_read() {
    let redis = Redis::start();
    let here = topics(&redis).await;
    let log = RedisLog::connect(&redis.url(), "app").await.unwrap();
    let mut subscriber = Subscriber::new(&here, "t").await;
    let start = subscriber.last_event_id.clone();
    let large = "x".repeat(8 * 1024 * 1024);
    for data in ["0", &large, "1"] {
        publish_and_wait(&here.route("t").unwrap(), data).await;
    }
    assert!(subscriber.read_to("1").await.iter().eq(["0", &large, "1"]), "the subscriber follows");
    // A replica that has nothing else in memory asks the log.
    for recent in [1, 2, 16_384] {
        let there = Topics::builder().recent(recent).build_on(log.clone()).await.unwrap();
        let mut late = Subscriber::resume(&there, "t", &start);
        assert!(
            late.read_to("1").await.iter().eq(["0", &large, "1"]),
            "the client resumes with recent({recent})"
        );
    }
}

#[tokio::test]
async fn scripts_that_redis_forgets_are_sent_again() {
    let redis = Redis::start();
    let topics = topics(&redis).await;
    let mut subscriber = Subscriber::new(&topics, "t").await;
    let mut published = Vec::new();
    for round in 0..20 {
        published.extend(publish(&topics, round * 10..round * 10 + 10));
        let _: () = redis.ask(&["SCRIPT", "FLUSH"]);
        tokio::task::yield_now().await;
    }
    all_stored(published).await;
    assert_eq!(subscriber.read_to("199").await, numbers(0..200));
    assert_eq!(log_stats(&topics).failed, 0);
}

#[tokio::test]
async fn a_position_of_the_log_is_the_id_of_its_entry() {
    let redis = Redis::start();
    let log = RedisLog::connect(&redis.url(), "app").await.unwrap();
    all_stored(publish(&topics_on(log.clone()).await, 0..3)).await;
    let entries = log.after(Position::START, 10).await.unwrap().unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| log.id(entry.position).as_str().to_owned()).collect();
    assert_eq!(ids, [0, 1, 2].map(|number| log_id(&redis, number)));
}
