//! The client of a run, and which events it may return.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use reqwest::{Method, Request};
use sse_codec::{Event, EventId};
use tokio::time::{Instant, sleep, timeout};

use super::network::{REDIRECTS, network};
use super::world::{Fact, Standing, World, content, lock, millis};
use crate::error::Error;
use crate::source::{EventSource, EventSourceBuilder, Notice, ReadyState};

/// Reads the events, and checks them.
pub(super) struct Client {
    world: Arc<Mutex<World>>,
    rng: Rng,
    source: EventSource,
    standing: Standing,
}

impl Client {
    pub(super) fn new(world: &Arc<Mutex<World>>, rng: Rng) -> Self {
        let source = source(world, "");
        Self { world: Arc::clone(world), rng, source, standing: Standing::Nowhere }
    }

    /// Reads, sleeps and restarts at random until the faults are over.
    pub(super) async fn run(mut self) {
        while !self.has_seen_the_calm() {
            let is_calm = lock(&self.world).calm.is_some();
            match self.rng.u32(0..100) {
                _ if is_calm => {}
                0..3 => {
                    lock(&self.world).note(Fact::SleptOver);
                    sleep(millis(&mut self.rng, &[100, 1_000, 30_000])).await;
                }
                3 => self.make_anew(),
                _ => {}
            }
            let patience = millis(&mut self.rng, &[0, 20, 1_000, 60_000]);
            match timeout(patience, self.source.next()).await {
                Ok(item) => self.judge(item.as_ref()),
                Err(_) => lock(&self.world).note(Fact::NextDropped),
            }
        }
        self.end().await;
    }

    fn has_seen_the_calm(&self) -> bool {
        let calm = lock(&self.world).calm;
        matches!((calm, self.standing), (Some(calm), Standing::After { number, .. }) if number > calm)
    }

    /// Replaces the source, like a program that is stopped and started again.
    fn make_anew(&mut self) {
        let id = self.source.last_event_id().to_owned();
        let mut world = lock(&self.world);
        world.note(Fact::MadeAnew);
        world.last_event_id.clone_from(&id);
        world.reconnection_time = None;
        world.next_attempt = Some(Instant::now());
        drop(world);
        self.source = source(&self.world, &id);
    }

    #[track_caller]
    fn judge(&mut self, item: Option<&Result<Event, Error>>) {
        let mut world = lock(&self.world);
        let standing = match item {
            Some(Ok(event)) if event.last_event_id() != self.source.last_event_id() => {
                Err("the source has another id".to_owned())
            }
            Some(Ok(event)) => world.judge(self.standing, event),
            _ => Err("this is not an event".to_owned()),
        };
        match standing {
            Ok(standing) => self.standing = standing,
            Err(fault) => world.fail(format_args!("{fault}: {item:?} for {:?}", self.standing)),
        }
    }

    /// Checks that an event comes at once when the faults are over. Then the route is closed, and the source must end.
    async fn end(mut self) {
        let newest = {
            let mut world = lock(&self.world);
            world.is_done = true;
            world.publish();
            world.newest()
        };
        while !matches!(self.standing, Standing::After { number, .. } if number == newest) {
            let item = timeout(Duration::from_millis(10), self.source.next()).await;
            lock(&self.world).check(item.is_ok(), format_args!("{newest} does not come"));
            self.judge(item.ok().flatten().as_ref());
        }
        lock(&self.world).route.close();
        let limit = lock(&self.world).longest_recovery();
        for _ in 0..3 {
            let end = timeout(limit, self.source.next()).await;
            lock(&self.world).check(matches!(end, Ok(None)), format_args!("{end:?} is not the end"));
        }
        assert_eq!(self.source.ready_state(), ReadyState::Closed);
    }
}

fn source(world: &Arc<Mutex<World>>, last_event_id: &str) -> EventSource {
    let url = "http://server.example/events".parse().expect("the URL is valid");
    let builder = EventSourceBuilder::new(network(world), Request::new(Method::GET, url));
    let id = EventId::try_from(last_event_id.to_owned()).expect("the id came from a source");
    let (observed, world) = (Arc::clone(world), lock(world));
    builder
        .last_event_id(id)
        .reconnect(world.policy.clone())
        .max_redirects(REDIRECTS)
        .response_timeout(world.response_timeout)
        .initial_idle_timeout(world.initial_idle_timeout)
        .idle_timeout(world.idle_timeout)
        .on_notice(move |notice| lock(&observed).notice(notice))
        .build()
        .expect("the request has no body")
}

impl World {
    /// Checks a notice of the client.
    fn notice(&mut self, notice: Notice<'_>) {
        let now = Instant::now();
        match notice {
            Notice::Opened { .. } => (self.heard, self.event_received) = (now, false),
            Notice::Waiting { delay, cause } => {
                self.check_cause(cause);
                let asked = self.policy.bounded_reconnection_time(self.reconnection_time);
                let least = asked.max(self.retry_after);
                let most = least + self.policy.longest_backoff();
                let is_right = least <= delay && delay <= most;
                self.check(is_right, format_args!("it waits {delay:?}, not {least:?} to {most:?}"));
                self.next_attempt = Some(now + delay);
            }
            _ => {}
        }
    }

    fn check_cause(&mut self, cause: Option<&Error>) {
        self.note(match cause {
            None => Fact::Ended,
            Some(Error::Read(_)) => Fact::Broke,
            Some(Error::Connect(_)) => Fact::NoConnection,
            Some(Error::Status(_)) => Fact::Unavailable,
            Some(Error::ResponseTimeout { after }) => {
                let is_right = *after == self.response_timeout && self.attempted.elapsed() >= *after;
                self.check(is_right, format_args!("the time-out of {after:?} is not over"));
                Fact::ResponseTimedOut
            }
            Some(Error::IdleTimeout { after }) => {
                let limit = if self.event_received { self.idle_timeout } else { self.initial_idle_timeout };
                let is_right = *after == limit && self.heard.elapsed() >= limit;
                self.check(
                    is_right,
                    format_args!("the idle time-out of {after:?}, set to {limit:?}, is not over"),
                );
                Fact::IdleTimedOut
            }
            Some(error) => self.fail(format_args!("{error:?} is final")),
        });
    }

    /// Returns where a client stands after this event, or why it must not get the event.
    fn judge(&mut self, standing: Standing, event: &Event) -> Result<Standing, String> {
        let at = if standing == Standing::Nowhere { self.came_in } else { standing };
        let (Standing::After { life: of, number: last } | Standing::Unknown { life: of, number: last }) = at
        else {
            return Err("the client has not connected yet".to_owned());
        };
        let (life, is_unknown) = (self.connected, matches!(at, Standing::Unknown { .. }));
        if event.event_type() == "gap" {
            let missed = event.data().strip_prefix("{\"missed\":").and_then(|data| data.strip_suffix('}'));
            let missed = missed.ok_or("the data is not that of a gap")?;
            if missed == "null" {
                self.note(Fact::GapOfUnknownSize);
                let standing = Standing::Unknown { life, number: last };
                return if of == life { Err("the server knows this id".to_owned()) } else { Ok(standing) };
            }
            let missed: u64 = missed.parse().map_err(|_| "the gap has no number")?;
            self.note(Fact::Gap);
            // If the start of the gap is unknown, the next number shows its end.
            let number = if is_unknown { last } else { last + missed };
            return if of != life || missed == 0 || (number > self.lost() && !is_unknown) {
                Err(format!("a gap up to {number}, but only the numbers up to {} are evicted", self.lost()))
            } else {
                Ok(if is_unknown { at } else { Standing::After { life, number } })
            };
        }
        let number = event.data().split_once(' ').and_then(|(number, _)| number.parse::<u64>().ok());
        let number = number.ok_or("the event has no number")?;
        // After a gap of unknown size, the oldest kept event follows.
        let gone = if is_unknown { last.max(self.lost()) } else { last };
        if of != life || number <= last || number > gone + 1 {
            return Err(format!(
                "{number} of {life} does not follow {last}, with the numbers up to {gone} evicted"
            ));
        }
        let id = usize::try_from(number).ok().and_then(|number| self.ids.get(number - 1));
        let (event_type, data) = content(self.seed, number);
        let found = (event.event_type(), event.data(), Some(event.last_event_id()));
        if found != (event_type, &data, id.map(String::as_str)) {
            return Err("the event is not as it was published".to_owned());
        }
        self.note(Fact::Event);
        Ok(Standing::After { life, number })
    }
}
