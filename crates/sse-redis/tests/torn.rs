//! Redis is killed while it writes its file: wherever the file ends, each message is in the log once.
//!
//! A part of the last batch comes back only when Redis loads the file a second time, after something was appended (see
//! `chain.rs`). So each test cuts the file, starts Redis, appends, kills Redis and starts it again.
//!
//! ```text
//! SSE_REDIS_EVERY_BYTE=1 cargo test -p sse-redis --test torn
//! ```

#![allow(missing_docs, reason = "tests")]

mod common;

use std::env;
use std::fs;

use common::Redis;
use common::subscriber::Subscriber;
use sse_redis::RedisLog;
use sse_server::log::{Batch, Entry, Log as _, Position, Record};
use sse_server::{Message, Topics};

const STREAM: &str = "app";

/// The publishers. Each appends one batch after the other.
const FIRST: u64 = 1;
const OTHER: u64 = 2;

/// How many bytes are between two cuts.
fn step() -> usize {
    if env::var_os("SSE_REDIS_EVERY_BYTE").is_some() { 1 } else { 7 }
}

async fn open(redis: &Redis) -> RedisLog {
    RedisLog::connect(&redis.url(), STREAM).await.unwrap()
}

fn batch(publisher: u64, number: u64, data: &[&str]) -> Batch {
    let record = |data: &&str| Record::new("t", &Message::new(*data)).unwrap();
    Batch::new(publisher, number, data.iter().map(record).collect())
}

/// The batch that is torn.
fn last() -> Batch {
    batch(FIRST, 2, &["1", "2", "3"])
}

/// A file in which the last batch can be cut.
struct Torn {
    redis: Redis,
    /// The bytes of the file, and how many of them come before the last batch.
    file: Vec<u8>,
    ahead: usize,
    /// The acknowledged position of the message before that batch.
    zero: Position,
}

impl Torn {
    async fn new() -> Self {
        let mut redis = Redis::start();
        let log = open(&redis).await;
        let zero = log.append(&batch(FIRST, 1, &["0"])).await.unwrap()[0];
        let ahead = fs::read(redis.file()).unwrap().len();
        log.append(&last()).await.unwrap();
        redis.kill();
        let file = fs::read(redis.file()).unwrap();
        Self { redis, file, ahead, zero }
    }

    /// Returns the lengths to cut the file to: from the beginning of the last batch to its end.
    fn cuts(&self) -> impl Iterator<Item = usize> + use<> {
        let end = self.file.len();
        // The last command ends the transaction, so the last two cuts are within it and after it.
        (self.ahead..end - 1).step_by(step()).chain([end - 1, end])
    }

    /// Lets Redis load the file, cut to this length.
    fn load(&mut self, cut: usize) {
        self.redis.kill();
        fs::write(self.redis.file(), &self.file[..cut]).unwrap();
        self.redis.start_again();
    }

    /// Kills Redis, which then loads the file as it is.
    fn load_again(&mut self) {
        self.redis.kill();
        self.redis.start_again();
    }

    /// Returns how many entries of the stream do not count.
    fn returned(&self) -> usize {
        self.redis.entries(STREAM).len() - self.redis.linked_entries(STREAM).len()
    }
}

/// Checks that the log has these messages at these positions, in pages of any size.
async fn check_log(torn: &Torn, expected: &[(Position, &str)], what: &str) {
    let log = open(&torn.redis).await;
    for limit in [1, 2, 3, 100] {
        let (mut read, mut position) = (Vec::new(), Position::START);
        loop {
            let page = log.after(position, limit).await.unwrap().expect("the log knows the position");
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            position = last.position;
            read.extend(page);
        }
        check_entries(&read, expected, &format!("after, {limit} at once, {what}"));
        let (other, mut followed) = (open(&torn.redis).await, Vec::new());
        while followed.len() < expected.len() {
            let position = followed.last().map_or(Position::START, |last: &Entry| last.position);
            followed.extend(other.follow(position, limit).await.unwrap().expect("the position is there"));
        }
        check_entries(&followed, expected, &format!("follow, {limit} at once, {what}"));
        let (mut pages, mut position) = (Vec::new(), None);
        loop {
            let page = log.before(position, limit).await.unwrap();
            assert!(page.len() <= limit);
            let Some(first) = page.first() else { break };
            position = Some(first.position);
            pages.push(page);
        }
        pages.reverse();
        check_entries(&pages.concat(), expected, &format!("before, {limit} at once, {what}"));
    }
}

#[track_caller]
fn check_entries(read: &[Entry], expected: &[(Position, &str)], what: &str) {
    let text = |entry: &Entry| {
        let fields = entry.record.as_ref().unwrap().fields();
        String::from_utf8(fields.to_vec()).unwrap()
    };
    let read: Vec<_> = read.iter().map(|entry| (entry.position, text(entry))).collect();
    let expected: Vec<_> =
        expected.iter().map(|(position, data)| (*position, format!("data: {data}\n"))).collect();
    assert_eq!(read, expected, "{what}");
}

/// Returns data at positions.
fn at<'a>(positions: &[Position], data: &[&'a str]) -> Vec<(Position, &'a str)> {
    assert_eq!(positions.len(), data.len());
    positions.iter().copied().zip(data.iter().copied()).collect()
}

#[tokio::test]
async fn a_batch_that_is_cut_at_any_byte_and_repeated_is_in_the_log_once() {
    let mut torn = Torn::new().await;
    let mut returned = 0;
    for cut in torn.cuts() {
        torn.load(cut);
        let positions = open(&torn.redis).await.append(&last()).await.unwrap();
        torn.load_again();
        returned += usize::from(torn.returned() > 0);
        let log = open(&torn.redis).await;
        assert_eq!(log.append(&last()).await.unwrap(), positions, "cut at {cut}");
        let expected = [at(&[torn.zero], &["0"]), at(&positions, &["1", "2", "3"])].concat();
        check_log(&torn, &expected, &format!("cut at {cut}")).await;
    }
    println!("{returned} cuts brought a part of the batch back");
}

#[tokio::test]
async fn a_batch_that_is_cut_at_any_byte_and_repeated_after_another_is_in_the_log_once() {
    let mut torn = Torn::new().await;
    let mut returned = 0;
    for cut in torn.cuts() {
        torn.load(cut);
        let other = open(&torn.redis).await.append(&batch(OTHER, 1, &["4"])).await.unwrap();
        torn.load_again();
        returned += usize::from(torn.returned() > 0);
        // The first publisher repeats its batch only now.
        let positions = open(&torn.redis).await.append(&last()).await.unwrap();
        let (other, positions) = (at(&other, &["4"]), at(&positions, &["1", "2", "3"]));
        // Redis had all of the batch, or nothing.
        let is_whole = cut == torn.file.len();
        let appended = if is_whole { [positions, other] } else { [other, positions] };
        let expected = [at(&[torn.zero], &["0"]), appended.concat()].concat();
        check_log(&torn, &expected, &format!("cut at {cut}")).await;
    }
    println!("{returned} cuts brought a part of the batch back");
}

#[tokio::test]
async fn a_subscriber_sees_a_returned_message_once() {
    let mut torn = Torn::new().await;
    // The cut is in the middle of the third message, so two messages come back.
    torn.load(torn.ahead + (torn.file.len() - torn.ahead) * 3 / 5);
    let log = open(&torn.redis).await;
    let resumes = log.id(torn.zero).to_string();
    log.append(&last()).await.unwrap();
    torn.load_again();
    let log = open(&torn.redis).await;
    log.append(&batch(OTHER, 1, &["4"])).await.unwrap();
    // Messages that are not in memory are read from the log.
    for recent in [1, 2, 3, 4, 1000] {
        let topics = Topics::builder().recent(recent).build_on(log.clone()).await.unwrap();
        let mut subscriber = Subscriber::resume(&topics, "t", &resumes);
        assert_eq!(subscriber.read_to("4").await, ["1", "2", "3", "4"], "recent({recent})");
    }
}
