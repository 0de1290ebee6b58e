//! Reads the log for a subscriber, where the rings do not go back far enough.

use std::mem;
use std::sync::Arc;

use super::{Answer, Answered, Item, PAGE, Reading, Subscriber};
use crate::history::{Cursor, Entry};
use crate::hub::{Source, State};
use crate::log::{Page, Unknown};
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

    /// Returns the next messages of the log, if they are in memory though the rings have evicted them.
    pub(super) fn recent_page(&self, state: &State) -> Option<Arc<[Entry]>> {
        self.hub.source().replica()?;
        state.recent_after(self.cursor.read_to(), PAGE)
    }

    /// Returns the messages of an answer of the log, if any of them are for this subscriber.
    pub(super) fn take_answer(&mut self, answered: Answered) -> Option<Vec<Item>> {
        match answered {
            Answered::Page(page) => self.take_page(page),
            Answered::Found(position, page) => {
                self.cursor = Cursor::after(position);
                self.take_page(page)
            }
            Answered::Unknown => {
                // The subscriber gets a gap event, and the messages that are kept.
                self.go_live();
                None
            }
        }
    }

    /// Returns the messages of a page, if any of them are for this subscriber.
    pub(super) fn take_page(&mut self, page: Page) -> Option<Vec<Item>> {
        let hub = self.hub.clone();
        let mut state = hub.lock();
        if self.is_client_ended(&state) {
            // The stream ends when it reads the rings.
            self.go_live();
            return None;
        }
        let is_wanted = self.follow_page(page.as_deref().map_err(|unknown| *unknown), &state);
        let page = page.ok().filter(|_| is_wanted);
        let messages = page.map(|page| self.items_of_page(&page, &state)).unwrap_or_default();
        self.feeds[0].state_mut(&mut state).count_replayed(messages.len() as u64);
        let ended = self.finish_page(&mut state);
        hub.wake_all(state, ended);
        (!messages.is_empty()).then_some(messages)
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
    fn items_of_page(&mut self, page: &[Entry], state: &State) -> Vec<Item> {
        let mut items = Vec::new();
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
