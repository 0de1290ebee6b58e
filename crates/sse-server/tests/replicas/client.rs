//! A client of the simulation. It acts on what a client knows, and judges what it gets by what the log really
//! contained.

use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use http::StatusCode;
use http_body_util::BodyExt as _;
use sse_codec::Decoder;
use sse_testing::request;
use tokio::time::{Instant, sleep, timeout_at};

use crate::log::{Fact, Kind, Truth};
use crate::simulation::{Life, TOPICS, World};

/// A client that acts on what a client knows, and its judge.
pub(crate) struct Client {
    name: usize,
    topics: Vec<&'static str>,
    world: Rc<World>,
    rng: Rng,
    decoder: Decoder,
    /// The position up to which it has everything; `None` if it has not begun.
    read_to: Option<u64>,
    /// The newest event.
    newest: u64,
    /// Whether it was told that something after this position is missing.
    has_gap: bool,
    /// With several topics, one gap event is for all of them. So messages up to this position may be missing.
    excused: u64,
    /// What it has got, for the report of a failure.
    story: Vec<String>,
}

impl Client {
    pub(crate) fn new(name: usize, mut topics: Vec<&'static str>, world: Rc<World>, rng: Rng) -> Self {
        if topics.is_empty() {
            topics.push("a");
        }
        let (decoder, story) = (Decoder::new(), Vec::new());
        Self {
            name,
            topics,
            world,
            rng,
            decoder,
            read_to: None,
            newest: 0,
            has_gap: false,
            excused: 0,
            story,
        }
    }

    pub(crate) async fn run(mut self) {
        loop {
            let pause = self.rng.choice([1, 100, 3_000]).unwrap();
            sleep(Duration::from_millis(self.rng.u64(0..pause))).await;
            if self.rng.u32(0..20) == 0 && !self.world.is_calm.get() {
                // The client forgets its id, like a page that is loaded anew.
                (self.decoder, self.read_to, self.newest) = (Decoder::new(), None, 0);
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

    /// Returns whether it has everything that it must have at the end.
    fn has_all(&self) -> bool {
        let ends = self.world.ends.borrow();
        let newest = self.topics.iter().filter_map(|topic| ends.get(topic)).max();
        let is_known = ends.len() == TOPICS.len();
        is_known && newest.is_some_and(|newest| self.read_to.is_some_and(|read_to| read_to >= *newest))
    }

    /// Connects once, and reads until the connection is over. Returns whether it has got everything.
    async fn connect(&mut self, life: &Life, cut: Instant) -> bool {
        let id = self.decoder.last_event_id().to_owned();
        self.decoder.reset();
        let began_calm = self.world.is_calm.get();
        let mut losses = life.stats().losses;
        let names = self.topics.iter().copied();
        let subscription = life.topics.borrow().as_ref().unwrap().subscribe(&request(&id), names);
        let response = subscription.client(&self.name.to_string()).respond();
        if response.status() == StatusCode::NO_CONTENT {
            self.check_end(life);
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
            // A connection that began before the calm may be cut. A later one must bring everything.
            let until = if began_calm { Instant::now() + Duration::from_secs(1000) } else { cut };
            let look = until.min(Instant::now() + Duration::from_secs(1));
            let frame = tokio::select! {
                biased;
                _ = crashed.wait_for(|&crashed| crashed) => return false,
                frame = timeout_at(look, body.frame()) => frame,
            };
            // The ends may be known only after this client has read them.
            if self.has_all() {
                return true;
            }
            let frame = match frame {
                Err(_) if look < until => continue,
                Ok(Some(Ok(frame))) => frame,
                Ok(None) => {
                    // The streams of a client, or of a lagging one, may end at any time.
                    if !self.world.ends_early(self.name) {
                        self.check_end(life);
                    }
                    return false;
                }
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
                    "SSE_SIMULATION_SEED={}: client {} of {:?} after {:?}: {fault}\n{story:#?}\n\
                     trimmed {trimmed}, lost {lost}, {:?}",
                    self.world.seed,
                    self.name,
                    self.topics,
                    self.read_to,
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
        while let Some(event) = self.decoder.next_event(&mut bytes).expect("the event is small") {
            let event = event.to_event();
            self.story.push(format!("{} {:?} {}", event.event_type(), event.data(), event.last_event_id()));
            if event.event_type() == "gap" {
                *is_resuming = false;
                self.gap(life, losses)?;
                continue;
            }
            let position =
                event.last_event_id().parse().map_err(|_| "the id is not a position".to_owned())?;
            self.event(life, position, event.data())?;
            self.world.count(|seen| {
                seen.events += 1;
                seen.resumes += u64::from(std::mem::take(is_resuming));
            });
        }
        // An opening and a heartbeat have an id, but are not events.
        let id = self.decoder.last_event_id();
        if let Ok(position) = id.parse::<u64>()
            && self.read_to != Some(position)
        {
            self.story.push(format!("has read to {position}"));
            if self.read_to.is_some() {
                self.skip_to(position)?;
            }
            self.read_to = Some(position);
        }
        Ok(())
    }

    fn event(&mut self, life: &Life, position: u64, data: &str) -> Result<(), String> {
        let fact = self.world.store.truth.lock().unwrap().entries.get(&position).cloned();
        let fact = fact.ok_or("the message was never in the log")?;
        let is_alive =
            fact.kind == Kind::Message || fact.kind == Kind::Dead && !self.knows_end(life, position);
        if fact.data != data || !self.topics.contains(&&*fact.topic) || !is_alive {
            return Err(format!("at {position} there is {fact:?}"));
        }
        if position <= self.newest && !(self.has_gap && self.is_lost(self.newest)) {
            return Err("the client has had this event".to_owned());
        }
        self.skip_to(position - 1)?;
        (self.read_to, self.newest, self.has_gap) = (Some(position), position, false);
        Ok(())
    }

    /// Returns whether a replica must know the end that a message at this position came after. That is so if it has
    /// seen the end, or had it in memory at its start, and the log has not lost the end, and the replica has not begun
    /// anew.
    fn knows_end(&self, life: &Life, position: u64) -> bool {
        let truth = self.world.store.truth.lock().unwrap();
        let topic = &truth.entries[&position].topic;
        let mut before = truth.entries.range(..position).rev();
        let end = before
            .find(|(_, fact)| fact.topic == *topic && fact.kind == Kind::End)
            .map_or(0, |(end, _)| *end);
        let began = life.began;
        let was_there =
            end > truth.trimmed && truth.entries.range(end.min(began)..began).count() < self.world.recent;
        let is_at_hand = end >= began || was_there;
        // A replica knows the newest end and the newest opening of a topic.
        let changes =
            |kind| truth.entries.range(position..).any(|(_, fact)| fact.topic == *topic && fact.kind == kind);
        let is_newest = !(changes(Kind::End) && changes(Kind::Open));
        truth.losses == 0 && life.stats().losses == 0 && is_at_hand && is_newest
    }

    /// Checks that no message of its topics is missing up to this position, except those that the log has lost.
    fn skip_to(&self, position: u64) -> Result<(), String> {
        let read_to = self.read_to.ok_or("the client has no position")?;
        if self.has_gap {
            return Ok(());
        }
        if read_to > position {
            return Err(format!("it goes back to {position}"));
        }
        let truth = self.world.store.truth.lock().unwrap();
        let from = read_to.max(self.excused);
        let mut between = truth.entries.range(from.min(position)..=position).filter(|(at, _)| **at > from);
        let missing = between.find(|(_, fact)| is_due(fact) && self.topics.contains(&&*fact.topic));
        missing.map_or(Ok(()), |(at, fact)| Err(format!("{at} is missing: {fact:?}")))
    }

    /// Checks that a gap has a cause: this replica began anew since the last gap, or the log has lost the next
    /// messages.
    fn gap(&mut self, life: &Life, losses: &mut u64) -> Result<(), String> {
        let read_to = self.read_to.ok_or("a gap comes before the beginning")?;
        let truth = self.world.store.truth.lock().unwrap();
        let evicted = self.topics.iter().filter_map(|topic| truth.evicted.get(*topic)).max();
        let (trimmed, lost) = (truth.trimmed.max(evicted.copied().unwrap_or(0)), truth.lost);
        drop(truth);
        let told = std::mem::replace(losses, life.stats().losses);
        let began_anew = told < *losses;
        if !began_anew && trimmed <= read_to && lost < read_to {
            return Err("the gap has no cause".to_owned());
        }
        self.has_gap = true;
        if self.topics.len() > 1 {
            let truth = self.world.store.truth.lock().unwrap();
            self.excused = truth.entries.keys().next_back().copied().unwrap_or(0);
        }
        self.world.count(|seen| seen.gaps += 1);
        Ok(())
    }

    /// Checks the end of a stream: each topic must have ended, and no message before that end may be missing.
    fn check_end(&self, life: &Life) {
        if life.topics.borrow().is_none() {
            // The replica is stopping.
            return;
        }
        self.world.count(|seen| seen.ends += 1);
        let truth = self.world.store.truth.lock().unwrap();
        let read_to = self.read_to.unwrap_or(u64::MAX);
        for topic in &self.topics {
            let of_topic = || truth.entries.iter().filter(|(_, fact)| fact.topic == *topic);
            let is_change = |fact: &Fact| matches!(fact.kind, Kind::End | Kind::Open);
            let mut changes = of_topic().filter(|(at, fact)| **at <= read_to && is_change(fact));
            if changes.next_back().is_some_and(|(_, fact)| fact.kind == Kind::End) {
                // The client has read that end. The replica may not have seen yet that the topic was opened again.
                continue;
            }
            let mut ends = of_topic().filter(|(_, fact)| fact.kind == Kind::End).map(|(at, _)| *at);
            let end = ends.clone().find(|end| *end > read_to).or_else(|| ends.next_back());
            let missing = end.and_then(|end| {
                let before = |(at, fact): &(&u64, &Fact)| {
                    **at > read_to.max(self.excused) && **at < end && is_due(fact)
                };
                of_topic().find(before)
            });
            assert!(
                end.is_some() && (missing.is_none() || self.has_gap),
                "SSE_SIMULATION_SEED={}: client {} of {:?} after {:?} is told that {topic} has ended, at {end:?}, \
                 without {missing:?}",
                self.world.seed,
                self.name,
                self.topics,
                self.read_to
            );
        }
    }

    fn is_lost(&self, position: u64) -> bool {
        let truth = self.world.store.truth.lock().unwrap();
        truth.entries.get(&position).is_some_and(|fact| fact.is_lost)
    }
}

/// Returns whether a client must get the content of an entry.
fn is_due(fact: &Fact) -> bool {
    !fact.is_lost && fact.kind == Kind::Message
}
