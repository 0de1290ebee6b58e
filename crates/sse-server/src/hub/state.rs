//! The state of a hub, which its lock protects.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use super::settings::Settings;
use super::source::Source;
use super::stats::{LogStats, Stats, TopicsStats};
use super::topic_state::{Signals, TopicState};
use crate::history::{Begun, Broken, Cursor, Entry, Kept, Known, Memory, OwnIds, Position, Recent, Ring};
use crate::log::SharedLog;
use crate::message::{Body, Control, fingerprint};

/// The topics, and their common order.
pub(crate) struct State {
    /// The position of the newest message of any topic; with a log, of its newest entry.
    last: Position,
    /// The newest position of any topic that was dropped.
    dropped: Position,
    topics: Slab<TopicState>,
    /// The memory that the topics take together.
    memory: Memory,
    /// The counts of topics that were dropped.
    past: Stats,
    /// The names of dropped topics whose publishers gave ids, as hashes, and in the order in which they were dropped.
    forgotten: HashSet<u64>,
    forgotten_order: VecDeque<u64>,
    view: View,
}

/// How many names of dropped topics are remembered.
const REMEMBERED: usize = 16 * 1024;

/// What a hub has seen of its log; empty without a log.
struct View {
    recent: Recent,
    /// The topics of this process.
    names: HashMap<Arc<str>, usize>,
    /// How often the log began anew. The position of a subscriber from before that is no longer valid.
    generation: u32,
    is_following: bool,
    interruptions: u64,
}

/// Where a subscriber begins.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    pub(crate) cursor: Cursor,
    pub(crate) reads_on: ReadsOn,
}

/// Where a subscriber's next message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadsOn {
    /// The rings.
    Rings,
    /// The log: the rings do not go back far enough.
    Log,
    /// The log, which must first be asked for the position of a publisher's id.
    Id,
}

/// What the caller must do after entries were taken in, when the lock is released.
#[derive(Debug, Default)]
pub(crate) struct TakenIn {
    /// The topics whose subscribers must be woken.
    pub(crate) touched: Vec<usize>,
    /// Whether the entries do not come directly after the last ones.
    pub(crate) is_broken: bool,
}

impl State {
    /// Returns the state of a hub that keeps this number of the newest entries of its log, and whose topics may take
    /// `max_memory` together.
    pub(crate) fn new(recent_messages: usize, recent_bytes: usize, max_memory: usize) -> Self {
        let view = View {
            recent: Recent::new(recent_messages, recent_bytes),
            names: HashMap::new(),
            generation: 0,
            is_following: false,
            interruptions: 0,
        };
        Self {
            last: Position::START,
            dropped: Position::START,
            topics: Slab::new(),
            memory: Memory::up_to(max_memory),
            past: Stats::default(),
            forgotten: HashSet::new(),
            forgotten_order: VecDeque::new(),
            view,
        }
    }

    /// Returns the position of the newest message.
    pub(crate) fn last(&self) -> Position {
        self.last
    }

    /// Returns the position for the next message.
    pub(crate) fn next_position(&mut self) -> Position {
        self.last = self.last.next();
        self.last
    }

    pub(crate) fn topic(&self, key: usize) -> &TopicState {
        &self.topics[key]
    }

    pub(crate) fn topic_mut(&mut self, key: usize) -> &mut TopicState {
        &mut self.topics[key]
    }

    /// Returns a topic that may have been dropped meanwhile.
    pub(crate) fn get_topic_mut(&mut self, key: usize) -> Option<&mut TopicState> {
        self.topics.get_mut(key)
    }

    pub(crate) fn rings(
        &self,
        keys: impl Iterator<Item = usize> + Clone,
    ) -> impl Iterator<Item = &Ring> + Clone {
        keys.map(|key| self.topics[key].ring())
    }

    /// Adds a topic. With a log, it begins with the messages that were seen of it.
    pub(crate) fn add_topic(
        &mut self,
        name: &Arc<str>,
        signals: Arc<Signals>,
        source: &Source,
        settings: &Settings,
        now: Duration,
    ) -> usize {
        let topic = match source {
            Source::Memory(_) => {
                // An earlier topic of this name may be about to be dropped.
                let earlier = self.view.names.get(name).map(|&key| &self.topics[key]);
                let evicted = earlier.map_or(self.dropped, |topic| self.dropped.max(topic.ring().newest()));
                let has_lost_own_ids = earlier.is_some_and(TopicState::has_own_ids)
                    || self.forgotten.contains(&fingerprint(&**name));
                let ring = new_ring(settings, evicted, &self.memory);
                let mut topic = TopicState::new(ring, OwnIds::new(self.memory.share()), settings, signals);
                if has_lost_own_ids {
                    topic.lose_own_ids();
                }
                topic
            }
            Source::Log(replica) => {
                let (ring, own_ids) = self.view.topic(name, settings, replica.log(), now, &self.memory);
                let mut topic = TopicState::new(ring, own_ids, settings, signals);
                topic.set_lifetime(self.view.recent.lifetime(name));
                topic
            }
        };
        let key = self.topics.insert(topic);
        self.view.names.insert(name.clone(), key);
        self.topics[key].take_place(key, &mut self.memory);
        self.make_room();
        key
    }

    /// Appends a message to a topic, and makes room for it. The caller must [notify](TopicState::touch) the
    /// subscribers.
    pub(crate) fn push(&mut self, key: usize, kept: Kept, now: Instant) {
        let topic = &mut self.topics[key];
        topic.push(kept, now);
        topic.need_place(key, &mut self.memory);
        self.make_room();
    }

    /// Evicts the oldest messages and ids of all topics until the rest is within the limit. The newest message stays.
    fn make_room(&mut self) {
        while self.memory.is_over()
            && let Some((place, key)) = self.memory.oldest()
            && place < self.last
        {
            let topic = &mut self.topics[key];
            if topic.oldest() == Some(place) {
                topic.make_room();
            }
            topic.take_place(key, &mut self.memory);
        }
    }

    /// Returns how much memory the topics may take together.
    pub(crate) fn max_memory(&self) -> usize {
        self.memory.bound()
    }

    /// Returns the counts of all topics, together and for each.
    pub(crate) fn stats(&self, source: &Source) -> TopicsStats {
        let mut total = Stats { log: self.log_stats(source), ..self.past };
        self.topics.iter().for_each(|(_, topic)| total.add(&topic.stats()));
        let each = self.view.names.iter().map(|(name, &key)| (name.clone(), self.topics[key].stats()));
        TopicsStats { total, topics: each.collect(), max_memory: self.max_memory() }
    }

    /// Removes a topic. A client that resumes in a later topic of this name gets a gap event.
    #[must_use = "it may be large: drop it without the lock"]
    pub(crate) fn drop_topic(&mut self, key: usize, name: &str) -> TopicState {
        // Another topic may have this name by now.
        if self.view.names.get(name) == Some(&key) {
            self.view.names.remove(name);
        }
        let mut topic = self.topics.remove(key);
        topic.leave_place(key, &mut self.memory);
        self.past.add(&Stats { history: 0, memory: 0, ..topic.stats() });
        self.dropped = self.dropped.max(topic.ring().newest());
        if topic.has_own_ids() && self.forgotten.insert(fingerprint(name)) {
            self.forgotten_order.push_back(fingerprint(name));
            if self.forgotten_order.len() > REMEMBERED
                && let Some(oldest) = self.forgotten_order.pop_front()
            {
                self.forgotten.remove(&oldest);
            }
        }
        topic
    }

    /// Returns where a subscriber begins that resumes after this last event ID. With an empty id, it reads from now on.
    /// The id may be one that a publisher gave to an event of the topic `own_id_key`.
    pub(crate) fn resume(
        &self,
        own_id_key: Option<usize>,
        keys: impl Iterator<Item = usize> + Clone,
        last_event_id: &str,
        source: &Source,
    ) -> Resume {
        let here = |cursor| Resume { cursor, reads_on: ReadsOn::Rings };
        if last_event_id.is_empty() {
            return here(Cursor::after(self.last));
        }
        let known = source.position(last_event_id);
        match source {
            Source::Memory(_) => {
                let known = known.filter(|&position| position <= self.last);
                let own = || self.topics[own_id_key?].resume_by_own_id(fingerprint(last_event_id));
                here(known.map(Cursor::after).or_else(own).unwrap_or(Cursor::unknown_after(Position::START)))
            }
            Source::Log(replica) => {
                let own = || self.topics[own_id_key?].own_id_position(fingerprint(last_event_id));
                let Some(position) = known.or_else(own) else {
                    let unknown = Cursor::unknown_after(Position::START);
                    let is_own = own_id_key.is_some() && replica.may_be_own_id(last_event_id);
                    return if is_own {
                        Resume { cursor: unknown, reads_on: ReadsOn::Id }
                    } else {
                        here(unknown)
                    };
                };
                let cursor = Cursor::after(position);
                match self.view.recent.knows(position) {
                    Known::Yes if cursor.has_gap(self.rings(keys)) => {
                        Resume { cursor, reads_on: ReadsOn::Log }
                    }
                    Known::Yes => here(cursor),
                    Known::Ask => Resume { cursor, reads_on: ReadsOn::Log },
                    Known::No => here(Cursor::unknown_after(position)),
                }
            }
        }
    }

    /// Returns the name of the topic of an event with a hub's id, if the event is in memory.
    pub(crate) fn topic_of(&self, position: Position) -> Option<Arc<str>> {
        let is_here = |key: usize| {
            let before = Position::new(position.get().checked_sub(1)?);
            self.topics.get(key)?.ring().after(before).next().filter(|kept| kept.position == position)
        };
        let name =
            self.view.names.iter().find(|(_, key)| is_here(**key).is_some()).map(|(name, _)| name.clone());
        name.or_else(|| self.view.recent.topic_of(position))
    }

    /// Returns how often the log began anew.
    pub(crate) fn generation(&self) -> u32 {
        self.view.generation
    }

    /// Returns the entries of the log directly after a position, if they are in memory.
    pub(crate) fn recent_after(&self, position: Position) -> Option<impl Iterator<Item = &Entry>> {
        self.view.recent.after(position)
    }

    /// Begins with what was read of the log, for the first time or anew. Returns what it held before, which the
    /// caller drops without the lock. All subscribers must be woken.
    #[must_use = "it may be large: drop it without the lock"]
    pub(crate) fn begin(
        &mut self,
        begun: Begun,
        settings: &Settings,
        log: &SharedLog,
        now: Duration,
    ) -> Vec<(Ring, OwnIds)> {
        let Self { last, topics, view, memory, .. } = self;
        view.recent.begin(begun);
        view.generation = view.generation.wrapping_add(1);
        view.is_following = true;
        *last = view.recent.last();
        let mut dropped = Vec::with_capacity(topics.len());
        for (name, &key) in &view.names {
            let topic = &mut topics[key];
            // The log may have lost the end of the topic.
            topic.set_lifetime(view.recent.lifetime(name));
            let (ring, own_ids) = view.topic(name, settings, log, now, memory);
            dropped.push(topic.replace(ring, own_ids));
            topic.take_place(key, memory);
        }
        self.make_room();
        dropped
    }

    /// Takes in new entries of the log.
    pub(crate) fn take_in(
        &mut self,
        entries: Vec<Entry>,
        log: &SharedLog,
        at: Duration,
        now: Instant,
    ) -> TakenIn {
        self.view.is_following = true;
        let mut taken = TakenIn::default();
        for entry in entries {
            let Entry { position, previous, record } = entry.clone();
            if self.view.recent.push(entry) == Err(Broken) {
                taken.is_broken = true;
                break;
            }
            self.last = position;
            let Some(record) = record else { continue };
            if let Body::Control(Control::EndClient { client, everywhere: true }) = record.body() {
                taken.touched.extend(self.end_client(client));
            }
            let Some(&key) = self.view.names.get(record.topic()) else { continue };
            let topic = &mut self.topics[key];
            match record.body() {
                Body::Control(Control::End { spread }) => topic.end(position, *spread),
                Body::Control(Control::Open) => topic.open(position),
                Body::Control(Control::EndClient { client, .. }) => _ = topic.end_client(client),
                Body::Control(Control::Evicted) => topic.evict_until(position),
                Body::Message { .. } if topic.is_ended() => continue,
                Body::Message { .. } => {
                    let Some(block) = record.block(|| log.id(position)) else { continue };
                    if let Some(id) = record.id() {
                        // What tells one message from another with this id, the log knows.
                        topic.remember_own_id(fingerprint(id.as_str()), position, 0);
                    }
                    self.push(key, Kept::new(position, previous, at, block), now);
                }
            }
            if taken.touched.last() != Some(&key) {
                taken.touched.push(key);
            }
        }
        taken.touched.sort_unstable();
        taken.touched.dedup();
        taken
    }

    /// Ends the streams of a client on all topics. Returns the topics whose subscribers must be woken.
    pub(crate) fn end_client(&mut self, client: &str) -> Vec<usize> {
        let mut touched = Vec::new();
        for (key, topic) in &mut self.topics {
            if topic.end_client(client) {
                touched.push(key);
            }
        }
        touched
    }

    /// Returns the keys of all topics.
    pub(crate) fn keys(&self) -> Vec<usize> {
        self.topics.iter().map(|(key, _)| key).collect()
    }

    /// Notes that the log can't be followed at the moment.
    pub(crate) fn lose_sight(&mut self) {
        self.view.interruptions += u64::from(self.view.is_following);
        self.view.is_following = false;
        self.view.recent.lose_sight();
    }

    /// Returns the counts and the state of the log, if there is one.
    pub(crate) fn log_stats(&self, source: &Source) -> Option<LogStats> {
        Some(LogStats {
            is_following: self.view.is_following,
            interruptions: self.view.interruptions,
            losses: self.view.generation.saturating_sub(1).into(),
            ..source.replica()?.stats()
        })
    }
}

impl View {
    /// What there is of a topic, and the ids of its publishers there.
    fn topic(
        &self,
        topic: &str,
        settings: &Settings,
        log: &SharedLog,
        now: Duration,
        memory: &Memory,
    ) -> (Ring, OwnIds) {
        let mut ring = new_ring(settings, self.recent.since(), memory);
        let mut own_ids = OwnIds::new(memory.share());
        let mut is_ended = self.recent.lifetime(topic).has_ended_at(self.recent.since()).unwrap_or(false);
        for entry in self.recent.of_topic(topic) {
            let Some(record) = &entry.record else { continue };
            match record.body() {
                Body::Control(Control::End { .. }) => is_ended = true,
                Body::Control(Control::Open) => is_ended = false,
                Body::Control(Control::EndClient { .. }) => {}
                Body::Control(Control::Evicted) => ring.evict_until(entry.position),
                Body::Message { .. } if is_ended => {}
                Body::Message { .. } => {
                    if let Some(block) = record.block(|| log.id(entry.position)) {
                        if let Some(id) = record.id() {
                            let is_kept = |position| ring.keeps(position);
                            own_ids.insert(fingerprint(id.as_str()), entry.position, 0, is_kept);
                        }
                        ring.push(Kept::new(entry.position, entry.previous, now, block), false);
                    }
                }
            }
        }
        (ring, own_ids)
    }
}

/// Returns an empty ring. Subscribers with a position before `evicted` get a gap event.
fn new_ring(settings: &Settings, evicted: Position, memory: &Memory) -> Ring {
    Ring::new(settings.bounds, settings.lag_policy.is_latest_per_key(), evicted, memory.share())
}
