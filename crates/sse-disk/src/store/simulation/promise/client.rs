//! A client that knows what a client knows: the id of the last event that it has.

use std::rc::Rc;
use std::time::Duration;

use sse_server::log::{Position, timed};
use sse_server::{Item, Topics};
use tokio::time::{Instant, sleep, timeout_at};

use super::life::Life;
use super::truth::{History, Span};
use super::{END, TOPICS, World};

pub(super) struct Client {
    world: Rc<World>,
    rng: fastrand::Rng,
    history: History,
    last: Position,
    /// How many topics have come to their end.
    ends: usize,
}

impl Client {
    pub(super) fn new(world: Rc<World>, mut topics: Vec<&'static str>, rng: fastrand::Rng) -> Self {
        if topics.is_empty() {
            topics.push(TOPICS[0]);
        }
        let history = History { topics, spans: vec![Span::after(Position::START)] };
        Self { world, rng, history, last: Position::START, ends: 0 }
    }

    /// Reads until all topics have come to their end, over as many connections as it takes. Returns what it has got.
    pub(super) async fn run(mut self) -> History {
        while self.ends < self.history.topics.len() {
            let pause = self.rng.choice([1, 100, 2000]).unwrap();
            sleep(Duration::from_millis(self.rng.u64(..pause))).await;
            let Some(life) = self.world.life() else { continue };
            self.connect(&life).await;
        }
        self.history
    }

    /// Reads one connection, until it is cut or the process ends.
    async fn connect(&mut self, life: &Life) {
        let longest = self.rng.choice([5, 300, 10_000]).unwrap();
        let cut = Instant::now() + Duration::from_millis(self.rng.u64(..longest));
        let mut ended = life.ended();
        let topics: &Topics = life.topics();
        let names = self.history.topics.iter().copied();
        let mut events = topics.subscribe_from(&timed::text(self.last), names).into_events();
        let mut is_resuming = self.last != Position::START;
        while self.ends < self.history.topics.len() {
            let is_slow = !self.world.is_calm.get() && self.rng.u32(..30) == 0;
            if is_slow {
                sleep(Duration::from_millis(self.rng.u64(..500))).await;
            }
            let item = tokio::select! {
                biased;
                _ = ended.wait_for(|&ended| ended) => return,
                item = timeout_at(cut, events.next()) => item,
            };
            let Ok(Some(item)) = item else { return };
            let id = item.last_event_id().to_owned();
            let position = timed::parse(&id).unwrap_or_else(|| panic!("{id:?} is no id of this log"));
            match item {
                Item::Event(received) => {
                    let data = received.event().data();
                    self.world.truth.borrow_mut().see(position, received.topic(), data);
                    self.history.see(position);
                    self.ends += usize::from(data == END);
                    self.world.count("event");
                    if std::mem::take(&mut is_resuming) {
                        self.world.count("resumed");
                    }
                }
                Item::Gap(_) => {
                    let truth = self.world.truth.borrow();
                    truth.check_gap(self.last, life.has_begun_anew());
                    self.history.gap(position, life.newest().max(truth.newest()));
                    drop(truth);
                    is_resuming = false;
                    self.world.count("gap");
                }
                other => panic!("{other:?}"),
            }
            self.last = position;
        }
    }
}
