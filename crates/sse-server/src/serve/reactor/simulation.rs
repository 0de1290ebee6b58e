//! Streams on sockets that take a few bytes at a time, in random runs: each seed is another run.
//!
//! Clients read what their sockets have taken, and come back with their last id when a stream ends. The test checks the
//! promise for each of them.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use sse_codec::{Decoder, Message};
use sse_testing::ChunkedResponse;
use sse_testing::simulation::Simulation;
use tokio::time::sleep;

use super::super::open::Origin;
use super::pipe::{End, Socket, leave, origin, request};
use super::queue::{Message as Told, Queue};
use super::stream::Adopted;
use super::streams::Streams;
use crate::subscribe::Shutdown;
use crate::{LagPolicy, Route, Topics};

const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// A client, its connection, and the events that it has seen.
#[derive(Debug)]
struct Client {
    name: String,
    topics: Vec<usize>,
    has_filter: bool,
    connection: Option<(usize, End)>,
    body: ChunkedResponse,
    decoder: Decoder,
    /// The number of the last event of each topic. A topic is missing before its first event and after a gap.
    seen: BTreeMap<usize, u64>,
    gaps: u64,
}

struct World {
    seed: u64,
    rng: Rng,
    topics: Topics,
    routes: Vec<Route>,
    published: Vec<u64>,
    queue: Arc<Queue<Adopted<Socket>>>,
    streams: Streams<Socket>,
    clients: Vec<Client>,
    origin: Arc<Origin>,
    now: Instant,
    seen: Seen,
}

/// How often each thing has happened.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    events: u64,
    gaps: u64,
    heartbeats: u64,
    stalled: u64,
    ends: u64,
    returned: u64,
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.gaps += other.gaps;
        self.heartbeats += other.heartbeats;
        self.stalled += other.stalled;
        self.ends += other.ends;
        self.returned += other.returned;
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let policy = match rng.u32(0..4) {
            0 => LagPolicy::Disconnect,
            1 => LagPolicy::LatestPerKey,
            _ => LagPolicy::Gap,
        };
        let route = Route::builder()
            .history(rng.choice([1, 4, 32, 300]).unwrap())
            .burst_bytes(rng.choice([0, 500, 100_000]).unwrap())
            .heartbeat(rng.bool().then(|| Duration::from_millis(rng.u64(50..500))))
            .lag_policy(policy);
        let topics = Topics::builder().route(route).build();
        let routes: Vec<_> = ["a", "b", "c"].map(|name| topics.route(name).unwrap()).into();
        let queue = Queue::new(|| {});
        let streams = Streams::new(queue.clone(), WRITE_DEADLINE, Shutdown::new());
        let clients = (0..rng.usize(1..12)).map(|number| {
            let mut topics: Vec<_> = (0..3).filter(|_| rng.u32(0..4) == 0).collect();
            if topics.is_empty() {
                topics.push(rng.usize(0..3));
            }
            Client {
                name: (number % 4).to_string(),
                topics,
                has_filter: rng.u32(0..8) == 0,
                connection: None,
                body: ChunkedResponse::new(),
                decoder: Decoder::new(),
                seen: BTreeMap::new(),
                gaps: 0,
            }
        });
        let clients = clients.collect();
        Self {
            seed,
            rng,
            topics,
            routes,
            published: vec![0; 3],
            queue,
            streams,
            clients,
            origin: origin(),
            now: Instant::now(),
            seen: Seen::default(),
        }
    }

    /// Gives a turn to everything that was woken.
    fn pump(&mut self) {
        loop {
            for message in self.queue.take() {
                match message {
                    Told::Turn(turn) => self.streams.push(turn),
                    other => panic!("no test sends {other:?}"),
                }
            }
            if !self.streams.has_turns() {
                return;
            }
            self.streams.run(self.now);
            self.after_run();
            if self.rng.u32(0..8) == 0 {
                // A message may be published in between.
                self.publish();
            }
        }
    }

    /// Does what a shard does after each run.
    fn after_run(&mut self) {
        self.seen.returned += self.streams.returned().count() as u64;
        let mut ready = Vec::new();
        self.streams.poll_for_room(|key, socket| {
            let mut pipe = socket.0.pipe();
            pipe.is_polled_for_room = true;
            if pipe.is_full && pipe.room > 0 {
                pipe.is_full = false;
                ready.push(key);
            }
        });
        // The poller tells at once which sockets have room already.
        for key in ready {
            self.streams.writable(key, self.now);
        }
    }

    fn publish(&mut self) {
        let topic = self.rng.usize(0..3);
        let count = self.rng.choice([1, 1, 3, 40]).unwrap();
        for _ in 0..count {
            let padding = "x".repeat(self.rng.choice([0, 10, 500, 40_000]).unwrap_or(0) / count);
            let data = format!("{topic} {} {padding}", self.published[topic] + 1);
            // No two keys are the same, so that no message replaces another.
            let key = data.clone();
            match self.routes[topic].publish_keyed(&key, &Message::new(&*data)) {
                Ok(_) => self.published[topic] += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn connect(&mut self, number: usize) {
        let client = &mut self.clients[number];
        let id = client.decoder.last_event_id().to_owned();
        client.decoder.reset();
        client.body = ChunkedResponse::new();
        client.body.feed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let (request, handover) = request(&id);
        let names = client.topics.iter().map(|&topic| ["a", "b", "c"][topic]);
        let subscription = if client.topics.len() == 1 {
            self.routes[client.topics[0]].subscribe(&request)
        } else {
            self.topics.subscribe(&request, names)
        };
        let mut subscription = subscription.client(&client.name);
        if client.has_filter {
            subscription = subscription.filter(|_| true);
        }
        if id.is_empty() {
            client.seen = client.topics.iter().map(|&topic| (topic, self.published[topic])).collect();
        }
        let (opening, handed) = leave(subscription, &handover);
        assert!(client.decoder.next_event(&mut &opening[..]).unwrap().is_none());
        let end = End::with_room(0);
        end.pipe().at_once = self.rng.choice([1, 7, 100, usize::MAX]).unwrap();
        end.pipe().room = self.rng.choice([0, 5, 1_000, 100_000]).unwrap();
        client.connection = Some((self.streams.next_key(), end.clone()));
        let (socket, alive) = (Socket(end), self.origin.accept().stream());
        self.streams.adopt(Adopted { socket, handed, ahead: Vec::new(), alive }, self.now);
    }

    /// A client reads what its socket has taken, and its socket takes more.
    fn read(&mut self, number: usize, room: usize) {
        let client = &mut self.clients[number];
        let Some((key, end)) = client.connection.clone() else { return self.connect(number) };
        let mut pipe = end.pipe();
        let taken = std::mem::take(&mut pipe.taken);
        pipe.room = room;
        let takes_again = pipe.is_full && pipe.is_polled_for_room && room > 0;
        pipe.is_full &= !takes_again;
        let is_dropped = pipe.is_dropped;
        drop(pipe);
        if takes_again && !is_dropped {
            self.streams.writable(key, self.now);
        }
        let bytes = client.body.feed(&taken);
        let mut bytes = &bytes[..];
        self.seen.heartbeats += u64::from(bytes.windows(3).any(|bytes| bytes == b":\n\n"));
        while let Some(event) = client.decoder.next_event(&mut bytes).unwrap() {
            let topics: Vec<_> = client.topics.clone();
            if event.event_type() == "gap" {
                client.gaps += 1;
                self.seen.gaps += 1;
                client.seen.clear();
                continue;
            }
            self.seen.events += 1;
            let mut words = event.data().split(' ');
            let mut word = || words.next().unwrap().parse::<u64>().unwrap();
            let (topic, count) = (usize::try_from(word()).unwrap(), word());
            assert!(topics.contains(&topic), "seed {}", self.seed);
            let before = client.seen.insert(topic, count);
            assert!(
                before.is_none_or(|before| before + 1 == count),
                "seed {}: client {number} of {topics:?} had event {before:?} of {topic}, and event {count} comes next",
                self.seed
            );
        }
        if is_dropped || client.body.is_whole() {
            self.seen.ends += u64::from(client.body.is_whole());
            client.connection = None;
        }
    }

    fn step(&mut self) {
        self.after_run();
        let number = self.rng.usize(0..self.clients.len());
        match self.rng.u32(0..40) {
            0..16 => self.publish(),
            16..34 => {
                let room = self.rng.choice([0, 1, 30, 2_000, 100_000]).unwrap();
                self.read(number, room);
            }
            34 => {
                let Some((key, end)) = self.clients[number].connection.clone() else { return };
                end.pipe().is_closed_by_client = true;
                if !end.pipe().is_dropped {
                    // As the poller tells it.
                    self.streams.readable(key);
                    self.streams.closed(key);
                    assert!(end.pipe().is_dropped, "seed {}: the peer has closed the connection", self.seed);
                }
            }
            35 => {
                let Some((key, end)) = self.clients[number].connection.clone() else { return };
                end.pipe().sent_by_client.extend([b'x'; 3000]);
                if !end.pipe().is_dropped {
                    self.streams.readable(key);
                }
            }
            36 => {
                let client = self.rng.u32(0..4).to_string();
                self.topics.end_client(&client).unwrap();
            }
            37 => {
                self.now += Duration::from_secs(self.rng.u64(0..20));
                let before = self.streams.len();
                self.streams.cut(self.now);
                self.seen.stalled += (before - self.streams.len()) as u64;
            }
            _ => {}
        }
    }

    /// At the end, all clients read, and get everything.
    fn calm_down(&mut self) {
        for topic in 0..3 {
            self.published[topic] += 1;
            let data = format!("{topic} {} last", self.published[topic]);
            self.routes[topic].publish(&Message::new(&*data)).unwrap();
        }
        for _ in 0..2_000 {
            for number in 0..self.clients.len() {
                if let Some((_, end)) = &self.clients[number].connection {
                    end.pipe().at_once = usize::MAX;
                }
                self.read(number, usize::MAX);
            }
            for message in self.queue.take() {
                let Told::Turn(turn) = message else { panic!("no test sends {message:?}") };
                self.streams.push(turn);
            }
            self.streams.run(self.now);
            self.after_run();
            if self.clients.iter().all(|client| client.has_all(&self.published)) {
                return;
            }
        }
        let client = self.clients.iter().position(|client| !client.has_all(&self.published));
        let waiting = client.map(|number| &self.clients[number]);
        panic!("seed {}: {waiting:#?} waits in vain for {:?}", self.seed, self.published);
    }
}

impl Client {
    fn has_all(&self, published: &[u64]) -> bool {
        self.topics.iter().all(|topic| self.seen.get(topic) == Some(&published[*topic]))
    }
}

async fn simulate(seed: u64) -> Seen {
    let mut world = World::new(seed);
    for _ in 0..world.rng.u32(50..400) {
        world.step();
        if world.rng.bool() {
            world.pump();
        }
        if world.rng.u32(0..8) == 0 {
            sleep(Duration::from_millis(world.rng.u64(0..300))).await;
        }
    }
    world.calm_down();
    world.check_the_numbers();
    world.seen
}

impl World {
    fn check_the_numbers(&mut self) {
        for message in self.queue.take() {
            let Told::Turn(turn) = message else { panic!("no test sends {message:?}") };
            self.streams.push(turn);
        }
        while self.streams.has_turns() {
            self.streams.run(self.now);
            self.after_run();
        }
        let seed = self.seed;
        let open = self.clients.iter().filter(|client| client.connection.is_some());
        let topics: usize = open.map(|client| client.topics.len()).sum();
        let subscribers: usize = self.routes.iter().map(Route::subscribers).sum();
        assert_eq!(subscribers, topics, "seed {seed}: no disconnected subscriber is counted");
        let catching_up: usize = self.routes.iter().map(|route| route.stats().catching_up).sum();
        assert_eq!(catching_up, 0, "seed {seed}: all subscribers have read everything");
    }
}

#[test]
fn each_client_gets_all_events_in_order_or_a_gap_event() {
    let Some(seen) = Simulation::new().runs(40).run(simulate) else { return };
    // If one of these things does not happen, the runs do not test the promise.
    let Seen { events, gaps, heartbeats, stalled, ends, returned } = seen;
    assert!(events > 0 && gaps > 0 && heartbeats > 0, "{seen:?}");
    assert!(stalled > 0 && ends > 0 && returned > 0, "{seen:?}");
}
