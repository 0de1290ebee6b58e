//! Reads the log for a subscriber, where the rings do not go back far enough.

use std::mem;
use std::sync::Arc;

use bytes::BytesMut;

use super::{Answer, Answered, Item, Next, PAGE, Reading, StreamIds, Subscriber};
use crate::history::{Cursor, Entry};
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
        let entries: Vec<_> = state.recent_after(position)?.take(PAGE).cloned().collect();
        let page = Arc::new(Entries::new(entries));
        // More entries may come after those of a shorter page.
        let dropped = (page.len() == PAGE).then(|| backlog.keep(position, page.clone()));
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
        let is_wanted =
            self.follow_page(page.as_deref().map(|page| &**page).map_err(|unknown| *unknown), &state);
        let page = page.ok().filter(|_| is_wanted);
        let next = page.and_then(|page| self.next_of_page(&page, &mut state, is_apart));
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

    /// Returns the messages of a page that belong to the subscriber's topics, without messages after the end of a
    /// topic.
    fn next_of_page(&mut self, page: &Entries, state: &mut State, is_apart: bool) -> Option<Next> {
        // This process does not know whether a topic was opened at a position that it has not read.
        let first = page.first().map(|entry| entry.previous).filter(|position| *position <= state.last());
        for feed in &mut *self.feeds {
            let topic = feed.state(state);
            match first.and_then(|position| topic.has_ended_at(position)) {
                Some(true) => feed.set_ended(Some(topic.last_end())),
                Some(false) => feed.set_ended(None),
                // As far as the subscriber has read the end.
                None => {}
            }
        }
        if !is_apart && let Some(Joined { bytes, messages }) = self.joined_page(page) {
            let topic = self.feeds[0].state_mut(state);
            topic.count_replayed(messages);
            topic.count_delivered(messages, bytes.len() as u64);
            return (messages > 0).then_some(Next::Frame { bytes, messages });
        }
        let items = self.items_of_page(page);
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

    fn items_of_page(&mut self, page: &[Entry]) -> Vec<Item> {
        let mut items = Vec::new();
        for entry in page {
            let Some(record) = &entry.record else { continue };
            let Some(number) = self.feeds.iter().position(|feed| **feed.topic().name() == *record.topic())
            else {
                continue;
            };
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
