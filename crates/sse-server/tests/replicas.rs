//! Replicas of one log: what a client may rely on, whichever of them it comes to; and then the same against chance.
//!
//! The log is a [`MemoryLog`], reached over links that delay, fail, and lose answers. Time is paused: it goes on when
//! all wait.
//!
//! ```text
//! SSE_SIMULATION_RUNS=10000 cargo test -p sse-server --features conformance --release --test replicas
//! SSE_SIMULATION_SEED=42 cargo test -p sse-server --features conformance --test replicas
//! ```

#![cfg(feature = "conformance")]

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Reader, field};
use fastrand::Rng;
use futures_util::FutureExt as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use sse_codec::Decoder;
use sse_server::log::{Batch, Entry, Log, LogError, MemoryLog, Position, Publisher, Record};
use sse_server::{
    EventId, Lagging, LogStats, Message, PublishError, Published, Route, Topics, TopicsBuilder,
};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep, timeout, timeout_at};

const GAP: &str = r#"{"missed":null}"#;

/// A log, and everything that was ever in it.
#[derive(Default)]
struct Store {
    log: MemoryLog,
    truth: Mutex<Truth>,
}

#[derive(Debug, Default)]
struct Truth {
    entries: BTreeMap<u64, Fact>,
    /// The newest that was trimmed.
    trimmed: u64,
    /// The newest that was lost.
    lost: u64,
    trims: u64,
    losses: u64,
}

#[derive(Clone, Debug)]
struct Fact {
    topic: String,
    data: String,
    is_lost: bool,
}

impl Store {
    fn entries(&self) -> Vec<Entry> {
        self.log
            .before(None, usize::MAX)
            .now_or_never()
            .expect("it waits for nobody")
            .expect("it has no faults")
    }

    fn trim(&self, entries: usize) {
        let before = self.entries();
        self.log.trim(entries);
        let gone = before.len().saturating_sub(entries);
        let Some(newest) = before[..gone].last() else { return };
        let mut truth = self.truth.lock().unwrap();
        truth.trimmed = truth.trimmed.max(newest.position.get());
        truth.trims += 1;
    }

    fn lose(&self, entries: usize) {
        let before = self.entries();
        self.log.lose(entries);
        let mut truth = self.truth.lock().unwrap();
        for entry in before.iter().rev().take(entries) {
            truth.entries.get_mut(&entry.position.get()).expect("it was appended").is_lost = true;
            truth.lost = truth.lost.max(entry.position.get());
        }
        if self.log.is_empty() {
            // It begins anew: ahead of everything, nothing tells it from the one that was lost.
            truth.entries.values_mut().for_each(|fact| fact.is_lost = true);
        }
        truth.losses += u64::from(!before.is_empty());
    }

    /// The data of all that is in the log.
    fn data(&self) -> Vec<String> {
        self.entries().iter().filter_map(|entry| entry.record.as_ref()).map(data).collect()
    }
}

fn data(record: &Record) -> String {
    let fields = std::str::from_utf8(record.fields()).unwrap();
    fields.trim_end().strip_prefix("data: ").expect("data alone is published").to_owned()
}

/// The way of one process to the log.
#[derive(Clone)]
struct Link(Arc<Wire>);

struct Wire {
    store: Arc<Store>,
    weather: Mutex<Weather>,
    changed: Notify,
    /// How many futures of `follow` there are.
    follows: AtomicUsize,
    /// How often it was told that what it follows is not known.
    breaks: AtomicUsize,
}

#[derive(Debug, Default)]
struct Weather {
    is_down: bool,
    /// Only following fails.
    is_blind: bool,
    /// So many appends are done, and nobody hears of it.
    lost_answers: usize,
    /// Until an answer comes that was found at once.
    delay: Duration,
    storm: Option<Storm>,
}

/// Faults by chance.
#[derive(Debug)]
struct Storm {
    rng: Rng,
    /// One in so many calls fails.
    calm: u32,
    /// In milliseconds.
    delay: u64,
}

impl Link {
    fn new(store: &Arc<Store>) -> Self {
        Self(Arc::new(Wire {
            store: store.clone(),
            weather: Mutex::default(),
            changed: Notify::new(),
            follows: AtomicUsize::new(0),
            breaks: AtomicUsize::new(0),
        }))
    }

    fn set(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.0.weather.lock().unwrap());
        self.0.changed.notify_waiters();
    }

    /// Half of a way, there or back.
    async fn way(&self) -> Result<(), LogError> {
        let (delay, fails) = {
            let mut weather = self.0.weather.lock().unwrap();
            let Weather { is_down, delay, storm, .. } = &mut *weather;
            match storm {
                Some(Storm { rng, calm, delay }) => {
                    let late = Duration::from_millis(rng.u64(0..=*delay));
                    (late, rng.u32(0..*calm) == 0 || *is_down)
                }
                None => (*delay, *is_down),
            }
        };
        if delay.is_zero() {
            tokio::task::yield_now().await;
        } else {
            sleep(delay).await;
        }
        if fails { Err(LogError::unavailable("the link is down")) } else { Ok(()) }
    }

    async fn blinded(&self) {
        loop {
            let changed = self.0.changed.notified();
            let Weather { is_down, is_blind, .. } = *self.0.weather.lock().unwrap();
            if is_down || is_blind {
                return;
            }
            changed.await;
        }
    }

    /// A log may give less than it is asked for.
    fn limit(&self, limit: usize) -> usize {
        match &mut self.0.weather.lock().unwrap().storm {
            Some(Storm { rng, .. }) => rng.choice([1, 8, limit]).map_or(limit, |few| few.min(limit)),
            None => limit,
        }
    }

    fn log(&self) -> &MemoryLog {
        &self.0.store.log
    }
}

impl Log for Link {
    async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
        self.way().await?;
        let positions = self.log().append(batch).await?;
        {
            let mut truth = self.0.store.truth.lock().unwrap();
            for (position, record) in positions.iter().zip(batch.records()) {
                truth.entries.entry(position.get()).or_insert_with(|| Fact {
                    topic: record.topic().to_owned(),
                    data: data(record),
                    is_lost: false,
                });
            }
        }
        {
            let mut weather = self.0.weather.lock().unwrap();
            if weather.lost_answers > 0 {
                weather.lost_answers -= 1;
                return Err(LogError::unavailable("the answer is lost"));
            }
        }
        self.way().await?;
        Ok(positions)
    }

    async fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        self.way().await?;
        let entries = self.log().before(position, self.limit(limit)).await?;
        self.way().await?;
        Ok(entries)
    }

    async fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.way().await?;
        let entries = self.log().after(position, self.limit(limit)).await?;
        self.way().await?;
        Ok(entries)
    }

    async fn follow(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        let _follow = Follow::new(&self.0.follows);
        self.way().await?;
        let limit = self.limit(limit);
        let entries = tokio::select! {
            biased;
            () = self.blinded() => return Err(LogError::unavailable("the link is down")),
            entries = timeout(Duration::from_secs(5), self.log().follow(position, limit)) => match entries {
                Ok(entries) => entries?,
                Err(_) => Some(Vec::new()),
            },
        };
        if entries.is_none() {
            self.0.breaks.fetch_add(1, Ordering::Relaxed);
        }
        self.way().await?;
        Ok(entries)
    }
}

/// Counts for as long as it lives.
struct Follow<'c>(&'c AtomicUsize);

impl<'c> Follow<'c> {
    fn new(count: &'c AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Follow<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Replicas with little memory, or much, that are silent unless there is something to say.
fn builder(history: usize, recent: usize) -> TopicsBuilder {
    Topics::builder().route(Route::builder().history(history).heartbeat(None)).recent(recent)
}

async fn replica(store: &Arc<Store>) -> Topics {
    builder(1000, 1000).build_on(Link::new(store)).await.unwrap()
}

/// A replica that keeps four messages.
async fn small(store: &Arc<Store>) -> (Topics, Link) {
    let link = Link::new(store);
    (builder(4, 4).build_on(link.clone()).await.unwrap(), link)
}

fn publish(topics: &Topics, topic: &str, data: impl ToString + Copy) -> Published {
    topics.route(topic).unwrap().publish(&Message::new(data.to_string())).unwrap()
}

/// Publishes, and returns the id.
async fn store(topics: &Topics, topic: &str, data: impl ToString + Copy) -> String {
    let id = publish(topics, topic, data).stored().await.unwrap();
    // It has to come back from the log.
    settle().await;
    id.expect("an event has an id").as_str().to_owned()
}

/// Publishes numbers, and returns the id of the first.
async fn store_all(topics: &Topics, topic: &str, numbers: std::ops::RangeInclusive<u32>) -> String {
    let mut published: Vec<_> = numbers.map(|number| publish(topics, topic, number)).collect();
    let first = published.remove(0).stored().await.unwrap();
    for published in published {
        published.stored().await.unwrap();
    }
    settle().await;
    first.expect("an event has an id").as_str().to_owned()
}

fn get(last_event_id: &str) -> Request<()> {
    Request::get("/").header("Last-Event-ID", last_event_id).body(()).unwrap()
}

fn subscribe(topics: &Topics, last_event_id: &str, names: &[&str]) -> Reader {
    let response = topics.subscribe(&get(last_event_id), names.iter().copied()).respond();
    assert_eq!(response.status(), StatusCode::OK);
    let mut reader = Reader::new(response.into_body());
    assert!(reader.read().starts_with(":\n"));
    reader
}

/// Lets the replicas do what they have to do now.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// All data that a reader gets, until there has been nothing more for a while; then a dot if the stream has ended.
async fn all(reader: &mut Reader) -> Vec<String> {
    let (mut seen, mut idle) = (Vec::new(), 0);
    while idle < 20 {
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

fn numbers(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(|number| number.to_string()).collect()
}

fn log_stats(topics: &Topics) -> LogStats {
    topics.route("stats").unwrap().stats().log.expect("there is a log")
}

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
                assert_eq!(all(&mut reader).await, left.collect::<Vec<_>>(), "{names:?} behind {id}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_replica_serves_what_was_there() {
    let log = Arc::default();
    let here = replica(&log).await;
    let id = store_all(&here, "a", 1..=9).await;
    drop(here);
    let there = replica(&log).await;
    assert_eq!(all(&mut subscribe(&there, &id, &["a"])).await, numbers(2..=9));
    assert_eq!(log_stats(&there).reads, 0);
}

#[tokio::test(start_paused = true)]
async fn a_later_topic_begins_with_what_there_is() {
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
async fn an_old_id_is_served_while_others_publish() {
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
async fn a_herd_at_one_place_is_few_reads() {
    for delay in [0, 1] {
        let log = Arc::default();
        let (topics, link) = small(&log).await;
        let first = store_all(&topics, "a", 1..=600).await;
        link.set(|weather| weather.delay = Duration::from_millis(delay));
        let mut readers: Vec<_> = (0..1000).map(|_| subscribe(&topics, &first, &["a"])).collect();
        let mut seen = vec![Vec::new(); readers.len()];
        for _ in 0..20 {
            // Each would be a task of its own, with a budget of its own.
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
        // The last page is not kept, as more may come behind it.
        assert!(reads <= if delay == 0 { 1002 } else { 6 }, "{reads}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trimmed_id_is_a_gap_and_then_what_is_kept() {
    for delay in [0, 5] {
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
async fn what_nobody_gave_as_an_id_is_a_gap() {
    let log = Arc::default();
    let (topics, _) = small(&log).await;
    store_all(&topics, "a", 1..=3).await;
    for id in ["x", "007", "4711", "18446744073709551615", "99999999999999999999"] {
        let seen = all(&mut subscribe(&topics, id, &["a"])).await;
        assert_eq!(seen[0], GAP, "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_ahead_of_the_replica_waits() {
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
async fn a_heartbeat_of_a_replica_that_is_behind_moves_no_client_back() {
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
    assert!(field(&heartbeat, "id").is_none_or(|new| new == id), "{heartbeat:?} to one that has {id}");
}

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
async fn a_log_that_is_lost_as_a_whole_is_one_gap() {
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
            assert_eq!(all(&mut subscribe(topics, id, &["a"])).await, [GAP, "6"], "{id}");
        }
        assert_eq!(all(&mut subscribe(topics, "2", &["a"])).await, ["3", "6"]);
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_log_is_down_streams_stay_and_messages_wait() {
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
    let Err(PublishError::Log(error)) = message.stored().await else { panic!("it can't be stored") };
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
async fn a_batch_whose_answer_is_lost_is_not_doubled() {
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
async fn who_lags_is_disconnected_where_that_is_the_policy() {
    let log = Arc::default();
    let route = Route::builder().history(4).heartbeat(None).lagging(Lagging::Disconnect);
    let topics = Topics::builder().route(route).recent(4).build_on(Link::new(&log)).await.unwrap();
    let mut reader = subscribe(&topics, "", &["a"]);
    store(&topics, "a", 1).await;
    assert_eq!(all(&mut reader).await, ["1"]);
    store_all(&topics, "a", 2..=20).await;
    assert_eq!(all(&mut reader).await, ["."]);
    assert_eq!(all(&mut subscribe(&topics, "1", &["a"])).await, numbers(2..=20));
}

#[tokio::test(start_paused = true)]
async fn who_catches_up_does_not_lag() {
    let log = Arc::default();
    let route = Route::builder().history(4).heartbeat(None).lagging(Lagging::Disconnect);
    let topics = Topics::builder().route(route).recent(4).build_on(Link::new(&log)).await.unwrap();
    store_all(&topics, "a", 1..=1000).await;
    assert_eq!(all(&mut subscribe(&topics, "1", &["a"])).await, numbers(2..=1000));
}

#[tokio::test(start_paused = true)]
async fn who_comes_too_late_is_told_and_not_disconnected() {
    let log: Arc<Store> = Arc::default();
    let route = Route::builder().history(4).heartbeat(None).lagging(Lagging::Disconnect);
    let topics = Topics::builder().route(route).recent(4).build_on(Link::new(&log)).await.unwrap();
    store_all(&topics, "a", 1..=20).await;
    log.trim(4);
    for id in ["1", "4711"] {
        let seen = all(&mut subscribe(&topics, id, &["a"])).await;
        assert!(seen.starts_with(&[GAP.to_owned()]), "{id}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_memory_cannot_vouch_for_gets_the_snapshot() {
    for (id, expected) in [("1", &[GAP, "snapshot", "live"][..]), ("18", &["19", "20", "live"])] {
        let log = Arc::default();
        let (topics, _) = small(&log).await;
        store_all(&topics, "a", 1..=20).await;
        let route = topics.route("a").unwrap();
        let response = route.subscribe(&get(id)).snapshot(|| [Message::new("snapshot")]).respond();
        let mut reader = Reader::new(response.into_body());
        let mut seen = all(&mut reader).await;
        store(&topics, "a", "live").await;
        seen.append(&mut all(&mut reader).await);
        assert_eq!(seen, expected, "{id}");
        assert_eq!(log_stats(&topics).reads, 0, "it needs nothing of the log");
    }
}

#[tokio::test(start_paused = true)]
async fn from_the_start_is_what_is_kept() {
    let log = Arc::default();
    let (topics, _) = small(&log).await;
    store_all(&topics, "a", 1..=20).await;
    let response = topics.route("a").unwrap().subscribe(&get("")).from_start().respond();
    assert_eq!(all(&mut Reader::new(response.into_body())).await, numbers(17..=20));
}

#[tokio::test(start_paused = true)]
async fn a_closed_route_ends_here_only_and_when_all_is_sent() {
    let log = Arc::default();
    let (here, _) = small(&log).await;
    let there = replica(&log).await;
    let mut readers = [subscribe(&here, "", &["a"]), subscribe(&there, "", &["a"])];
    let first = store_all(&here, "a", 1..=20).await;
    let mut late = subscribe(&here, &first, &["a"]);
    here.route("a").unwrap().close();
    assert!(matches!(here.route("a").unwrap().publish(&Message::new("x")), Err(PublishError::Closed)));
    assert_eq!(all(&mut readers[0]).await, [&numbers(1..=20)[..], &[".".to_owned()]].concat());
    assert_eq!(all(&mut late).await, [&numbers(2..=20)[..], &[".".to_owned()]].concat());
    store(&there, "a", 21).await;
    assert_eq!(all(&mut readers[1]).await, numbers(1..=21));
}

#[tokio::test(start_paused = true)]
async fn nobody_follows_for_topics_that_are_gone() {
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

#[tokio::test(start_paused = true)]
async fn a_filter_leaves_out_what_comes_from_the_log() {
    for delay in [0, 5] {
        let log = Arc::default();
        let (topics, link) = small(&log).await;
        store_all(&topics, "a", 1..=300).await;
        link.set(|weather| weather.delay = Duration::from_millis(delay));
        let passes = |data: &str| data.ends_with("99");
        let subscription = topics.route("a").unwrap().subscribe(&get("1"));
        let response = subscription.filter(move |event| passes(event.data())).respond();
        let mut reader = Reader::new(response.into_body());
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

/// Its last event may be trimmed: it has everything up to the newest entry all the same.
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
    // Nothing else wakes it, so it hears of the newest entry when it beats.
    topics.route("quiet").unwrap().set_heartbeat(Duration::from_secs(5));
    sleep(Duration::from_secs(6)).await;
    assert_eq!(all(&mut reader).await, [""; 0]);
    store_all(&topics, "quiet", 41..=60).await;
    assert_eq!(all(&mut reader).await, numbers(41..=60));
}

/// The log has answered before the replica has seen what came since.
#[tokio::test(start_paused = true)]
async fn an_answer_that_is_late_is_no_gap() {
    let log = Arc::default();
    let here = replica(&log).await;
    let (there, link) = small(&log).await;
    link.set(|weather| weather.is_blind = true);
    let id = store(&here, "a", 1).await;
    link.set(|weather| weather.delay = Duration::from_secs(2));
    let mut reader = subscribe(&there, &id, &["a"]);
    assert_eq!(reader.read(), "-");
    // Asked, and the answer, that there is nothing behind it, is on its way.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(reader.read(), "-");
    link.set(|weather| (weather.is_blind, weather.delay) = (false, Duration::ZERO));
    store_all(&here, "a", 2..=20).await;
    let mut seen = all(&mut reader).await;
    sleep(Duration::from_secs(5)).await;
    seen.append(&mut all(&mut reader).await);
    assert_eq!(seen, numbers(2..=20));
}

/// One that does not read holds nobody up that reads the same, or something else.
#[tokio::test(start_paused = true)]
async fn who_stalls_while_catching_up_stops_nobody() {
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

#[test]
fn each_sees_all_in_order_or_is_told_of_the_gap() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse().expect("a number"));
    if let Some(seed) = number("SSE_SIMULATION_SEED") {
        return eprintln!("{:?}", simulate(seed));
    }
    let runs = number("SSE_SIMULATION_RUNS").unwrap_or(60);
    let mut seen = Seen::default();
    (0..runs).for_each(|seed| seen += simulate(seed));
    eprintln!("{runs} runs: {seen:?}");
    // Where none of these happens, the promise is not put to the test.
    let Seen { events, resumes, gaps, reads, retries, outages, trims, losses, crashes } = seen;
    assert!(events > 0 && resumes > 0 && gaps > 0 && reads > 0 && retries > 0, "{seen:?}");
    assert!(outages > 0 && trims > 0 && losses > 0 && crashes > 0, "{seen:?}");
}

/// What has happened in a run, or in many.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    events: u64,
    /// Connections with an id that brought an event, and no gap before it.
    resumes: u64,
    gaps: u64,
    /// Of what the replicas had no longer in memory.
    reads: u64,
    /// Of appends.
    retries: u64,
    outages: u64,
    trims: u64,
    losses: u64,
    crashes: u64,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.resumes += other.resumes;
        self.gaps += other.gaps;
        self.reads += other.reads;
        self.retries += other.retries;
        self.outages += other.outages;
        self.trims += other.trims;
        self.losses += other.losses;
        self.crashes += other.crashes;
    }
}

const TOPICS: [&str; 3] = ["a", "b", "c"];

fn simulate(seed: u64) -> Seen {
    // The routes' own chance.
    fastrand::seed(seed);
    let mut rng = Rng::with_seed(seed);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let world = Rc::new(World::new(seed, &mut rng));
        for place in 0..world.places() {
            world.start(place).await;
        }
        let mut tasks = JoinSet::new();
        for name in 0..rng.usize(2..=6) {
            let topics = TOPICS.into_iter().filter(|_| rng.bool()).collect();
            tasks.spawn_local(Client::new(name, topics, world.clone(), rng.fork()).run());
        }
        let mut publishers = JoinSet::new();
        for name in 0..rng.usize(1..=3) {
            let (world, rng) = (world.clone(), rng.fork());
            publishers.spawn_local(async move { world.publish_all(name, rng).await });
        }
        world.trouble(&mut rng).await;
        while let Some(end) = publishers.join_next().await {
            end.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        }
        world.calm_down().await;
        let all = async {
            while let Some(end) = tasks.join_next().await {
                end.unwrap_or_else(|error| resume_unwind(error.into_panic()));
            }
        };
        let end = timeout(Duration::from_secs(60), all).await;
        assert!(end.is_ok(), "SSE_SIMULATION_SEED={seed}: somebody waits in vain: {world:?}");
        world.check_the_log();
        for place in 0..world.places() {
            world.stop(place, false);
        }
        let Truth { trims, losses, .. } = *world.store.truth.lock().unwrap();
        Seen { trims, losses, ..world.seen.get() }
    })
}

/// The log, its replicas, and what is true of them.
struct World {
    seed: u64,
    store: Arc<Store>,
    settings: TopicsBuilder,
    calm: u32,
    delay: u64,
    replicas: RefCell<Vec<Option<Rc<Life>>>>,
    links: RefCell<Vec<Link>>,
    /// No more faults.
    is_calm: Cell<bool>,
    /// The newest entry of each topic, when it is calm.
    ends: RefCell<BTreeMap<&'static str, u64>>,
    /// Messages that were accepted.
    published: RefCell<Vec<(String, Published)>>,
    seen: Cell<Seen>,
}

/// A replica, from one start to the next crash.
struct Life {
    /// Until it goes: connections are left then that end when all has been sent.
    topics: RefCell<Option<Topics>>,
    link: Link,
    route: Route,
    /// Connections are cut when it says so.
    crashed: watch::Sender<bool>,
}

impl World {
    fn new(seed: u64, rng: &mut Rng) -> Self {
        let history = rng.choice([1, 4, 32, 300]).unwrap();
        let heartbeat = rng.bool().then(|| Duration::from_millis(rng.u64(50..5_000)));
        let route = Route::builder().history(history).heartbeat(heartbeat);
        let lagging = if rng.u32(0..4) == 0 { Lagging::Disconnect } else { Lagging::Gap };
        let publisher = Publisher::builder().patience(Duration::from_secs(rng.u64(1..20)));
        Self {
            seed,
            store: Arc::default(),
            settings: Topics::builder()
                .route(route.lagging(lagging))
                .recent(rng.choice([1, 8, 100, 1000]).unwrap())
                .publisher(publisher.max_queued(rng.usize(10..1000))),
            calm: rng.choice([4, 20, 200, u32::MAX]).unwrap(),
            delay: rng.choice([0, 3, 30, 500]).unwrap(),
            replicas: RefCell::new((0..rng.usize(1..=3)).map(|_| None).collect()),
            links: RefCell::default(),
            is_calm: Cell::new(false),
            ends: RefCell::default(),
            published: RefCell::default(),
            seen: Cell::default(),
        }
    }

    fn link(&self, rng: Rng) -> Link {
        let link = Link::new(&self.store);
        self.links.borrow_mut().push(link.clone());
        if !self.is_calm.get() {
            let (calm, delay) = (self.calm, self.delay);
            link.set(|weather| weather.storm = Some(Storm { rng, calm, delay }));
        }
        link
    }

    /// Starts a replica; tries again until the log lets it.
    async fn start(&self, place: usize) {
        loop {
            let link = self.link(Rng::with_seed(fastrand::u64(..)));
            if let Ok(topics) = self.settings.clone().build_on(link.clone()).await {
                let (route, crashed) = (topics.route("stats").unwrap(), watch::Sender::new(false));
                let topics = RefCell::new(Some(topics));
                self.replicas.borrow_mut()[place] = Some(Rc::new(Life { topics, link, route, crashed }));
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops a replica. Its connections are cut, or end when all has been sent.
    fn stop(&self, place: usize, is_crash: bool) {
        let Some(life) = self.replicas.borrow_mut()[place].take() else { return };
        life.check(self.seed);
        let LogStats { reads, retries, .. } = life.stats();
        self.count(|seen| {
            seen.reads += reads;
            seen.retries += retries;
        });
        life.topics.take();
        life.crashed.send_replace(is_crash);
    }

    fn places(&self) -> usize {
        self.replicas.borrow().len()
    }

    /// A replica that is up.
    fn any(&self, rng: &mut Rng) -> Option<Rc<Life>> {
        rng.choice(self.replicas.borrow().iter().flatten().cloned().collect::<Vec<_>>())
    }

    /// What happens to the log, its links, and the replicas.
    async fn trouble(&self, rng: &mut Rng) {
        for _ in 0..rng.u32(10..50) {
            match rng.u32(0..12) {
                0 => {
                    let place = rng.usize(..self.places());
                    let (is_crash, pause) = (rng.bool(), rng.u64(0..1000));
                    self.stop(place, is_crash);
                    self.count(|seen| seen.crashes += 1);
                    sleep(Duration::from_millis(pause)).await;
                    self.start(place).await;
                }
                1..4 => {
                    let (is_down, time) = (rng.bool(), rng.choice([50, 500, 15_000]).unwrap());
                    let Some(life) = self.any(rng) else { continue };
                    life.link.set(|weather| (weather.is_down, weather.is_blind) = (is_down, true));
                    self.count(|seen| seen.outages += 1);
                    sleep(Duration::from_millis(rng.u64(0..time))).await;
                    if rng.u32(0..4) > 0 {
                        life.link.set(|weather| (weather.is_down, weather.is_blind) = (false, false));
                    }
                }
                4 => self.store.trim(rng.choice([1, 3, 30, 300]).unwrap()),
                5 if rng.u32(0..3) == 0 => self.store.lose(rng.choice([1, 3, 30, 10_000]).unwrap()),
                _ => {}
            }
            sleep(Duration::from_millis(rng.u64(0..1000))).await;
        }
    }

    /// The whole life of a publisher.
    async fn publish_all(&self, name: usize, mut rng: Rng) {
        let alone = Publisher::builder().patience(Duration::from_secs(2)).build(self.link(rng.fork()));
        let mut number = 0;
        for _ in 0..rng.u32(10..50) {
            let most = rng.choice([1, 5, 40, 400]).unwrap();
            for _ in 0..rng.usize(0..=most) {
                number += 1;
                let (topic, data) = (rng.choice(TOPICS).unwrap(), format!("{name} {number}"));
                let message = Message::new(&*data);
                let published = if name == 0 {
                    alone.publish(topic, &message)
                } else {
                    let Some(life) = self.any(&mut rng) else { continue };
                    life.topics.borrow().as_ref().unwrap().route(topic).unwrap().publish(&message)
                };
                match published {
                    Ok(published) => self.published.borrow_mut().push((data, published)),
                    Err(error) => assert!(matches!(error, PublishError::Full), "{error}"),
                }
                if rng.u32(0..8) == 0 {
                    tokio::task::yield_now().await;
                }
            }
            let longest = rng.choice([1, 50, 500, 3_000]).unwrap();
            sleep(Duration::from_millis(rng.u64(0..longest))).await;
        }
        alone.flush().await;
    }

    /// No more faults: what comes now must arrive.
    async fn calm_down(&self) {
        self.is_calm.set(true);
        for link in &*self.links.borrow() {
            link.set(|weather| *weather = Weather::default());
        }
        let published = self.published.take();
        let stored = published.into_iter().map(async |(data, published)| (data, published.stored().await));
        for (data, stored) in futures_util::future::join_all(stored).await {
            let Ok(id) = stored else { continue };
            let position: u64 = id.expect("it is an event").as_str().parse().unwrap();
            let truth = self.store.truth.lock().unwrap();
            assert_eq!(truth.entries[&position].data, data, "SSE_SIMULATION_SEED={}", self.seed);
        }
        // Who is late learns of its losses now, so that the last message of each topic is missed by nobody.
        sleep(Duration::from_secs(30)).await;
        let last = Publisher::new(Link::new(&self.store));
        for topic in TOPICS {
            let published = last.publish(topic, &Message::new("9 9")).unwrap();
            let id = published.stored().await.unwrap().unwrap();
            self.ends.borrow_mut().insert(topic, id.as_str().parse().unwrap());
        }
    }

    /// Each publisher's messages are in the log once and in order; unless a replica that has crashed had some left.
    fn check_the_log(&self) {
        let truth = self.store.truth.lock().unwrap();
        if truth.losses > 0 {
            return;
        }
        let mut known = std::collections::HashSet::new();
        let (mut alone, seed) = (0, self.seed);
        for Fact { data, .. } in truth.entries.values().filter(|fact| fact.data != "9 9") {
            assert!(known.insert(data), "SSE_SIMULATION_SEED={seed}: {data} is there twice");
            let (name, number) = data.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            if name == "0" {
                assert!(number > alone, "SSE_SIMULATION_SEED={seed}: {number} behind {alone}");
                alone = number;
            }
        }
    }

    fn count(&self, count: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.get();
        count(&mut seen);
        self.seen.set(seen);
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stats: Vec<_> = self.replicas.borrow().iter().flatten().map(|life| life.stats()).collect();
        f.debug_struct("World").field("ends", &self.ends).field("stats", &stats).finish_non_exhaustive()
    }
}

impl Life {
    fn stats(&self) -> LogStats {
        self.route.stats().log.expect("there is a log")
    }

    /// It began anew only where the log did not know any more what it follows.
    fn check(&self, seed: u64) {
        let (losses, breaks) = (self.stats().losses, self.link.0.breaks.load(Ordering::Relaxed));
        assert!(losses <= breaks as u64, "SSE_SIMULATION_SEED={seed}: {losses} for {breaks}");
    }
}

/// A client that knows what a client knows, and its judge.
struct Client {
    name: usize,
    topics: Vec<&'static str>,
    world: Rc<World>,
    rng: Rng,
    decoder: Decoder,
    /// It has everything up to here; `None` if it has not begun.
    place: Option<u64>,
    /// The newest event.
    newest: u64,
    /// It was told that something behind its place is missing.
    has_gap: bool,
    /// Of several topics, one gap tells of what all of them miss, so what comes next need not be behind all that.
    excused: u64,
    /// What it has got, for whoever looks for a fault.
    story: Vec<String>,
}

impl Client {
    fn new(name: usize, mut topics: Vec<&'static str>, world: Rc<World>, rng: Rng) -> Self {
        if topics.is_empty() {
            topics.push("a");
        }
        let (decoder, story) = (Decoder::new(), Vec::new());
        Self { name, topics, world, rng, decoder, place: None, newest: 0, has_gap: false, excused: 0, story }
    }

    async fn run(mut self) {
        loop {
            let pause = self.rng.choice([1, 100, 3_000]).unwrap();
            sleep(Duration::from_millis(self.rng.u64(0..pause))).await;
            if self.rng.u32(0..20) == 0 && !self.world.is_calm.get() {
                // Like a page that is loaded anew.
                (self.decoder, self.place, self.newest) = (Decoder::new(), None, 0);
                (self.has_gap, self.excused) = (false, 0);
                self.story.push("anew".to_owned());
            }
            let Some(life) = self.world.any(&mut self.rng) else { continue };
            let longest = self.rng.choice([3, 300, 10_000, 100_000]).unwrap();
            let cut = Instant::now() + Duration::from_millis(self.rng.u64(0..longest));
            if self.connect(&life, cut).await {
                return;
            }
        }
    }

    /// Whether it has all that it shall have in the end.
    fn has_all(&self) -> bool {
        let ends = self.world.ends.borrow();
        let newest = self.topics.iter().filter_map(|topic| ends.get(topic)).max();
        let is_known = ends.len() == TOPICS.len();
        is_known && newest.is_some_and(|newest| self.place.is_some_and(|place| place >= *newest))
    }

    /// Connects once, and reads until the connection is over. Returns whether it has got everything.
    async fn connect(&mut self, life: &Life, cut: Instant) -> bool {
        let id = self.decoder.last_event_id().to_owned();
        self.decoder.reset();
        let began_calm = self.world.is_calm.get();
        let mut losses = life.stats().losses;
        let names = self.topics.iter().copied();
        let response = life.topics.borrow().as_ref().unwrap().subscribe(&get(&id), names).respond();
        // It is closed: the replica is going.
        if response.status() == StatusCode::NO_CONTENT {
            return false;
        }
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        let mut crashed = life.crashed.subscribe();
        self.story.push(format!("with {id:?}"));
        let (patience, delay) = (self.rng.u32(2..50), self.rng.choice([20, 300, 10_000]).unwrap());
        let mut is_resuming = !id.is_empty();
        loop {
            let is_calm = self.world.is_calm.get();
            if !is_calm && self.rng.u32(0..patience) == 0 {
                sleep(Duration::from_millis(self.rng.u64(0..delay))).await;
            }
            // A connection from the time of troubles may be cut; one of the calm must do.
            let until = if began_calm { Instant::now() + Duration::from_secs(1000) } else { cut };
            let look = until.min(Instant::now() + Duration::from_secs(1));
            let frame = tokio::select! {
                biased;
                _ = crashed.wait_for(|&crashed| crashed) => return false,
                frame = timeout_at(look, body.frame()) => frame,
            };
            // The end may have been known later than it was here.
            if self.has_all() {
                return true;
            }
            let frame = match frame {
                Err(_) if look < until => continue,
                Ok(Some(Ok(frame))) => frame,
                _ => return false,
            };
            let mut bytes = frame.into_data().expect("only data is sent");
            let is_torn = !is_calm && self.rng.u32(0..100) == 0;
            if is_torn {
                bytes.truncate(self.rng.usize(..bytes.len()));
            }
            if let Err(fault) = self.read(life, &mut losses, &mut is_resuming, &bytes) {
                let story = &self.story[self.story.len().saturating_sub(30)..];
                let Truth { trimmed, lost, .. } = *self.world.store.truth.lock().unwrap();
                panic!(
                    "SSE_SIMULATION_SEED={}: client {} of {:?} behind {:?}: {fault}\n{story:#?}\n\
                     trimmed {trimmed}, lost {lost}, {:?}",
                    self.world.seed,
                    self.name,
                    self.topics,
                    self.place,
                    life.stats()
                );
            }
            if is_torn {
                return false;
            }
            if self.has_all() {
                return true;
            }
        }
    }

    fn read(
        &mut self,
        life: &Life,
        losses: &mut u64,
        is_resuming: &mut bool,
        mut bytes: &[u8],
    ) -> Result<(), String> {
        while let Some(event) = self.decoder.next_event(&mut bytes).expect("it is small") {
            let event = event.to_event();
            self.story.push(format!("{} {:?} {}", event.event_type(), event.data(), event.last_event_id()));
            if event.event_type() == "gap" {
                *is_resuming = false;
                self.gap(life, losses)?;
                continue;
            }
            let position = event.last_event_id().parse().map_err(|_| "no position".to_owned())?;
            self.event(position, event.data())?;
            self.world.count(|seen| {
                seen.events += 1;
                seen.resumes += u64::from(std::mem::take(is_resuming));
            });
        }
        // An opening and a heartbeat have an id, and are no events.
        let id = self.decoder.last_event_id();
        if let Ok(position) = id.parse::<u64>()
            && self.place != Some(position)
        {
            self.story.push(format!("is behind {position}"));
            if self.place.is_some() {
                self.skip_to(position)?;
            }
            self.place = Some(position);
        }
        Ok(())
    }

    fn event(&mut self, position: u64, data: &str) -> Result<(), String> {
        let fact = self.world.store.truth.lock().unwrap().entries.get(&position).cloned();
        let fact = fact.ok_or("that was never in the log")?;
        if fact.data != data || !self.topics.contains(&&*fact.topic) {
            return Err(format!("at {position} there is {fact:?}"));
        }
        if position <= self.newest && !(self.has_gap && self.is_lost(self.newest)) {
            return Err("it has had that".to_owned());
        }
        self.skip_to(position - 1)?;
        (self.place, self.newest, self.has_gap) = (Some(position), position, false);
        Ok(())
    }

    /// Nothing of its topics may be between its place and this one, but what was lost by the log.
    fn skip_to(&self, position: u64) -> Result<(), String> {
        let place = self.place.ok_or("it stands nowhere")?;
        if self.has_gap {
            return Ok(());
        }
        if place > position {
            return Err(format!("it goes back to {position}"));
        }
        let truth = self.world.store.truth.lock().unwrap();
        let from = place.max(self.excused);
        let mut between = truth.entries.range(from.min(position)..=position).filter(|(at, _)| **at > from);
        let missing = between.find(|(_, fact)| !fact.is_lost && self.topics.contains(&&*fact.topic));
        missing.map_or(Ok(()), |(at, fact)| Err(format!("{at} is missing: {fact:?}")))
    }

    /// A gap has a cause: this replica began anew since it was last told, or what follows the place is not in the log.
    fn gap(&mut self, life: &Life, losses: &mut u64) -> Result<(), String> {
        let place = self.place.ok_or("there is no gap ahead of the beginning")?;
        let Truth { trimmed, lost, .. } = *self.world.store.truth.lock().unwrap();
        let told = std::mem::replace(losses, life.stats().losses);
        let began_anew = told < *losses;
        if !began_anew && trimmed <= place && lost < place {
            return Err("that gap has no cause".to_owned());
        }
        self.has_gap = true;
        if self.topics.len() > 1 {
            let truth = self.world.store.truth.lock().unwrap();
            self.excused = truth.entries.keys().next_back().copied().unwrap_or(0);
        }
        self.world.count(|seen| seen.gaps += 1);
        Ok(())
    }

    fn is_lost(&self, position: u64) -> bool {
        let truth = self.world.store.truth.lock().unwrap();
        truth.entries.get(&position).is_some_and(|fact| fact.is_lost)
    }
}
