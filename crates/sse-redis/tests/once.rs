//! Faults of requests and responses: a message is in the stream once, at the id with which it was acknowledged. Faults
//! in the file are in `torn.rs`.

#![allow(missing_docs, reason = "tests")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::proxy::{Direction, Fault, Kind, Proxy};
use common::{Redis, SOON, until};
use sse_redis::RedisLog;
use sse_server::log::{Batch, Log as _, Position, Publisher, Record};
use sse_server::{Message, Published};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Returns a publisher that waits for responses for a short time, and tries again for a long time.
async fn publisher(url: &str, stream: &str) -> Publisher {
    let log = RedisLog::builder(stream).timeout(Duration::from_millis(150)).connect_within(SOON);
    Publisher::builder().patience(2 * SOON).build(log.connect(url).await.unwrap())
}

fn publish(publisher: &Publisher, data: &str) -> Published {
    publisher.publish("t", &Message::new(data)).unwrap()
}

/// Returns the id with which a message is acknowledged.
async fn id(published: Published) -> String {
    timeout(2 * SOON, published.stored())
        .await
        .expect("the message is stored soon")
        .unwrap()
        .unwrap()
        .to_string()
}

/// Checks that the stream has the numbers from 0 on, with these ids, and nothing else.
#[track_caller]
fn check_stream(redis: &Redis, stream: &str, ids: &[String], what: &str) {
    let entries = redis.entries(stream).into_iter();
    let stored: Vec<_> = entries.map(|(id, mut fields)| (id, fields.remove("event").unwrap())).collect();
    let expected: Vec<_> =
        ids.iter().enumerate().map(|(number, id)| (id.clone(), format!("data: {number}\n"))).collect();
    assert_eq!(stored, expected, "{what}");
}

// Faults between the log and Redis.

/// The lengths of the request and the response that append two messages.
struct Exchange {
    request: usize,
    answer: usize,
}

/// Publishes five messages, of which the second and the third are one batch. The proxy has this fault while that batch
/// is appended.
async fn exchange(redis: &Redis, stream: &str, fault: Option<Fault>, whole: usize) -> Exchange {
    let proxy = Proxy::start(redis).await;
    let publisher = publisher(&proxy.url(), stream).await;
    let mut ids = vec![id(publish(&publisher, "0")).await];
    proxy.arm(fault, whole);
    // No other task runs in between, so they are one batch.
    let pair = [publish(&publisher, "1"), publish(&publisher, "2")];
    for one in pair {
        ids.push(id(one).await);
    }
    assert!(proxy.is_done(), "{fault:?} was not reached");
    let (request, answer) = proxy.passed();
    ids.push(id(publish(&publisher, "3")).await);
    // The held bytes arrive after the next message was appended.
    proxy.release();
    proxy.settle(1).await;
    ids.push(id(publish(&publisher, "4")).await);
    check_stream(redis, stream, &ids, &format!("{fault:?}"));
    Exchange { request, answer }
}

/// Checks a fault at every byte of the request and of the response.
async fn check_every_byte(kind: Kind) {
    let redis = Arc::new(Redis::start());
    // All names have the same length, so all requests have.
    let whole = exchange(&redis, "whole 0000", None, 0).await;
    let requests = (0..=whole.request).map(|at| (Direction::Request, at));
    let answers = (0..=whole.answer).map(|at| (Direction::Answer, at));
    let mut cases = requests.chain(answers).enumerate();
    let mut running = JoinSet::new();
    loop {
        // The cases run at once, because each waits most of its time.
        while running.len() < 24
            && let Some((number, (direction, at))) = cases.next()
        {
            let redis = redis.clone();
            let fault = Fault { kind, direction, at };
            running.spawn(async move {
                exchange(&redis, &format!("cases {number:04}"), Some(fault), whole.request).await;
            });
        }
        match running.join_next().await {
            Some(case) => case.unwrap(),
            None => break,
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_cut_at_any_byte_doubles_no_message() {
    check_every_byte(Kind::Cut).await;
}

#[tokio::test]
async fn a_request_or_response_that_is_late_from_any_byte_on_doubles_no_message() {
    check_every_byte(Kind::Hold).await;
}

#[tokio::test]
async fn a_request_that_is_repeated_at_any_byte_doubles_no_message() {
    check_every_byte(Kind::Repeat).await;
}

#[tokio::test]
async fn a_connection_that_is_cut_while_the_script_is_sent_doubles_no_message() {
    let redis = Redis::start();
    let proxy = Proxy::start(&redis).await;
    let publisher = publisher(&proxy.url(), "app").await;
    let mut ids = vec![id(publish(&publisher, "0")).await];
    let mut at = 0;
    loop {
        let _: () = redis.ask(&["SCRIPT", "FLUSH"]);
        // Redis is asked for the script, gets it, and is asked again.
        proxy.arm(Fault { kind: Kind::Cut, direction: Direction::Request, at }, 0);
        ids.push(id(publish(&publisher, &ids.len().to_string())).await);
        if !proxy.is_done() {
            break;
        }
        at += 61;
    }
    assert!(at > include_str!("../src/append.lua").len(), "the script is sent");
    check_stream(&redis, "app", &ids, "the script is sent");
}

// Faults of Redis.

#[tokio::test]
async fn a_redis_that_is_killed_before_its_response_doubles_no_message() {
    let mut redis = Redis::start();
    let proxy = Proxy::start(&redis).await;
    let publisher = publisher(&proxy.url(), "app").await;
    let mut ids = vec![id(publish(&publisher, "0")).await];
    for _ in 0..5 {
        proxy.arm(Fault { kind: Kind::Hold, direction: Direction::Answer, at: 0 }, 0);
        let pair = [0, 1].map(|more| publish(&publisher, &(ids.len() + more).to_string()));
        until("Redis has responded", || proxy.is_done()).await;
        redis.kill();
        redis.start_again();
        proxy.release();
        for one in pair {
            ids.push(id(one).await);
        }
        check_stream(&redis, "app", &ids, "Redis was killed");
    }
}

// Several requests at the same time.

fn batch(publisher: u64, number: u64, data: &[&str]) -> Batch {
    let record = |data: &&str| Record::new("t", &Message::new(*data)).unwrap();
    Batch::new(publisher, number, data.iter().map(record).collect())
}

fn ids(log: &RedisLog, positions: &[Position]) -> Vec<String> {
    positions.iter().map(|&position| log.id(position).to_string()).collect()
}

#[tokio::test]
async fn a_batch_that_is_sent_on_several_connections_is_appended_once() {
    let redis = Redis::start();
    for round in 0..5 {
        let stream = round.to_string();
        let mut logs = Vec::new();
        for _ in 0..4 {
            logs.push(RedisLog::connect(&redis.url(), &stream).await.unwrap());
        }
        // Redis reads all of them when it goes on.
        redis.signal("-STOP");
        let mut appends = JoinSet::new();
        for log in logs.clone() {
            appends.spawn(async move { log.append(&batch(7, 1, &["0", "1", "2"])).await.unwrap() });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        redis.signal("-CONT");
        let positions = appends.join_all().await;
        assert!(positions.iter().all(|one| *one == positions[0]), "{positions:?}");
        check_stream(&redis, &stream, &ids(&logs[0], &positions[0]), "several connections");
    }
}

// Redis refuses a command.

#[tokio::test]
async fn a_batch_that_is_refused_half_way_is_not_in_the_stream() {
    let redis = Redis::start();
    for command in ["set", "xadd", "xtrim"] {
        let user = |rule: &str| {
            let rules = ["ACL", "SETUSER", "app", "reset", "on", ">secret", "~*", "+@all", rule];
            let _: () = redis.ask(&rules);
        };
        user("+@all");
        let url = redis.url().replace("//", "//app:secret@");
        let log = RedisLog::connect(&url, command).await.unwrap();
        let mut stored = ids(&log, &log.append(&batch(7, 1, &["0", "1"])).await.unwrap());
        user(&format!("-{command}"));
        for _ in 0..3 {
            let error = log.append(&batch(7, 2, &["2", "3"])).await.unwrap_err();
            assert!(error.is_refused(), "without {command}: {error}");
            let error = log.append(&batch(8, 1, &["of another publisher"])).await.unwrap_err();
            assert!(error.is_refused(), "without {command}: {error}");
            check_stream(&redis, command, &stored, command);
        }
        user("+@all");
        // The last batch is still known.
        assert_eq!(ids(&log, &log.append(&batch(7, 1, &["0", "1"])).await.unwrap()), stored);
        stored.extend(ids(&log, &log.append(&batch(7, 2, &["2", "3"])).await.unwrap()));
        check_stream(&redis, command, &stored, command);
    }
}
