//! The client, put to the test of chance: over whatever network, it gives every event of the server's, in order, each
//! once, none missing, or gives the server's word of a gap where some are.
//!
//! One run is one seed: a real `EventSource`, a real route of `sse-server`, and between them a network that delays,
//! cuts, stalls and breaks, on a clock that only goes on when all wait. So hours pass in milliseconds, and a seed gives
//! the same run each time. There is one connection at a time, so the network knows at each byte what the client must
//! know: its last event ID, the reconnection time, and from when on it may come again.
//!
//! ```text
//! SSE_SIMULATION_RUNS=10000 cargo test -p sse-client --release --lib simulation -- --nocapture
//! SSE_SIMULATION_SEED=42 cargo test -p sse-client --lib simulation -- --nocapture
//! ```

mod client;
mod network;

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use fastrand::Rng;
use sse_codec::EventType;
use sse_server::{Message, Route};
use sse_testing::simulation::{Simulation, Tally};
use tokio::time::{Instant, sleep};

use self::client::{Client, Standing};
use self::network::Fate;
use crate::Reconnect;

#[test]
fn events_arrive_in_order_and_once_or_a_gap_is_told() {
    let Some(facts) = Simulation::new().runs(300).run(simulate) else { return };
    assert_eq!(facts.seen().count(), Fact::Unavailable as usize + 1, "what does not happen is not tested");
}

#[test]
fn a_seed_gives_the_same_run() {
    let run = || Simulation::new().run_seed(7, simulate);
    assert_eq!(run(), run());
}

/// What happens in a run, and how often.
type Facts = Tally<Fact>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    Broke,
    Crashed,
    CutInCharacter,
    CutInLineEnding,
    Ended,
    Event,
    Gap,
    GapOfUnknownSize,
    HistoryLost,
    IdleTimedOut,
    MadeAnew,
    NextDropped,
    Redirected,
    Refused,
    ResponseTimedOut,
    Resumed,
    SleptOver,
    Unavailable,
}

async fn simulate(seed: u64) -> Facts {
    let mut rng = Rng::with_seed(seed);
    let world = Arc::new(Mutex::new(World::new(seed, &mut rng)));
    let client = Client::new(&world, rng.fork());
    tokio::join!(publish_all(&world, rng), client.run());
    let world = lock(&world);
    world.facts.clone()
}

/// The server, the network, and what the client must know.
struct World {
    seed: u64,
    rng: Rng,
    log: VecDeque<String>,
    facts: Facts,
    start: Instant,
    policy: Reconnect,
    response_timeout: Duration,
    initial_idle_timeout: Duration,
    idle_timeout: Duration,

    route: Route,
    history: usize,
    heartbeat: Option<Duration>,
    /// Which of the routes it is.
    life: u64,
    /// The newest number when this life began.
    born: u64,
    /// The id of each number that was published, from 1 on.
    ids: Vec<String>,
    /// Until then, nobody is there to connect to.
    down_until: Instant,
    crashes: u64,
    /// What the last crash made of the connection.
    crash: Fate,
    /// Wakes who reads the connection.
    waker: Option<Waker>,
    /// The newest number when the faults were over.
    calm: Option<u64>,
    is_done: bool,

    /// From then on the client may make its next attempt; `None` unless it has said that it waits for one.
    next_attempt: Option<Instant>,
    last_event_id: String,
    reconnection_time: Option<Duration>,
    retry_after: Duration,
    attempted: Instant,
    /// When the connection brought something, or else was opened.
    heard: Instant,
    event_received: bool,
    /// The life that the connection is of.
    connected: u64,
    /// Where the client came in, when it had no id.
    came_in: Standing,
}

/// In seconds.
const LONGEST_RETRY_AFTER: u64 = 120;

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().expect("the first panic ends the run")
}

fn millis(rng: &mut Rng, longest: &[u64]) -> Duration {
    let longest = rng.choice(longest).unwrap();
    Duration::from_millis(rng.u64(0..=*longest))
}

impl World {
    fn new(seed: u64, rng: &mut Rng) -> Self {
        let now = Instant::now();
        let time_out = |rng: &mut Rng, default| {
            let chosen = Duration::from_millis(rng.u64(500..30_000));
            if rng.bool() { chosen } else { Duration::from_secs(default) }
        };
        let ms = Duration::from_millis;
        let mut world = Self {
            seed,
            rng: rng.fork(),
            log: VecDeque::new(),
            facts: Facts::new(),
            start: now,
            policy: match rng.u32(0..4) {
                0 => Reconnect::standard(),
                1 => Reconnect::new().backoff(ms(10)..=ms(500)).reconnection_times(ms(10)..=ms(2_000)),
                _ => Reconnect::new(),
            },
            response_timeout: time_out(rng, 60),
            initial_idle_timeout: time_out(rng, 600),
            idle_timeout: time_out(rng, 300),
            route: Route::new(),
            history: rng.usize(4..=64),
            heartbeat: rng.bool().then(|| ms(rng.u64(200..20_000))),
            life: 0,
            born: 0,
            ids: Vec::new(),
            down_until: now,
            crashes: 0,
            crash: Fate::Holds,
            waker: None,
            calm: None,
            is_done: false,
            next_attempt: Some(now),
            last_event_id: String::new(),
            reconnection_time: None,
            retry_after: Duration::ZERO,
            attempted: now,
            heard: now,
            event_received: false,
            connected: 0,
            came_in: Standing::Nowhere,
        };
        world.start_server();
        world
    }

    fn note(&mut self, fact: Fact) {
        self.facts.count(fact);
        if fact != Fact::NextDropped {
            self.tell(format_args!("{fact:?}"));
        }
    }

    /// Keeps this for who has to find out what went wrong.
    fn tell(&mut self, what: impl Display) {
        self.log.truncate(30);
        self.log.push_front(format!("{:?} {what}", self.start.elapsed()));
    }

    #[track_caller]
    fn check(&self, holds: bool, fault: impl Display) {
        if !holds {
            self.fail(fault);
        }
    }

    #[track_caller]
    fn fail(&self, fault: impl Display) -> ! {
        panic!("SSE_SIMULATION_SEED={}: {fault}\nbefore it: {:#?}", self.seed, self.log);
    }

    fn newest(&self) -> u64 {
        self.ids.len() as u64
    }

    /// The newest number that the history has let go of by now.
    fn lost(&self) -> u64 {
        self.newest().saturating_sub(self.history as u64).max(self.born)
    }

    fn start_server(&mut self) {
        let time = millis(&mut self.rng, &[10, 1_000, 10_000]);
        let route = Route::builder().history(self.history).heartbeat(self.heartbeat);
        self.route = route.reconnection_time(time).build();
        self.born = self.newest();
    }

    fn publish(&mut self) {
        let (event_type, data) = content(self.seed, self.newest() + 1);
        let message = Message::new(data).event_type(EventType::from_static(event_type));
        let id = self.route.publish(&message).expect("it is open").id().cloned().expect("there is data");
        self.ids.push(id.as_str().to_owned());
    }

    /// The server is gone for a while, and perhaps its history for ever.
    fn crash(&mut self) {
        self.crashes += 1;
        self.crash = self.rng.choice([Fate::Breaks, Fate::Ends, Fate::Stalls]).unwrap();
        self.down_until = Instant::now() + millis(&mut self.rng, &[0, 1_000, 30_000, 300_000]);
        self.note(Fact::Crashed);
        if self.rng.bool() {
            self.life += 1;
            self.start_server();
            self.note(Fact::HistoryLost);
        }
        self.waker.take().into_iter().for_each(Waker::wake);
    }

    /// How long the client may take to recover from what happened before the calm: an attempt or a connection that
    /// leads nowhere, a wait, and what was slow.
    fn longest_recovery(&self) -> Duration {
        let silence = self.initial_idle_timeout.max(self.idle_timeout);
        self.response_timeout + silence + Duration::from_secs(LONGEST_RETRY_AFTER + 10 + 60 + 100)
    }
}

/// The type and the data of an event: of one line or many, small or large, with all that a decoder may take wrong.
fn content(seed: u64, number: u64) -> (&'static str, String) {
    const PIECES: [&str; 10] =
        ["x", "é", "日本", "🦀", "\n", "\n\n", ": ", "\ndata: ", "\nid: 7", "\u{feff}"];
    let mut rng = Rng::with_seed(seed.rotate_left(32) ^ number);
    let event_type = rng.choice(["message", "tick", "Übertragung"]).unwrap();
    let pieces = rng.usize(0..20);
    let text: String = (0..pieces).map(|_| rng.choice(PIECES).unwrap()).collect();
    let times = if rng.u32(0..20) == 0 { rng.usize(0..200) } else { 1 };
    (event_type, format!("{number} {}", text.repeat(times)))
}

/// The whole life of the server.
async fn publish_all(world: &Mutex<World>, mut rng: Rng) {
    for _ in 0..rng.u32(10..80) {
        if rng.u32(0..12) == 0 {
            lock(world).crash();
        }
        let most = if rng.u32(0..10) == 0 { 100 } else { 5 };
        (0..rng.usize(0..most)).for_each(|_| lock(world).publish());
        sleep(millis(&mut rng, &[0, 20, 500, 5_000, 60_000])).await;
        if rng.u32(0..50) == 0 {
            // Silence for longer than any of the client's time-outs.
            sleep(Duration::from_secs(1200)).await;
        }
    }
    let limit = {
        let mut world = lock(world);
        world.down_until = Instant::now();
        world.calm = Some(world.newest());
        world.tell("all is well now");
        Instant::now() + world.longest_recovery()
    };
    loop {
        // More than one, for a client that never had an id: it starts at the end.
        lock(world).publish();
        sleep(Duration::from_secs(10)).await;
        let world = lock(world);
        if world.is_done {
            return;
        }
        world.check(Instant::now() < limit, "the client does not come back");
    }
}
