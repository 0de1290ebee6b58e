//! Replicas as processes, one Redis, and clients that come to whichever they like: each sees the events in the
//! order of the log, each once, with none missing.
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

/// The stream of the example.
const STREAM: &str = "replica";

const TOPICS: [&str; 4] = ["a", "b", "c", "d"];

/// What clients ask for.
const READ: [&str; 6] = ["a", "b", "c,d", "a,c", "b,c,d", "a,b,c,d"];

const CLIENTS: usize = 20;

/// How many messages each publisher publishes.
const MESSAGES: usize = 150;

// Chance.

/// The seeds of the rounds: `SSE_REDIS_SEED` alone, or `SSE_REDIS_ROUNDS` of them.
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
        let id = timeout(SOON, in_flight).await.unwrap().unwrap().expect("its patience is longer than that");
        for client in &mut clients {
            assert_eq!(client.next().await, (id.clone(), round.to_string()));
        }
    }
    for client in &clients {
        assert_eq!(client.told.lock().unwrap().connections, 1);
    }
}

// What the log does not hold any more.

#[tokio::test]
async fn a_client_whose_place_was_let_go_of_gets_a_gap_and_what_is_kept() {
    let redis = Redis::start();
    let [remembers, mut restarted] = [Replica::start(&redis), Replica::start(&redis)];
    let ids = post_all(&remembers, &numbers(0..20)).await;
    let _: u64 = redis.ask(&["XTRIM", STREAM, "MAXLEN", "5"]);
    restarted.kill();
    restarted.start_again();
    check_resume(&restarted, &ids[3], [vec!["gap".to_owned()], numbers(15..20)].concat()).await;
    check_resume(&restarted, &ids[13], [vec!["gap".to_owned()], numbers(15..20)].concat()).await;
    // What follows the last one that is gone is all there.
    check_resume(&restarted, &ids[14], numbers(15..20)).await;
    check_resume(&restarted, &ids[17], numbers(18..20)).await;
    // The other one has it in memory, still.
    check_resume(&remembers, &ids[3], numbers(4..20)).await;
}

#[tokio::test]
async fn a_log_that_was_emptied_is_a_gap_for_all() {
    // Nobody is told of it: it is noticed by the next entry.
    check_loss(false, |redis| {
        let _: () = redis.ask(&["FLUSHALL"]);
    })
    .await;
}

#[tokio::test]
async fn a_redis_that_comes_back_with_nothing_is_a_gap_for_all() {
    // It is noticed by those who connect anew.
    check_loss(true, |redis| {
        redis.kill();
        redis.wipe();
        redis.start_again();
    })
    .await;
}

/// After the loss of the log, those who are connected and those who come get one gap, and then what is new.
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
    assert_eq!(early.take(1).await, ["gap"], "before there is anything new");

    if is_noticed {
        for client in &mut connected {
            assert_eq!(client.take(1).await, ["gap"], "before there is anything new");
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

/// What a client sees that comes with this id, up to what is published then.
async fn check_resume(replica: &Replica, last_event_id: &str, seen: Vec<String>) {
    let mut client = Connection::new(&replica.url("a"), last_event_id);
    assert_eq!(client.take(seen.len()).await, seen, "from {last_event_id}");
}

/// Publishes to the first topic, one after the other.
async fn post_all(replica: &Replica, messages: &[String]) -> Vec<String> {
    let client = http_client();
    let mut ids = Vec::new();
    for data in messages {
        ids.push(post(&client, &replica.url("a"), data).await.expect("all is well"));
    }
    ids
}

fn numbers(range: Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

// Many at once.

const HERD: usize = 1000;

/// A herd that comes to a replica that has just started. Returns how often Redis was asked for entries.
async fn herd(redis: &Redis, topic: &'static str, came: impl Fn(usize) -> (String, Vec<String>)) -> u64 {
    let log = RedisLog::connect(&redis.url(), STREAM).await.unwrap();
    let topics = Topics::builder().build_on(log).await.unwrap();
    // It begins to wait for what is new when it has read all that it wants of its own.
    until("it follows", || redis.calls("xread") > 0).await;
    let reads = |redis: &Redis| redis.calls("xrange") + redis.calls("xrevrange");
    let before = reads(redis);
    let mut subscribers = Vec::new();
    for number in 0..HERD {
        let (last_event_id, expected) = came(number);
        let mut subscriber = Subscriber::resume(&topics, topic, &last_event_id);
        subscribers.push(tokio::spawn(async move {
            subscriber.read_to(expected.last().expect("something is to come")).await;
            // Without the thousands of numbers.
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

/// Publishes numbers, of which every so many is one of `t`, the others are of another topic. Returns the ids.
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
async fn a_herd_from_the_last_2000_events_reads_nothing() {
    let redis = Redis::start();
    let ids = fill(&redis, 8000, 4).await;
    let reads = herd(&redis, "t", |number| {
        // From the last 2,000, of which a quarter is of the topic.
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
async fn a_herd_from_further_back_than_the_topic_remembers_reads_nothing() {
    let redis = Redis::start();
    let ids = fill(&redis, 3000, 1).await;
    // A topic remembers its last 1,024 events, but all that was read at the start is at hand.
    let place = |number: usize| 1000 + number * 7 % 1990;
    let reads =
        herd(&redis, "t", |number| (ids[place(number)].clone(), numbers(place(number) + 1..3000))).await;
    assert_eq!(reads, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_from_the_same_place_far_back_reads_once() {
    let redis = Redis::start();
    let ids = fill(&redis, 20_000, 20).await;
    let expected: Vec<_> = (1..1000).map(|number| (number * 20).to_string()).collect();
    let reads = herd(&redis, "t", |_| (ids[0].clone(), expected.clone())).await;
    // Of 20,000, 16,384 are in memory: the others are 15 pages of 256, and each is two XRANGE.
    assert!(reads <= 2 * (15 + 3), "{reads} reads");
}

/// Replicas, clients that move from one to the other, and publishers that use both.
struct Round {
    redis: Redis,
    replicas: [Replica; 2],
    clients: Vec<tokio::task::JoinHandle<Story>>,
    publishers: Vec<tokio::task::JoinHandle<Vec<Outcome>>>,
    /// How many clients have a place in the stream.
    begun: Arc<AtomicUsize>,
}

/// What a client has seen: where it began, and the id and the data of each event.
#[derive(Debug)]
struct Story {
    topics: &'static str,
    start: String,
    events: Vec<(String, String)>,
}

/// What became of a message: its id, if it was acknowledged.
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

    /// Lets all come to rest, and compares what they have seen with the log.
    async fn finish(self) {
        let mut outcomes = Vec::new();
        for publisher in self.publishers {
            outcomes.extend(timeout(SOON, publisher).await.unwrap().unwrap());
        }
        until("every client has begun", || self.begun.load(Ordering::Relaxed) == CLIENTS).await;
        let client = http_client();
        for topic in TOPICS {
            post(&client, &self.replicas[0].url(topic), "end").await.expect("all is well again");
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

/// The events of the log: id, topic, data. The stream may hold more: a Redis that is killed while it writes may bring a part
/// of a batch back.
fn entries(redis: &Redis) -> Vec<(String, String, String)> {
    let entry = |(id, mut fields): (String, HashMap<String, String>)| {
        let event = fields.remove("event").expect("an event");
        let data = event.strip_prefix("data: ").and_then(|data| data.strip_suffix('\n')).expect("one line");
        (id, fields.remove("topic").expect("a topic"), data.to_owned())
    };
    redis.linked_entries(STREAM).into_iter().map(entry).collect()
}

/// What was acknowledged is in the log at its id, what was not is there once at most, and all in order.
fn check_publishers(log: &[(String, String, String)], outcomes: &[Outcome]) {
    let mut places: HashMap<&str, (usize, &str, &str)> = HashMap::new();
    for (place, (id, topic, data)) in log.iter().enumerate().filter(|(_, (_, _, data))| data != "end") {
        let doubled = places.insert(data, (place, topic, id));
        assert_eq!(doubled, None, "{data:?} is in the log twice, again at {id}");
    }
    let known: HashSet<&str> = outcomes.iter().map(|outcome| &*outcome.data).collect();
    let foreign = places.keys().find(|data| !known.contains(*data));
    assert_eq!(foreign, None, "nobody here has published it");
    let mut last: HashMap<&str, usize> = HashMap::new();
    for Outcome { topic, data, id } in outcomes {
        let Some(id) = id else { continue };
        let &(place, in_topic, at) =
            places.get(&**data).unwrap_or_else(|| panic!("{data:?} is not in the log"));
        assert_eq!((in_topic, at), (*topic, &**id), "{data:?}");
        // Each publisher waits for the answer before it goes on.
        let publisher = data.split(' ').next().unwrap();
        let before = last.insert(publisher, place);
        assert!(before.is_none_or(|before| before < place), "{data:?} is ahead of the one before it");
    }
    let acknowledged = outcomes.iter().filter(|outcome| outcome.id.is_some()).count();
    assert!(acknowledged * 2 > outcomes.len(), "{acknowledged} of {} were acknowledged", outcomes.len());
}

/// A client has seen what the log holds of its topics, from where it began.
#[track_caller]
fn check_story(log: &[(String, String, String)], story: &Story) {
    let Story { topics, start, events } = story;
    assert_ne!(start, "", "a stream begins with an id");
    let wanted: HashSet<_> = topics.split(',').collect();
    let expected = log
        .iter()
        .filter(|(id, topic, _)| place(id) > place(start) && wanted.contains(&**topic))
        .map(|(id, _, data)| (id, data));
    let mut seen = events.iter().map(|(id, data)| (id, data));
    for (number, expected) in expected.enumerate() {
        let seen = seen.next();
        assert_eq!(seen, Some(expected), "event {number} of a client of {topics:?} that began at {start}");
    }
    assert_eq!(seen.next(), None, "more than there is in the log");
}

/// An id as what it is ordered by.
fn place(id: &str) -> (u64, u64) {
    let (time, number) = id.split_once('-').expect("an id of Redis");
    (time.parse().expect("a time"), number.parse().expect("a number"))
}

/// Publishes through either replica. A message whose fate is not known is not published again.
async fn publisher(number: usize, urls: [String; 2], mut random: Rng) -> Vec<Outcome> {
    let client = http_client();
    let mut outcomes = Vec::new();
    let round = random.u32(..);
    for message in 0..MESSAGES {
        // Most go to a topic of its own, the others to one that all share.
        let topic = if random.u8(..4) == 0 { TOPICS[0] } else { TOPICS[number] };
        let url = format!("{}{topic}", random.choice(&urls).expect("there are two"));
        // Of no other round.
        let data = format!("{number} {message} {round}");
        let id = post(&client, &url, &data).await;
        if id.is_none() {
            // A replica that is gone refuses at once, and all that there is to publish.
            sleep(Duration::from_millis(random.u64(10..50))).await;
        }
        outcomes.push(Outcome { topic, data, id });
        sleep(Duration::from_millis(random.u64(0..10))).await;
    }
    outcomes
}

/// The id that a message was acknowledged with.
/// A client as the crate makes it: in a workspace with TLS, reqwest's own has no provider of cryptography.
fn http_client() -> Client {
    sse_client::client_builder().build().unwrap()
}

async fn post(client: &Client, url: &str, data: &str) -> Option<String> {
    let response =
        timeout(SOON, client.post(url).body(data.to_owned()).send()).await.expect("an answer").ok()?;
    if response.status() != StatusCode::OK {
        return None;
    }
    let id = response.text().await.ok()?;
    assert!(!id.is_empty());
    Some(id)
}

/// Follows its topics, now at one replica, now at the other, up to the last event of each.
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
                    // Which topic's it is, the log knows.
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

/// What an event source has told of itself.
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

    /// The id and the data of the next event; a gap is `gap`.
    async fn next(&mut self) -> (String, String) {
        let event = timeout(SOON, self.source.next()).await.expect("an event comes soon");
        let event = event.expect("the stream goes on").expect("no error");
        let data = if event.event_type() == "gap" { "gap" } else { event.data() };
        (event.last_event_id().to_owned(), data.to_owned())
    }

    /// The data of the next events.
    async fn take(&mut self, events: usize) -> Vec<String> {
        let mut taken = Vec::with_capacity(events);
        for _ in 0..events {
            taken.push(self.next().await.1);
        }
        taken
    }

    /// Waits until it has its place in the stream.
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
