//! A hub that follows a log: what the log says becomes what its topics hold.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::backlog::Backlog;
use crate::channel::{self, Channel};
use crate::cursor::Cursor;
use crate::hub::{Hub, State};
use crate::ids::Ids;
use crate::log::{self, Outbox, Position, SharedLog};
use crate::recent::{Broken, Known, Recent};
use crate::ring::{Entry, Ring};
use crate::stats::LogStats;
use crate::trace;

/// How a hub reaches its log.
pub(crate) struct Replica {
    pub(crate) log: SharedLog,
    pub(crate) outbox: Outbox,
    pub(crate) backlog: Arc<Backlog>,
    pub(crate) follower: OnceLock<AbortHandle>,
}

/// How many entries that are at hand a subscriber takes at once.
const PAGE: usize = 256;

/// What a hub has seen of its log.
#[derive(Debug)]
pub(crate) struct Mirror {
    recent: Recent,
    /// The topics that there are here.
    names: HashMap<Arc<str>, usize>,
    /// How often the log began anew: a subscriber from before that has lost its place.
    generation: u32,
    is_following: bool,
    interruptions: u64,
}

impl Replica {
    pub(crate) fn new(log: SharedLog, outbox: Outbox) -> Self {
        let backlog = Arc::new(Backlog::new(log.clone()));
        Self { log, outbox, backlog, follower: OnceLock::new() }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(follower) = self.follower.get() {
            follower.abort();
        }
    }
}

impl Mirror {
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        Self {
            recent: Recent::new(messages, bytes),
            names: HashMap::new(),
            generation: 0,
            is_following: false,
            interruptions: 0,
        }
    }

    /// The entries right behind a position, if they are at hand.
    pub(crate) fn after(&self, position: Position) -> Option<Arc<[log::Entry]>> {
        Some(self.recent.after(position)?.take(PAGE).cloned().collect())
    }

    /// What there is of a topic.
    fn ring(&self, topic: &str, hub: &Hub, log: &SharedLog) -> Ring {
        let mut ring = hub.ring(self.recent.since().get());
        let now = hub.age(Instant::now());
        let entries = self.recent.of_topic(topic);
        entries.filter_map(|entry| ring_entry(entry, log, now)).for_each(|entry| ring.push(entry));
        ring
    }

    /// The cursor of a reader that comes with this last event ID, and whether the log must be asked for its place.
    fn resume<'r>(
        &self,
        last_event_id: &str,
        ids: &Ids,
        rings: impl Iterator<Item = &'r Ring>,
    ) -> (Cursor, bool) {
        let last = self.recent.last();
        if last_event_id.is_empty() {
            return (Cursor::behind(last.get()), false);
        }
        let Some(position) = ids.parse(last_event_id).map(Position::new) else {
            return (Cursor::lost(0), false);
        };
        let cursor = Cursor::behind(position.get());
        match self.recent.knows(position) {
            Known::Yes => (cursor, cursor.has_gap(rings)),
            Known::Ask => (cursor, true),
            Known::No => (Cursor::lost(position.get()), false),
        }
    }
}

impl State {
    /// The cursor of a reader that comes with this last event ID, and whether the log must be asked for its place.
    pub(crate) fn resume<'r>(
        &self,
        last_event_id: &str,
        hub: &Hub,
        rings: impl Iterator<Item = &'r Ring>,
    ) -> (Cursor, bool) {
        match &self.mirror {
            None => (Cursor::resume(last_event_id, &hub.ids, self.last, rings), false),
            Some(mirror) => mirror.resume(last_event_id, &hub.ids, rings),
        }
    }

    /// How often the log began anew.
    pub(crate) fn generation(&self) -> u32 {
        self.mirror.as_ref().map_or(0, |mirror| mirror.generation)
    }

    /// Makes a topic known by its name, and gives it what there is of it.
    pub(crate) fn name_topic(&mut self, key: usize, name: &Arc<str>, hub: &Hub) {
        let (Some(mirror), Some(replica)) = (&mut self.mirror, &hub.replica) else { return };
        mirror.names.insert(name.clone(), key);
        self.topics[key].ring = mirror.ring(name, hub, &replica.log);
    }

    /// Forgets the name of a topic that is dropped, if no other has taken it over.
    pub(crate) fn forget_topic(&mut self, key: usize, name: &str) {
        if let Some(mirror) = &mut self.mirror
            && mirror.names.get(name) == Some(&key)
        {
            mirror.names.remove(name);
        }
    }
}

impl Hub {
    /// Begins with the newest entries of the log, for the first time or anew.
    pub(crate) fn begin(&self, entries: Vec<log::Entry>) {
        let Some(replica) = &self.replica else { return };
        let mut state = self.lock();
        let State { last, topics, mirror: Some(mirror), .. } = &mut *state else { return };
        mirror.recent.begin(entries);
        mirror.generation = mirror.generation.wrapping_add(1);
        mirror.is_following = true;
        *last = mirror.recent.last().get();
        // Dropped behind the lock: they may be large.
        let mut dropped = Vec::with_capacity(topics.len());
        for (name, &key) in &mirror.names {
            let topic = &mut topics[key];
            // One that is closed gets nothing any more.
            if !topic.is_closed {
                dropped.push(mem::replace(&mut topic.ring, mirror.ring(name, self, &replica.log)));
            }
        }
        let touched: Vec<_> = topics.iter().filter_map(|(_, topic)| topic.channel.upgrade()).collect();
        channel::wake_all(&touched, state);
        drop(dropped);
        replica.backlog.clear();
    }

    /// Takes what is new in the log, and wakes the subscribers. Returns the position of the newest entry; if the
    /// entries do not go on where the last ones ended, the log must be begun anew.
    pub(crate) fn take_in(&self, entries: Vec<log::Entry>) -> Result<Position, Broken> {
        let Some(replica) = &self.replica else { return Err(Broken) };
        let now = Instant::now();
        let age = self.age(now);
        let mut state = self.lock();
        let State { last, topics, mirror: Some(mirror), .. } = &mut *state else { return Err(Broken) };
        if !mem::replace(&mut mirror.is_following, true) {
            trace::following_again();
        }
        let mut touched: Vec<Arc<Channel>> = Vec::new();
        let mut result = Ok(());
        for entry in entries {
            let topic = entry.record.as_ref().and_then(|record| mirror.names.get(record.topic()));
            let new = topic.and_then(|&key| Some((key, ring_entry(&entry, &replica.log, age)?)));
            result = mirror.recent.push(entry);
            if result.is_err() {
                break;
            }
            *last = mirror.recent.last().get();
            let Some((key, entry)) = new else { continue };
            let topic = &mut topics[key];
            if topic.is_closed {
                continue;
            }
            topic.ring.push(entry);
            topic.stats.published += 1;
            topic.beats.last_sent = now;
            if !touched.iter().any(|channel| channel.key() == key) {
                touched.extend(topic.channel.upgrade());
            }
        }
        let position = mirror.recent.last();
        channel::wake_all(&touched, state);
        result.map(|()| position)
    }

    /// The log can't be followed at the moment.
    pub(crate) fn lose_sight(&self) {
        if let Some(mirror) = &mut self.lock().mirror {
            mirror.interruptions += u64::from(mirror.is_following);
            mirror.is_following = false;
            mirror.recent.lose_sight();
        }
    }

    /// The task that follows the log ends with the hub.
    pub(crate) fn stop_with(&self, follower: AbortHandle) {
        if let Some(replica) = &self.replica {
            let _ = replica.follower.set(follower);
        }
    }

    /// How it stands with the log.
    pub(crate) fn log_stats(&self, state: &State) -> Option<LogStats> {
        let (mirror, replica) = (state.mirror.as_ref()?, self.replica.as_ref()?);
        let numbers = replica.outbox.numbers();
        Some(LogStats {
            is_following: mirror.is_following,
            interruptions: mirror.interruptions,
            losses: mirror.generation.saturating_sub(1).into(),
            reads: replica.backlog.reads(),
            queued: numbers.queued,
            appended: numbers.appended,
            failed: numbers.failed,
            retries: numbers.retries,
        })
    }
}

/// An entry of the log as a ring holds it.
fn ring_entry(entry: &log::Entry, log: &SharedLog, at: Duration) -> Option<Entry> {
    let record = entry.record.as_ref()?;
    let (block, id) = record.block(|| log.id(entry.position));
    Some(Entry { sequence: entry.position.get(), at, block, id, key: record.shared_key() })
}
