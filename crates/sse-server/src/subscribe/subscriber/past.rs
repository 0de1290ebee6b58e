//! Reads the log for a subscriber, where the rings do not go back far enough.

use std::mem;
use std::ops::Range;
use std::sync::Arc;

use bytes::BytesMut;

use super::{Answer, Answered, Item, Next, PAGE, Reading, StreamIds, Subscriber};
use crate::history::{Cursor, Entry, Gap, Position};
use crate::hub::{Source, State};
use crate::log::{Entries, Joined, Page, Unknown};
use crate::message::{Body, Control};
use crate::sync::Exclusive;

impl Subscriber {
    /// Asks the log for the next messages, if the subscriber is to read the log.
    pub(super) fn ask_log(&mut self) {
        let Source::Log(replica) = self.hub.source() else { return };
        let backlog = replica.backlog().clone();
        let (is_asked_again, answer): (_, Answer) = match &mut self.reading {
            Reading::Live | Reading::Waiting { .. } => return,
            Reading::Log { is_asked_again } => {
                let position = self.cursor.read_to();
                let answer = async move { Answered::Page(backlog.after(position).await) };
                (*is_asked_again, Box::pin(answer))
            }
            Reading::Id(id) => {
                let (topic, id) = (self.feeds[0].topic().name().clone(), mem::take(id));
                let answer = async move {
                    match backlog.find(topic, id).await {
                        Some(position) => Answered::Found(position, backlog.after(position).await),
                        None => Answered::Unknown,
                    }
                };
                (false, Box::pin(answer))
            }
        };
        self.reading = Reading::Waiting { is_asked_again, answer: Box::new(Exclusive::new(answer)) };
    }

    /// Returns the next entries of the log, if another subscriber has read them, or if they are in memory though the rings
    /// have evicted them.
    pub(super) fn page_at_hand(&self) -> Option<Arc<Entries>> {
        let backlog = self.hub.source().replica()?.backlog();
        let position = self.cursor.read_to();
        // Under the lock, because all pages are forgotten under it.
        let state = self.hub.lock();
        if let Some(page) = backlog.kept(position) {
            return Some(page);
        }
        let mut recent = state.recent_after(position)?;
        let mut entries: Vec<_> = recent.by_ref().take(PAGE).cloned().collect();
        // A page does not end between entries that tell of evicted messages. See `Reader::page`.
        while entries.last().is_some_and(Entry::is_evicted)
            && let Some(entry) = recent.next()
        {
            entries.push(entry.clone());
        }
        drop(recent);
        let page = Arc::new(Entries::new(entries));
        // More entries may come after those of a shorter page.
        let dropped = (page.len() >= PAGE).then(|| backlog.keep(position, page.clone()));
        drop(state);
        drop(dropped);
        Some(page)
    }

    /// Returns the messages of an answer of the log, if any of them are for this subscriber.
    pub(super) fn take_answer(&mut self, answered: Answered, is_apart: bool) -> Option<Next> {
        match answered {
            Answered::Page(page) => self.take_page(page, is_apart),
            Answered::Found(position, page) => {
                self.cursor = Cursor::after(position);
                self.take_page(page, is_apart)
            }
            Answered::Unknown => {
                // The subscriber gets a gap event, and the messages that are kept.
                self.go_live();
                None
            }
        }
    }

    /// Returns the messages of a page, if any of them are for this subscriber. With `is_apart`, they come one by one.
    pub(super) fn take_page(&mut self, page: Page, is_apart: bool) -> Option<Next> {
        let hub = self.hub.clone();
        let mut state = hub.lock();
        if self.is_client_ended(&state) {
            // The stream ends when it reads the rings.
            self.go_live();
            return None;
        }
        let gap = page.as_ref().ok().and_then(|page| self.first_gap(page));
        // The page is read up to the gap, or up to its end.
        let part = match &gap {
            None => ..page.as_ref().map_or(0, |page| page.len()),
            Some(gap) if gap.start == 0 => ..gap.end,
            Some(gap) => ..gap.start,
        };
        let entries = page.as_deref().map(|page| &page[part]).map_err(|unknown| *unknown);
        let is_wanted = self.follow_page(entries, &state);
        let next = page.ok().filter(|_| is_wanted).and_then(|page| match gap {
            None => self.next_of_page(&page, &mut state, is_apart),
            Some(gap) if gap.start == 0 => Some(self.tell_gap(&page[part], &mut state)),
            Some(_) => self.next_of_entries(&page[part], &mut state),
        });
        if matches!(next, Some(Next::Frame { .. } | Next::Messages(_))) {
            self.forget_told();
        }
        let ended = self.finish_page(&mut state);
        hub.wake_all(state, ended);
        next
    }

    /// Follows the answer of the log. Returns whether the page is for the subscriber.
    fn follow_page(&mut self, page: Result<&[Entry], Unknown>, state: &State) -> bool {
        if mem::replace(&mut self.generation, state.generation()) != state.generation() {
            // The answer may come from a log that has been deleted since. The new log is asked.
            return false;
        }
        let is_here = !self.cursor.has_gap(self.rings(state));
        match page {
            // The log knows the position, and the next messages are in memory.
            Ok(_) if is_here => self.reading = Reading::Live,
            Ok([.., last]) => {
                self.cursor.advance(last.position);
                if self.cursor.has_gap(self.rings(state)) {
                    self.reading = Reading::Log { is_asked_again: false };
                } else {
                    self.reading = Reading::Live;
                }
                return true;
            }
            // More messages have come since the log was asked, or the log has lost some that were seen in it.
            Ok([]) if !matches!(self.reading, Reading::Log { is_asked_again: true }) => {
                self.reading = Reading::Log { is_asked_again: true };
            }
            Ok([]) => self.lose_position(None),
            Err(Unknown { end }) => self.lose_position(Some(end)),
        }
        false
    }

    /// Returns the entries of a page that are the first gap: from its beginning or from the subscriber's last message
    /// before the gap, up to the last entry that tells of evicted messages before the next message.
    fn first_gap(&self, page: &Entries) -> Option<Range<usize>> {
        if !page.has_evicted() {
            return None;
        }
        let is_own = |entry: &Entry| !entry.is_evicted() && self.feed_of(entry).is_some();
        // After a message of the only topic, what was told before no longer counts.
        let own = page.iter().position(is_own).filter(|_| self.feeds.only().is_some());
        let is_told = |index, entry: &Entry| entry.position <= self.told && own.is_none_or(|own| index < own);
        let tells = |(index, entry): (usize, &Entry)| {
            entry.is_evicted() && !is_told(index, entry) && self.feed_of(entry).is_some()
        };
        let first = page.iter().enumerate().position(tells)?;
        let start = page[..first].iter().rposition(is_own).map_or(0, |last| last + 1);
        let next = page[first..].iter().position(is_own).map_or(page.len(), |next| first + next);
        let last = (first..next).rev().find(|&index| tells((index, &page[index]))).unwrap_or(first);
        Some(start..last + 1)
    }

    /// Returns the index of the topic of an entry, if it is one of the subscriber's topics.
    fn feed_of(&self, entry: &Entry) -> Option<usize> {
        let topic = entry.record.as_ref()?.topic();
        self.feeds.iter().position(|feed| **feed.topic().name() == *topic)
    }

    /// Returns whether the entry tells of evicted messages of the subscriber's topics, and a gap before it is not surely
    /// about them.
    pub(super) fn tells_of_eviction(&self, entry: &Entry) -> bool {
        let is_told = entry.position <= self.told && self.feeds.only().is_none();
        entry.is_evicted() && !is_told && self.feed_of(entry).is_some()
    }

    /// Returns the gap that these entries are.
    fn tell_gap(&mut self, entries: &[Entry], state: &mut State) -> Next {
        // More entries that tell of evicted messages may come before the next message, on many pages.
        self.told = state.last();
        let topic = self.feeds[0].state_mut(state);
        if !self.is_new {
            topic.count_lagged();
        }
        topic.count_gap();
        let end = entries.last().map_or(self.cursor.read_to(), |entry| entry.position);
        Next::Gap(Gap { missed: None, end })
    }

    /// Notes that messages have come after the gap. On several topics, there may be many evicted messages of one topic
    /// between messages of another one, so the gap is about all of them.
    pub(super) fn forget_told(&mut self) {
        if self.feeds.only().is_some() {
            self.told = Position::START;
        }
    }

    /// Returns the messages of a page that belong to the subscriber's topics, without messages after the end of a
    /// topic.
    fn next_of_page(&mut self, page: &Entries, state: &mut State, is_apart: bool) -> Option<Next> {
        self.begin_entries(page, state);
        if !is_apart && let Some(Joined { bytes, messages }) = self.joined_page(page) {
            let topic = self.feeds[0].state_mut(state);
            topic.count_replayed(messages);
            topic.count_delivered(messages, bytes.len() as u64);
            return (messages > 0).then_some(Next::Frame { bytes, messages });
        }
        self.items_of_entries(page, state)
    }

    /// Returns the same for a part of a page, whose bytes are not shared with other subscribers.
    fn next_of_entries(&mut self, entries: &[Entry], state: &mut State) -> Option<Next> {
        self.begin_entries(entries, state);
        self.items_of_entries(entries, state)
    }

    /// Notes which topics have ended before these entries.
    fn begin_entries(&mut self, entries: &[Entry], state: &State) {
        // This process does not know whether a topic was opened at a position that it has not read.
        let first = entries.first().map(|entry| entry.previous).filter(|position| *position <= state.last());
        for feed in &mut *self.feeds {
            let topic = feed.state(state);
            match first.and_then(|position| topic.has_ended_at(position)) {
                Some(true) => feed.set_ended(Some(topic.last_end())),
                Some(false) => feed.set_ended(None),
                // As far as the subscriber has read the end.
                None => {}
            }
        }
    }

    fn items_of_entries(&mut self, entries: &[Entry], state: &mut State) -> Option<Next> {
        let items = self.items(entries);
        self.feeds[0].state_mut(state).count_replayed(items.len() as u64);
        (!items.is_empty()).then_some(Next::Messages(items))
    }

    /// Returns the messages of a page as all subscribers of this topic get them. `None` if the subscriber has several
    /// topics, or if its topic ends or is opened on the page.
    fn joined_page(&self, page: &Entries) -> Option<Joined> {
        let topic = self.feeds.only().filter(|feed| feed.ended().is_none())?.topic().name();
        page.joined((topic.clone(), self.ids == StreamIds::Hub), |page| {
            let records =
                page.iter().filter_map(|entry| entry.record.as_ref().map(|record| (entry.position, record)));
            let (mut joined, mut messages) = (BytesMut::new(), 0);
            for (position, record) in records.filter(|(_, record)| *record.topic() == **topic) {
                let block = record.block(|| self.hub.source().id(position))?;
                joined.extend_from_slice(&self.item(0, position, &block, None).bytes);
                messages += 1;
            }
            Some(Joined { bytes: joined.freeze(), messages })
        })
    }

    fn items(&mut self, entries: &[Entry]) -> Vec<Item> {
        let mut items = Vec::new();
        for entry in entries {
            let Some((record, number)) = entry.record.as_ref().zip(self.feed_of(entry)) else { continue };
            let feed = &mut self.feeds[number];
            match record.body() {
                Body::Control(Control::End { spread }) if feed.ended().is_none() => {
                    feed.set_ended(Some((entry.position, *spread)));
                }
                Body::Control(Control::Open) => feed.set_ended(None),
                Body::Control(_) => {}
                Body::Message { .. } if feed.ended().is_some() => {}
                Body::Message { .. } => {
                    let block = record.block(|| self.hub.source().id(entry.position));
                    let published = self.hub.source().time(entry.position);
                    items.extend(block.map(|block| self.item(number, entry.position, &block, published)));
                }
            }
        }
        items
    }

    /// Changes to the rings, if the page has led there, or if no later message is of the topics. Returns the topics
    /// whose end this subscriber was the first to read: the caller must wake their subscribers.
    fn finish_page(&mut self, state: &mut State) -> Vec<usize> {
        let mut learned = Vec::new();
        if matches!(self.reading, Reading::Live) {
            // Everything after these ends has been seen, here or by the hub. If the hub has not reached an end yet, it
            // will read the end itself, after the entries before it.
            let seen = state.last();
            for feed in &*self.feeds {
                let Some((at, spread)) = feed.ended().filter(|(at, _)| *at <= seen) else { continue };
                let topic = feed.state_mut(state);
                if !topic.is_ended() {
                    topic.end(at, spread);
                    learned.extend(topic.is_ended().then_some(feed.key()));
                }
            }
            self.go_live();
        } else if self
            .feeds
            .iter()
            .all(|feed| feed.ended().is_some_and(|(at, _)| feed.state(state).is_last_change(at)))
        {
            self.cursor = Cursor::after(state.last().max(self.cursor.read_to()));
            self.go_live();
        }
        learned
    }
}
