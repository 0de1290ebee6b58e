//! Replicas, publishers and clients in random runs: each seed is another run.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use sse_server::log::Publisher;
use sse_server::{
    EventId, LagPolicy, LogStats, Message, PublishError, Published, Route, Topics, TopicsBuilder,
};
use sse_testing::simulation::Simulation;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::log::{Fact, Link, Store, Storm, Truth, Weather};

#[test]
fn each_client_gets_all_events_in_order_or_a_gap_event() {
    let Some(seen) = Simulation::new().runs(60).run(simulate) else { return };
    // If one of these things does not happen, the runs do not test the promise.
    let Seen { events, resumes, gaps, reads, retries, outages, trims, evictions, losses, crashes, .. } = seen;
    let Seen { closed, opened, client_ends, ends, batches, late_ends, repeats, .. } = seen;
    assert!(events > 0 && resumes > 0 && gaps > 0 && reads > 0 && retries > 0, "{seen:?}");
    assert!(outages > 0 && trims > 0 && evictions > 0 && losses > 0 && crashes > 0, "{seen:?}");
    assert!(
        closed > 0
            && opened > 0
            && client_ends > 0
            && ends > 0
            && batches > 0
            && repeats > 0
            && late_ends > 0,
        "{seen:?}"
    );
}

/// How often each thing has happened in a run, or in many.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) events: u64,
    /// Connections with an id that brought an event, without a gap before it.
    pub(crate) resumes: u64,
    pub(crate) gaps: u64,
    /// Reads of entries that the replicas no longer had in memory.
    reads: u64,
    /// Retries of appends.
    retries: u64,
    outages: u64,
    trims: u64,
    evictions: u64,
    losses: u64,
    crashes: u64,
    closed: u64,
    opened: u64,
    client_ends: u64,
    /// Streams that ended because their topics had ended.
    pub(crate) ends: u64,
    batches: u64,
    /// Topics that had ended before a replica was started.
    late_ends: u64,
    /// Messages that were left out, by the ids of their publishers.
    repeats: u64,
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
        self.evictions += other.evictions;
        self.losses += other.losses;
        self.crashes += other.crashes;
        self.closed += other.closed;
        self.opened += other.opened;
        self.client_ends += other.client_ends;
        self.ends += other.ends;
        self.batches += other.batches;
        self.late_ends += other.late_ends;
        self.repeats += other.repeats;
    }
}

pub(crate) const TOPICS: [&str; 3] = ["a", "b", "c"];

async fn simulate(seed: u64) -> Seen {
    let mut rng = Rng::with_seed(seed);
    let world = Rc::new(World::new(seed, &mut rng));
    for slot in 0..world.slots() {
        world.start(slot).await;
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
    assert!(end.is_ok(), "SSE_SIMULATION_SEED={seed}: a client waits for ever: {world:?}");
    world.check_the_log();
    for slot in 0..world.slots() {
        world.stop(slot, false);
    }
    let Truth { trims, evictions, losses, .. } = *world.store.truth.lock().unwrap();
    Seen { trims, evictions, losses, ..world.seen.get() }
}

/// The log, its replicas, and what the judges know of them.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) store: Arc<Store>,
    settings: TopicsBuilder,
    /// How many entries a replica has in memory.
    pub(crate) recent: usize,
    /// Whether lagging subscribers are disconnected.
    disconnects: bool,
    client_ends: RefCell<BTreeMap<String, u64>>,
    calm: u32,
    delay: u64,
    replicas: RefCell<Vec<Option<Rc<Life>>>>,
    links: RefCell<Vec<Link>>,
    /// Whether the faults have ended.
    pub(crate) is_calm: Cell<bool>,
    /// The newest entry of each topic, after the faults have ended.
    pub(crate) ends: RefCell<BTreeMap<&'static str, u64>>,
    /// Messages that were accepted.
    published: RefCell<Vec<(String, Published)>>,
    /// Messages that have ids of their publishers, with their topics.
    named: RefCell<Vec<(&'static str, String)>>,
    seen: Cell<Seen>,
}

/// A replica, from one start to the next stop.
pub(crate) struct Life {
    /// `None` when the replica stops. Its connections then end after their last messages.
    pub(crate) topics: RefCell<Option<Topics>>,
    link: Link,
    route: Route,
    /// The newest entry of the log when the replica was started.
    pub(crate) began: u64,
    /// Set to `true` when the connections are cut.
    pub(crate) crashed: watch::Sender<bool>,
}

impl World {
    fn new(seed: u64, rng: &mut Rng) -> Self {
        let history = rng.choice([1, 4, 32, 300]).unwrap();
        let heartbeat = rng.bool().then(|| Duration::from_millis(rng.u64(50..5_000)));
        let route = Route::builder().history(history).heartbeat(heartbeat);
        let disconnects = rng.u32(0..4) == 0;
        let policy = if disconnects { LagPolicy::Disconnect } else { LagPolicy::Gap };
        let route = route.burst_bytes(rng.choice([0, 500, 100_000]).unwrap());
        let publisher = Publisher::builder().patience(Duration::from_secs(rng.u64(1..20)));
        let recent = rng.choice([1, 8, 100, 1000]).unwrap();
        let mut store = if rng.bool() { Store::with_ids() } else { Store::default() };
        store.lists_ends = rng.bool();
        store.skips = rng.choice([0, 0, 5]).unwrap();
        Self {
            seed,
            recent,
            store: Arc::new(store),
            settings: Topics::builder()
                .route(route.lag_policy(policy))
                .recent(recent)
                .publisher(publisher.max_queued(rng.usize(10..1000))),
            disconnects,
            client_ends: RefCell::default(),
            calm: rng.choice([4, 20, 200, u32::MAX]).unwrap(),
            delay: rng.choice([0, 3, 30, 500]).unwrap(),
            replicas: RefCell::new((0..rng.usize(1..=3)).map(|_| None).collect()),
            links: RefCell::default(),
            is_calm: Cell::new(false),
            ends: RefCell::default(),
            published: RefCell::default(),
            named: RefCell::default(),
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

    /// Starts a replica, and tries again until the log answers.
    async fn start(&self, slot: usize) {
        loop {
            let link = self.link(Rng::with_seed(fastrand::u64(..)));
            if let Ok(topics) = self.settings.clone().build_on(link.clone()).await {
                let began = self.store.truth.lock().unwrap().entries.keys().next_back().copied().unwrap_or(0);
                let (route, crashed) = (topics.route("stats").unwrap(), watch::Sender::new(false));
                let topics = RefCell::new(Some(topics));
                self.replicas.borrow_mut()[slot] =
                    Some(Rc::new(Life { topics, link, route, began, crashed }));
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops a replica. Its connections are cut, or end after their last messages.
    fn stop(&self, slot: usize, is_crash: bool) {
        let Some(life) = self.replicas.borrow_mut()[slot].take() else { return };
        life.check(self.seed);
        let LogStats { reads, retries, .. } = life.stats();
        self.count(|seen| {
            seen.reads += reads;
            seen.retries += retries;
        });
        life.topics.take();
        life.crashed.send_replace(is_crash);
    }

    fn slots(&self) -> usize {
        self.replicas.borrow().len()
    }

    /// Returns whether the stream of a client may end though its topics have not.
    pub(crate) fn ends_early(&self, client: usize) -> bool {
        self.disconnects || self.client_ends.borrow().contains_key(&client.to_string())
    }

    /// Returns a replica that runs.
    pub(crate) fn any(&self, rng: &mut Rng) -> Option<Rc<Life>> {
        rng.choice(self.replicas.borrow().iter().flatten().cloned().collect::<Vec<_>>())
    }

    /// Makes trouble for the log, its links, and the replicas.
    async fn trouble(&self, rng: &mut Rng) {
        for _ in 0..rng.u32(10..50) {
            match rng.u32(0..16) {
                0 => {
                    let slot = rng.usize(..self.slots());
                    let (is_crash, pause) = (rng.bool(), rng.u64(0..1000));
                    self.stop(slot, is_crash);
                    self.count(|seen| seen.crashes += 1);
                    sleep(Duration::from_millis(pause)).await;
                    self.start(slot).await;
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
                6 | 7 => {
                    let Some(life) = self.any(rng) else { continue };
                    let topic = rng.choice(TOPICS).unwrap();
                    let topics = life.topics.borrow();
                    let topics = topics.as_ref().expect("the replica runs");
                    if self.store.truth.lock().unwrap().is_ended(topic) {
                        let _ = topics.open(topic).unwrap();
                        self.count(|seen| seen.opened += 1);
                    } else {
                        let _ = topics.route(topic).unwrap().close();
                        self.count(|seen| seen.closed += 1);
                    }
                }
                8 => {
                    let Some(life) = self.any(rng) else { continue };
                    let client = rng.u32(0..6).to_string();
                    *self.client_ends.borrow_mut().entry(client.clone()).or_default() += 1;
                    let topics = life.topics.borrow();
                    let topics = topics.as_ref().expect("the replica runs");
                    // The command may come twice, or the queue may be full: both are allowed.
                    let _ = topics.end_client(&client);
                    let _ = topics.route("a").unwrap().end_client(&client);
                    self.count(|seen| seen.client_ends += 1);
                }
                4 => self.store.trim(rng.choice([1, 3, 30, 300]).unwrap()),
                9 => self.store.evict(rng.choice(TOPICS).unwrap(), rng.choice([1, 3, 30, 100]).unwrap()),
                5 if rng.u32(0..3) == 0 => self.store.lose(rng.choice([1, 3, 30, 10_000]).unwrap()),
                _ => {}
            }
            sleep(Duration::from_millis(rng.u64(0..1000))).await;
        }
    }

    /// Runs a publisher from its first to its last message.
    async fn publish_all(&self, name: usize, mut rng: Rng) {
        let alone = Publisher::builder().patience(Duration::from_secs(2)).build(self.link(rng.fork()));
        let mut number = 0;
        for _ in 0..rng.u32(10..50) {
            let most = rng.choice([1, 5, 40, 400]).unwrap();
            let count = rng.usize(0..=most);
            let is_batch = rng.u32(0..4) == 0;
            let mut batch = Vec::new();
            for _ in 0..count {
                number += 1;
                batch.push(format!("{name} {number}"));
                if is_batch && batch.len() < count {
                    continue;
                }
                let mut topic = rng.choice(TOPICS).unwrap();
                // The messages of the first publisher are looked at for their order.
                let has_ids = self.store.has_ids && name > 0 && rng.bool();
                let earlier = rng.choice(&*self.named.borrow()).cloned();
                if let Some((of, data)) = earlier.filter(|_| has_ids && rng.u32(0..4) == 0) {
                    // Whether it was stored the first time, only the log knows.
                    topic = of;
                    batch.push(data);
                }
                let messages: Vec<_> = batch.iter().map(|data| message(data, has_ids)).collect();
                if has_ids {
                    self.named.borrow_mut().extend(batch.iter().map(|data| (topic, data.clone())));
                }
                let published = if name == 0 {
                    alone.publish_all(topic, &messages)
                } else {
                    match self.any(&mut rng) {
                        Some(life) => life
                            .topics
                            .borrow()
                            .as_ref()
                            .unwrap()
                            .route(topic)
                            .unwrap()
                            .publish_all(&messages),
                        None => Ok(Vec::new()),
                    }
                };
                match published {
                    Ok(published) => self.published.borrow_mut().extend(batch.drain(..).zip(published)),
                    Err(error) => {
                        assert!(matches!(error, PublishError::Full | PublishError::Closed), "{error}");
                        batch.clear();
                    }
                }
                if rng.u32(0..8) == 0 {
                    tokio::task::yield_now().await;
                }
            }
            self.count(|seen| seen.batches += u64::from(is_batch && count > 1));
            let longest = rng.choice([1, 50, 500, 3_000]).unwrap();
            sleep(Duration::from_millis(rng.u64(0..longest))).await;
        }
        alone.flush().await;
    }

    /// Ends the faults: later messages must arrive.
    async fn calm_down(&self) {
        self.is_calm.set(true);
        for link in &*self.links.borrow() {
            link.set(|weather| *weather = Weather::default());
        }
        let published = self.published.take();
        let stored = published.into_iter().map(async |(data, published)| (data, published.receipt().await));
        for (data, stored) in futures_util::future::join_all(stored).await {
            let Ok(receipt) = stored else { continue };
            self.count(|seen| seen.repeats += u64::from(receipt.is_repeat()));
            let id = receipt.id().expect("the message is an event").as_str();
            let Ok(position) = id.parse::<u64>() else {
                assert_eq!(id, own_id(&data), "SSE_SIMULATION_SEED={}", self.seed);
                continue;
            };
            let truth = self.store.truth.lock().unwrap();
            assert_eq!(truth.entries[&position].data, data, "SSE_SIMULATION_SEED={}", self.seed);
        }
        // A late replica learns of its losses now, so that no client misses the last message of each topic.
        sleep(Duration::from_secs(30)).await;
        if self.store.lists_ends {
            self.check_a_late_replica().await;
        }
        let last = Publisher::new(Link::new(&self.store));
        for topic in TOPICS {
            // If the topic is open already, this changes nothing.
            for life in self.replicas.borrow().iter().flatten() {
                let _ = life.topics.borrow().as_ref().expect("the replica runs").open(topic).unwrap();
            }
        }
        sleep(Duration::from_secs(30)).await;
        for topic in TOPICS {
            let published = last.publish(topic, &Message::new("9 9")).unwrap();
            let id = published.stored().await.unwrap().unwrap();
            self.ends.borrow_mut().insert(topic, id.as_str().parse().unwrap());
        }
    }

    /// A replica that starts now knows which topics have ended, however old their ends are.
    async fn check_a_late_replica(&self) {
        let late = self.settings.clone().build_on(Link::new(&self.store)).await.unwrap();
        for topic in TOPICS {
            let is_ended = self.store.truth.lock().unwrap().is_ended(topic);
            assert_eq!(
                late.route(topic).unwrap().is_closed(),
                is_ended,
                "SSE_SIMULATION_SEED={}: {topic}",
                self.seed
            );
            self.count(|seen| seen.late_ends += u64::from(is_ended));
        }
    }

    /// Each publisher's messages are in the log once and in order, unless a replica that has crashed had some left.
    fn check_the_log(&self) {
        let truth = self.store.truth.lock().unwrap();
        if truth.losses > 0 {
            return;
        }
        let mut known = std::collections::HashSet::new();
        let (mut alone, seed) = (0, self.seed);
        for Fact { data, .. } in
            truth.entries.values().filter(|fact| fact.data != "9 9" && !fact.data.is_empty())
        {
            assert!(known.insert(data), "SSE_SIMULATION_SEED={seed}: {data} is in the log twice");
            let (name, number) = data.split_once(' ').unwrap();
            let number: u64 = number.parse().unwrap();
            if name == "0" {
                assert!(number > alone, "SSE_SIMULATION_SEED={seed}: {number} comes after {alone}");
                alone = number;
            }
        }
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.get();
        count(&mut seen);
        self.seen.set(seen);
    }
}

/// A message of this data, with an id of its publisher or without.
fn message(data: &str, has_id: bool) -> Message<'_> {
    let message = Message::new(data);
    if has_id { message.id(EventId::try_from(own_id(data)).unwrap()) } else { message }
}

fn own_id(data: &str) -> String {
    format!("id {data}")
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stats: Vec<_> = self.replicas.borrow().iter().flatten().map(|life| life.stats()).collect();
        f.debug_struct("World").field("ends", &self.ends).field("stats", &stats).finish_non_exhaustive()
    }
}

impl Life {
    pub(crate) fn stats(&self) -> LogStats {
        self.route.stats().log.expect("the topics have a log")
    }

    /// A replica began anew only if the log did not know the position that it followed.
    fn check(&self, seed: u64) {
        let (losses, breaks) = (self.stats().losses, self.link.0.breaks.load(Ordering::Relaxed));
        assert!(losses <= breaks as u64, "SSE_SIMULATION_SEED={seed}: {losses} for {breaks}");
    }
}
