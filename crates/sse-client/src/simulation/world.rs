//! The state of a run: the server, and what the client must know.

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use fastrand::Rng;
use sse_codec::EventType;
use sse_server::{Message, Route};
use sse_testing::simulation::Tally;
use tokio::time::Instant;

use crate::reconnect::Reconnect;

/// How often each fact happens in a run.
pub(super) type Facts = Tally<Fact>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
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
    NoConnection,
    Redirected,
    ResponseTimedOut,
    Resumed,
    SleptOver,
    Unavailable,
}

/// The server, the network, and what the client must know.
pub(super) struct World {
    pub(super) seed: u64,
    pub(super) rng: Rng,
    pub(super) log: VecDeque<String>,
    pub(super) facts: Facts,
    pub(super) start: Instant,
    pub(super) policy: Reconnect,
    pub(super) response_timeout: Duration,
    pub(super) initial_idle_timeout: Duration,
    pub(super) idle_timeout: Duration,

    pub(super) route: Route,
    pub(super) history: usize,
    pub(super) heartbeat: Option<Duration>,
    /// The number of the route. Each loss of the history begins another one.
    pub(super) life: u64,
    /// The newest number when this life began.
    pub(super) born: u64,
    /// The ids of the published numbers, from 1 on.
    pub(super) ids: Vec<String>,
    /// Until then, the server can't be reached.
    pub(super) down_until: Instant,
    pub(super) crashes: u64,
    /// What the last crash did to the connection.
    pub(super) crash: Fate,
    /// Wakes the task that reads the connection.
    pub(super) waker: Option<Waker>,
    /// The newest number when the faults were over.
    pub(super) calm: Option<u64>,
    pub(super) is_done: bool,

    /// The earliest time of the client's next attempt, or `None` unless the client has said that it waits.
    pub(super) next_attempt: Option<Instant>,
    pub(super) last_event_id: String,
    pub(super) reconnection_time: Option<Duration>,
    pub(super) retry_after: Duration,
    pub(super) attempted: Instant,
    /// When the connection brought bytes last, or was opened.
    pub(super) heard: Instant,
    pub(super) event_received: bool,
    /// The life of the server of the connection.
    pub(super) connected: u64,
    /// Where the client started without an id.
    pub(super) came_in: Standing,
}

/// What the client has received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Nowhere,
    /// All events up to this number, from the server of this life.
    After { life: u64, number: u64 },
    /// A gap of unknown size after this number.
    Unknown { life: u64, number: u64 },
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Holds,
    Breaks,
    Ends,
    Stalls,
}

/// In seconds.
pub(super) const LONGEST_RETRY_AFTER: u64 = 120;

pub(super) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().expect("the first panic ends the run")
}

pub(super) fn millis(rng: &mut Rng, longest: &[u64]) -> Duration {
    let longest = rng.choice(longest).unwrap();
    Duration::from_millis(rng.u64(0..=*longest))
}

impl World {
    pub(super) fn new(seed: u64, rng: &mut Rng) -> Self {
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

    pub(super) fn note(&mut self, fact: Fact) {
        self.facts.count(fact);
        if fact != Fact::NextDropped {
            self.tell(format_args!("{fact:?}"));
        }
    }

    /// Adds a line to the log, which a failure shows.
    pub(super) fn tell(&mut self, what: impl Display) {
        self.log.truncate(30);
        self.log.push_front(format!("{:?} {what}", self.start.elapsed()));
    }

    #[track_caller]
    pub(super) fn check(&self, holds: bool, fault: impl Display) {
        if !holds {
            self.fail(fault);
        }
    }

    #[track_caller]
    pub(super) fn fail(&self, fault: impl Display) -> ! {
        panic!("SSE_SIMULATION_SEED={}: {fault}\nbefore it: {:#?}", self.seed, self.log);
    }

    pub(super) fn newest(&self) -> u64 {
        self.ids.len() as u64
    }

    /// The newest number that the history has evicted by now.
    pub(super) fn lost(&self) -> u64 {
        self.newest().saturating_sub(self.history as u64).max(self.born)
    }

    pub(super) fn start_server(&mut self) {
        let time = millis(&mut self.rng, &[10, 1_000, 10_000]);
        let route = Route::builder().history(self.history).heartbeat(self.heartbeat);
        self.route = route.reconnection_time(time).build();
        self.born = self.newest();
    }

    pub(super) fn publish(&mut self) {
        let (event_type, data) = content(self.seed, self.newest() + 1);
        let message = Message::new(data).event_type(EventType::from_static(event_type));
        let id = self
            .route
            .publish(&message)
            .expect("the route is open")
            .id()
            .cloned()
            .expect("the message has data");
        self.ids.push(id.as_str().to_owned());
    }

    /// Stops the server for a while. Its history may be lost.
    pub(super) fn crash(&mut self) {
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

    /// Returns how long the client may take to recover from the faults: one attempt or connection that fails, one wait,
    /// and delays.
    pub(super) fn longest_recovery(&self) -> Duration {
        let silence = self.initial_idle_timeout.max(self.idle_timeout);
        self.response_timeout + silence + Duration::from_secs(LONGEST_RETRY_AFTER + 10 + 60 + 100)
    }
}

/// Returns the type and the data of an event: of one line or many, small or large, with text that looks like fields.
pub(super) fn content(seed: u64, number: u64) -> (&'static str, String) {
    const PIECES: [&str; 10] =
        ["x", "é", "日本", "🦀", "\n", "\n\n", ": ", "\ndata: ", "\nid: 7", "\u{feff}"];
    let mut rng = Rng::with_seed(seed.rotate_left(32) ^ number);
    let event_type = rng.choice(["message", "tick", "Übertragung"]).unwrap();
    let pieces = rng.usize(0..20);
    let text: String = (0..pieces).map(|_| rng.choice(PIECES).unwrap()).collect();
    let times = if rng.u32(0..20) == 0 { rng.usize(0..200) } else { 1 };
    (event_type, format!("{number} {}", text.repeat(times)))
}
