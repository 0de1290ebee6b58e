//! Replicas as processes, one Redis, and clients that connect to any replica: each client sees the events of the log in
//! order, and each event once.
//!
//! ```text
//! SSE_REDIS_ROUNDS=50 cargo test -p sse-redis --test replicas
//! SSE_REDIS_SEED=42 cargo test -p sse-redis --test replicas
//! ```

#![allow(missing_docs, reason = "tests")]

mod common;

use std::collections::{HashMap, HashSet};
use std::env;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::example::Replica;
use common::subscriber::Subscriber;
use common::{Redis, SOON, until};
use fastrand::Rng;
use sse_client::reqwest::{Client, StatusCode, Url};
use sse_client::{EventId, EventSource, Notice, Reconnect};
use sse_redis::RedisLog;
use sse_server::log::Publisher;
use sse_server::{Message, Topics};
use tokio::time::{sleep, timeout};

/// The name of the example's stream.
const STREAM: &str = "replica";

const TOPICS: [&str; 4] = ["a", "b", "c", "d"];

/// The topics that clients ask for.
const READ: [&str; 6] = ["a", "b", "c,d", "a,c", "b,c,d", "a,b,c,d"];

const CLIENTS: usize = 20;

/// How many messages each publisher publishes.
const MESSAGES: usize = 150;

// Random runs.

/// Returns the seeds of the rounds: `SSE_REDIS_SEED` alone, or `SSE_REDIS_ROUNDS` of them.
fn seeds(rounds: u64) -> Vec<u64> {
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().expect(name));
    match number("SSE_REDIS_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("SSE_REDIS_ROUNDS").unwrap_or(rounds)).map(|_| fastrand::u64(..)).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_miss_nothing_while_they_move_and_replicas_are_killed() {
    for seed in seeds(3) {
        println!("SSE_REDIS_SEED={seed}");
        let mut random = Rng::with_seed(seed);
        let mut round = Round::start(&mut random);
        while !round.has_published() {
            sleep(Duration::from_millis(random.u64(50..300))).await;
            let number = random.usize(..2);
            let replica = &mut round.replicas[number];
            replica.kill();
            sleep(Duration::from_millis(random.u64(0..100))).await;
            replica.start_again();
        }
        round.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_miss_nothing_while_redis_is_killed() {
    for seed in seeds(1) {
        println!("SSE_REDIS_SEED={seed}");
        let mut random = Rng::with_seed(seed);
        let mut round = Round::start(&mut random);
        while !round.has_published() {
            sleep(Duration::from_millis(random.u64(50..300))).await;
            round.redis.kill();
            sleep(Duration::from_millis(random.u64(0..100))).await;
            round.redis.start_again();
        }
        round.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_keep_their_connections_while_redis_is_away() {
    let mut redis = Redis::start();
    let replicas = [Replica::start(&redis), Replica::start(&redis)];
    let mut clients: Vec<_> =
        (0..CLIENTS).map(|n| Connection::new(&replicas[n % 2].url("a,b"), "")).collect();
    for client in &mut clients {
        client.opened().await;
    }
    for round in 0..3 {
        redis.kill();
        let url = replicas[round % 2].url("a");
        let in_flight = tokio::spawn(async move { post(&http_client(), &url, &round.to_string()).await });
        redis.start_again();
        let id =
            timeout(SOON, in_flight).await.unwrap().unwrap().expect("the patience is longer than the outage");
        for client in &mut clients {
            assert_eq!(client.next().await, (id.clone(), round.to_string()));
        }
    }
    for client in &clients {
        assert_eq!(client.told.lock().unwrap().connections, 1);
    }
}

// The log does not have the next entries any more.

#[tokio::test]
async fn a_client_whose_position_was_trimmed_gets_a_gap_and_the_kept_entries() {
    let redis = Redis::start();
    let [remembers, mut restarted] = [Replica::start(&redis), Replica::start(&redis)];
    let ids = post_all(&remembers, &numbers(0..20)).await;
    let _: u64 = redis.ask(&["XTRIM", STREAM, "MAXLEN", "5"]);
    restarted.kill();
    restarted.start_again();
    check_resume(&restarted, &ids[3], [vec!["gap".to_owned()], numbers(15..20)].concat()).await;
    check_resume(&restarted, &ids[13], [vec!["gap".to_owned()], numbers(15..20)].concat()).await;
    // Everything after the last trimmed entry is kept.
    check_resume(&restarted, &ids[14], numbers(15..20)).await;
    check_resume(&restarted, &ids[17], numbers(18..20)).await;
    // The other replica still has the entry in memory.
    check_resume(&remembers, &ids[3], numbers(4..20)).await;
}

#[tokio::test]
async fn a_log_that_was_emptied_is_a_gap_for_all() {
    // Nothing reports the loss. The next entry shows it.
    check_loss(false, |redis| {
        let _: () = redis.ask(&["FLUSHALL"]);
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_is_a_gap_for_all() {
    // The loss is seen when the replica connects again.
    check_loss(true, |redis| {
        redis.kill();
        redis.wipe();
        redis.start_again();
    })
    .await;
}

/// Checks the loss of the log: connected and new clients get one gap, and then new events.
async fn check_loss(is_noticed: bool, lose: impl FnOnce(&mut Redis)) {
    let mut redis = Redis::start();
    let [mut replica, other] = [Replica::start(&redis), Replica::start(&redis)];
    let ids = post_all(&replica, &numbers(0..5)).await;
    let mut connected =
        [&replica, &replica, &other].map(|replica| Connection::new(&replica.url("a"), &ids[0]));
    for client in &mut connected {
        assert_eq!(client.take(4).await, numbers(1..5));
    }
    lose(&mut redis);
    let third = Replica::start(&redis);
    let mut early = Connection::new(&third.url("a"), &ids[2]);
    assert_eq!(early.take(1).await, ["gap"], "before there is a new event");

    if is_noticed {
        for client in &mut connected {
            assert_eq!(client.take(1).await, ["gap"], "before there is a new event");
        }
    }
    post_all(&replica, &numbers(5..7)).await;
    assert_eq!(early.take(2).await, numbers(5..7));
    let seen = [vec!["gap".to_owned()], numbers(5..7)].concat();
    for client in &mut connected {
        let rest = &seen[usize::from(is_noticed)..];
        assert_eq!(client.take(rest.len()).await, rest);
        assert_eq!(client.told.lock().unwrap().connections, 1);
    }
    for replica in [&replica, &other, &third] {
        check_resume(replica, &ids[2], seen.clone()).await;
        check_resume(replica, &ids[4], seen.clone()).await;
    }
    replica.kill();
    replica.start_again();
    check_resume(&replica, &ids[2], seen).await;
}

/// Checks what a client reads that resumes after this id, up to a message that is published then.
async fn check_resume(replica: &Replica, last_event_id: &str, seen: Vec<String>) {
    let mut client = Connection::new(&replica.url("a"), last_event_id);
    assert_eq!(client.take(seen.len()).await, seen, "from {last_event_id}");
}

/// Publishes to the first topic, one message after the other.
async fn post_all(replica: &Replica, messages: &[String]) -> Vec<String> {
    let client = http_client();
    let mut ids = Vec::new();
    for data in messages {
        ids.push(post(&client, &replica.url("a"), data).await.expect("the message is stored"));
    }
    ids
}

fn numbers(range: Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

// Many clients at once.

const HERD: usize = 1000;

/// Subscribes many clients to a replica that has just started. Returns how often Redis was asked for entries.
async fn herd(redis: &Redis, topic: &'static str, came: impl Fn(usize) -> (String, Vec<String>)) -> u64 {
    let log = RedisLog::connect(&redis.url(), STREAM).await.unwrap();
    let topics = Topics::builder().build_on(log).await.unwrap();
    // It waits for new entries when it has read everything for its start.
    until("the replica follows the log", || redis.calls("xread") > 0).await;
    let reads = |redis: &Redis| redis.calls("xrange") + redis.calls("xrevrange");
    let before = reads(redis);
    let mut subscribers = Vec::new();
    for number in 0..HERD {
        let (last_event_id, expected) = came(number);
        let mut subscriber = Subscriber::resume(&topics, topic, &last_event_id);
        subscribers.push(tokio::spawn(async move {
            subscriber.read_to(expected.last().expect("an event is expected")).await;
            // Not by `assert_eq`, which would show thousands of numbers.
            assert!(subscriber.seen == expected, "from {last_event_id}: {} events", subscriber.seen.len());
        }));
    }
    for subscriber in subscribers {
        subscriber.await.unwrap();
    }
    let reads = reads(redis) - before;
    println!("{reads} reads; {:?}", topics.route(topic).unwrap().stats().log);
    reads
}

/// Publishes numbers: one of every `every` to the topic `t`, and the others to another topic. Returns the ids.
async fn fill(redis: &Redis, messages: usize, every: usize) -> Vec<String> {
    let log = RedisLog::connect(&redis.url(), STREAM).await.unwrap();
    let publisher = Publisher::new(log);
    let mut ids = Vec::with_capacity(messages);
    let all: Vec<_> = (0..messages).collect();
    for numbers in all.chunks(5000) {
        let publish = |&number: &usize| {
            let topic = if number % every == 0 { "t" } else { "other" };
            publisher.publish(topic, &Message::new(number.to_string())).unwrap()
        };
        let waiting: Vec<_> = numbers.iter().map(publish).collect();
        for one in waiting {
            ids.push(one.stored().await.unwrap().unwrap().to_string());
        }
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_from_the_last_2000_events_read_nothing() {
    let redis = Redis::start();
    let ids = fill(&redis, 8000, 4).await;
    let reads = herd(&redis, "t", |number| {
        // From the last 2,000 events. A quarter of them belongs to the topic.
        let last = 6000 + number * 7 % 1990;
        (
            ids[last].clone(),
            (last + 1..8000).filter(|number| number % 4 == 0).map(|number| number.to_string()).collect(),
        )
    })
    .await;
    assert_eq!(reads, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_from_before_the_topics_memory_read_nothing() {
    let redis = Redis::start();
    let ids = fill(&redis, 3000, 1).await;
    // A topic remembers its last 1,024 events, but all entries that were read at the start are in memory.
    let index = |number: usize| 1000 + number * 7 % 1990;
    let reads =
        herd(&redis, "t", |number| (ids[index(number)].clone(), numbers(index(number) + 1..3000))).await;
    assert_eq!(reads, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_clients_from_one_old_position_read_once() {
    let redis = Redis::start();
    let ids = fill(&redis, 20_000, 20).await;
    let expected: Vec<_> = (1..1000).map(|number| (number * 20).to_string()).collect();
    let reads = herd(&redis, "t", |_| (ids[0].clone(), expected.clone())).await;
    // Of 20,000 entries, 16,384 are in memory. The others are 15 pages of 256, and each page takes two XRANGE.
    assert!(reads <= 2 * (15 + 3), "{reads} reads");
}

/// Replicas, clients that move from one to the other, and publishers that use both.
struct Round {
    redis: Redis,
    replicas: [Replica; 2],
    clients: Vec<tokio::task::JoinHandle<Story>>,
    publishers: Vec<tokio::task::JoinHandle<Vec<Outcome>>>,
    /// How many clients have a position in the stream.
    begun: Arc<AtomicUsize>,
}

/// Everything that a client has seen: its first id, and the id and the data of each event.
#[derive(Debug)]
struct Story {
    topics: &'static str,
    start: String,
    events: Vec<(String, String)>,
}

/// The outcome of a message: its id, if it was acknowledged.
struct Outcome {
    topic: &'static str,
    data: String,
    id: Option<String>,
}

impl Round {
    fn start(random: &mut Rng) -> Self {
        let redis = Redis::start();
        let replicas = [Replica::start(&redis), Replica::start(&redis)];
        let urls = [replicas[0].url(""), replicas[1].url("")];
        let begun = Arc::new(AtomicUsize::new(0));
        let publishers = (0..TOPICS.len())
            .map(|number| tokio::spawn(publisher(number, urls.clone(), random.fork())))
            .collect();
        let clients = (0..CLIENTS)
            .map(|number| {
                let topics = READ[number % READ.len()];
                tokio::spawn(client(topics, urls.clone(), random.fork(), begun.clone()))
            })
            .collect();
        Self { redis, replicas, clients, publishers, begun }
    }

    fn has_published(&self) -> bool {
        self.publishers.iter().all(tokio::task::JoinHandle::is_finished)
    }

    /// Waits until everything is quiet, and compares what the clients have seen with the log.
    async fn finish(self) {
        let mut outcomes = Vec::new();
        for publisher in self.publishers {
            outcomes.extend(timeout(SOON, publisher).await.unwrap().unwrap());
        }
        until("every client has begun", || self.begun.load(Ordering::Relaxed) == CLIENTS).await;
        let client = http_client();
        for topic in TOPICS {
            post(&client, &self.replicas[0].url(topic), "end").await.expect("the message is stored");
        }
        let mut stories = Vec::new();
        for client in self.clients {
            stories.push(timeout(2 * SOON, client).await.expect("every client comes to the end").unwrap());
        }
        let log = entries(&self.redis);
        check_publishers(&log, &outcomes);
        for story in &stories {
            check_story(&log, story);
        }
    }
}

/// Returns the id, the topic and the data of each event in the log. The stream may have more entries: a Redis that is
/// killed while it writes may bring a part of a batch back.
fn entries(redis: &Redis) -> Vec<(String, String, String)> {
    let entry = |(id, mut fields): (String, HashMap<String, String>)| {
        let event = fields.remove("event").expect("an event");
        let data = event.strip_prefix("data: ").and_then(|data| data.strip_suffix('\n')).expect("one line");
        (id, fields.remove("topic").expect("a topic"), data.to_owned())
    };
    redis.linked_entries(STREAM).into_iter().map(entry).collect()
}

/// Checks the log: each acknowledged message is there at its id, each other message at most once, and all in order.
fn check_publishers(log: &[(String, String, String)], outcomes: &[Outcome]) {
    let mut entries: HashMap<&str, (usize, &str, &str)> = HashMap::new();
    for (index, (id, topic, data)) in log.iter().enumerate().filter(|(_, (_, _, data))| data != "end") {
        let doubled = entries.insert(data, (index, topic, id));
        assert_eq!(doubled, None, "{data:?} is in the log twice, again at {id}");
    }
    let known: HashSet<&str> = outcomes.iter().map(|outcome| &*outcome.data).collect();
    let foreign = entries.keys().find(|data| !known.contains(*data));
    assert_eq!(foreign, None, "no publisher of this test has published it");
    let mut last: HashMap<&str, usize> = HashMap::new();
    for Outcome { topic, data, id } in outcomes {
        let Some(id) = id else { continue };
        let &(index, in_topic, at) =
            entries.get(&**data).unwrap_or_else(|| panic!("{data:?} is not in the log"));
        assert_eq!((in_topic, at), (*topic, &**id), "{data:?}");
        // Each publisher waits for the response before it goes on.
        let publisher = data.split(' ').next().unwrap();
        let before = last.insert(publisher, index);
        assert!(before.is_none_or(|before| before < index), "{data:?} is before an earlier message");
    }
    let acknowledged = outcomes.iter().filter(|outcome| outcome.id.is_some()).count();
    assert!(acknowledged * 2 > outcomes.len(), "{acknowledged} of {} were acknowledged", outcomes.len());
}

/// Checks that a client has seen the entries of its topics in the log, from its first id on.
#[track_caller]
fn check_story(log: &[(String, String, String)], story: &Story) {
    let Story { topics, start, events } = story;
    assert_ne!(start, "", "a stream begins with an id");
    let wanted: HashSet<_> = topics.split(',').collect();
    let expected = log
        .iter()
        .filter(|(id, topic, _)| order(id) > order(start) && wanted.contains(&**topic))
        .map(|(id, _, data)| (id, data));
    let mut seen = events.iter().map(|(id, data)| (id, data));
    for (number, expected) in expected.enumerate() {
        let seen = seen.next();
        assert_eq!(seen, Some(expected), "event {number} of a client of {topics:?} that began at {start}");
    }
    assert_eq!(seen.next(), None, "the client has seen more than the log has");
}

/// Returns an id as numbers, which give its order.
fn order(id: &str) -> (u64, u64) {
    let (time, number) = id.split_once('-').expect("the id is one of Redis");
    (time.parse().expect("a time"), number.parse().expect("a number"))
}

/// Publishes through either replica. A message whose outcome is not known is not published again.
async fn publisher(number: usize, urls: [String; 2], mut random: Rng) -> Vec<Outcome> {
    let client = http_client();
    let mut outcomes = Vec::new();
    let round = random.u32(..);
    for message in 0..MESSAGES {
        // Most messages go to a topic of this publisher, and the others to a topic that all share.
        let topic = if random.u8(..4) == 0 { TOPICS[0] } else { TOPICS[number] };
        let url = format!("{}{topic}", random.choice(&urls).expect("there are two"));
        // The data is different in each round.
        let data = format!("{number} {message} {round}");
        let id = post(&client, &url, &data).await;
        if id.is_none() {
            // A stopped replica refuses at once. Without a pause, it would refuse all messages of this publisher.
            sleep(Duration::from_millis(random.u64(10..50))).await;
        }
        outcomes.push(Outcome { topic, data, id });
        sleep(Duration::from_millis(random.u64(0..10))).await;
    }
    outcomes
}

/// Returns a client as the crate makes it. In a workspace with TLS, reqwest's default client has no provider of
/// cryptography.
fn http_client() -> Client {
    sse_client::client_builder().build().unwrap()
}

async fn post(client: &Client, url: &str, data: &str) -> Option<String> {
    let response =
        timeout(SOON, client.post(url).body(data.to_owned()).send()).await.expect("a response comes").ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let id = response.text().await.ok()?;
    assert!(!id.is_empty());
    Some(id)
}

/// Follows its topics, at one replica and then at the other, up to the last event of each topic.
async fn client(topics: &'static str, urls: [String; 2], mut random: Rng, begun: Arc<AtomicUsize>) -> Story {
    let http = http_client();
    let (mut start, mut last, mut events) = (String::new(), String::new(), Vec::new());
    let mut left: HashSet<_> = topics.split(',').collect();
    while !left.is_empty() {
        let url = format!("{}{topics}", random.choice(&urls).expect("there are two"));
        let mut connection = Connection::with(&http, &url, &last);
        let stay = Duration::from_millis(random.u64(5..400));
        let _ = timeout(stay, async {
            while !left.is_empty() {
                let (id, data) = connection.next().await;
                if data == "end" {
                    // The event does not tell its topic.
                    left.remove(*left.iter().next().expect("one is left"));
                }
                events.push((id, data));
            }
        })
        .await;
        connection.last_event_id().clone_into(&mut last);
        if start.is_empty() {
            start = connection.told.lock().unwrap().start.clone();
            begun.fetch_add(usize::from(!start.is_empty()), Ordering::Relaxed);
        }
    }
    Story { topics, start, events }
}

/// An event source at one replica.
struct Connection {
    source: EventSource,
    told: Arc<Mutex<Told>>,
}

/// What an event source has reported.
#[derive(Default)]
struct Told {
    connections: u32,
    /// The first id.
    start: String,
}

impl Connection {
    fn new(url: &str, last_event_id: &str) -> Self {
        Self::with(&http_client(), url, last_event_id)
    }

    fn with(client: &Client, url: &str, last_event_id: &str) -> Self {
        let url: Url = url.parse().expect("a URL");
        let told = Arc::new(Mutex::new(Told::default()));
        let hears = told.clone();
        let (soon, at_once) = (Duration::from_millis(50), Duration::from_millis(5));
        let mut builder = EventSource::builder(client.clone(), client.get(url).build().expect("a request"))
            .reconnect(Reconnect::new().backoff(at_once..=soon).reconnection_times(at_once..=soon))
            .on_notice(move |notice| {
                let mut told = hears.lock().unwrap();
                match notice {
                    Notice::Opened { .. } => told.connections += 1,
                    Notice::LastEventId(id) if told.start.is_empty() => id.clone_into(&mut told.start),
                    _ => {}
                }
            });
        if !last_event_id.is_empty() {
            builder = builder.last_event_id(EventId::try_from(last_event_id.to_owned()).expect("an id"));
        }
        Self { source: builder.build().expect("a source"), told }
    }

    /// Returns the id and the data of the next event; `gap` for a gap event.
    async fn next(&mut self) -> (String, String) {
        let event = timeout(SOON, self.source.next()).await.expect("an event comes soon");
        let event = event.expect("the stream goes on").expect("the stream has no error");
        let data = if event.event_type() == "gap" { "gap" } else { event.data() };
        (event.last_event_id().to_owned(), data.to_owned())
    }

    /// Returns the data of the next events.
    async fn take(&mut self, events: usize) -> Vec<String> {
        let mut taken = Vec::with_capacity(events);
        for _ in 0..events {
            taken.push(self.next().await.1);
        }
        taken
    }

    /// Waits until it has its position in the stream.
    async fn opened(&mut self) {
        while self.last_event_id().is_empty() {
            let early = timeout(Duration::from_millis(5), self.source.next()).await;
            assert!(early.is_err(), "nothing is published yet");
        }
    }

    fn last_event_id(&self) -> &str {
        self.source.last_event_id()
    }
}
