//! The recent messages of one topic: the queue for connected subscribers and the history in one.
//!
//! - A subscriber is a [`Cursor`](super::Cursor). The ring stores nothing for it, however far it lags.
//! - Positions come from outside, and only rise. Topics that share their positions can be read as one stream.
//! - Messages beyond the limits of the history are kept, up to a number of bytes, while a connected subscriber has not
//!   read them. So a burst reaches every subscriber that reads steadily.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sse_codec::EventId;

use super::kept::Kept;
use super::latest::Latest;
use super::memory::Share;
use super::position::Position;
use super::segments::{FRAME, Segments};

/// The limits of a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    /// The newest message is kept whatever its size.
    pub(crate) bytes: usize,
    pub(crate) age: Option<Duration>,
    /// How many bytes are kept beyond these limits while a subscriber has not read them.
    pub(crate) burst: usize,
}

impl Bounds {
    /// Returns whether messages that are published together can be kept together.
    pub(crate) fn fit(&self, messages: usize, bytes: usize) -> bool {
        messages <= 1 || bytes <= self.burst || (messages <= self.messages && bytes <= self.bytes)
    }
}

#[derive(Debug)]
pub(crate) struct Ring {
    bounds: Bounds,
    /// In the order of their positions.
    entries: VecDeque<Kept>,
    /// The size of the entries in bytes.
    bytes: usize,
    /// The latest messages of each key that the entries have evicted, if the policy keeps them.
    latest: Option<Latest>,
    latest_bytes: usize,
    /// The newest evicted position of the entries whose message can't be read any more.
    evicted: Position,
    /// The newest evicted position of `latest`.
    latest_evicted: Position,
    /// The frame that was joined last, and whether the next message would not have fitted.
    joined: Option<(Frame, bool)>,
    /// Messages that were joined to full frames, and stay joined.
    segments: Segments,
    /// The memory that the ring takes.
    share: Share,
}

/// Consecutive messages as one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    pub(crate) messages: u64,
    /// The position after which the frame begins, and the position of its last message.
    after: Position,
    pub(crate) to: Position,
}

impl Ring {
    /// Returns an empty ring. Subscribers with a position before `evicted` get a gap event.
    pub(crate) fn new(bounds: Bounds, latest_per_key: bool, evicted: Position, share: Share) -> Self {
        let latest = latest_per_key.then(Latest::default);
        Self {
            bounds,
            entries: VecDeque::new(),
            bytes: 0,
            latest,
            latest_bytes: 0,
            evicted,
            latest_evicted: Position::START,
            joined: None,
            segments: Segments::default(),
            share,
        }
    }

    /// Appends a message, and evicts messages beyond the limits. Its position must be higher than all before.
    /// `is_awaited` says that a connected subscriber has not read everything before it.
    pub(crate) fn push(&mut self, entry: Kept, is_awaited: bool) {
        let now = entry.at();
        self.bytes += entry.block.len();
        self.share.add(entry.held());
        if let Some((latest, key)) = self.latest.as_mut().zip(entry.block.key())
            && let Some(before) = latest.supersede(key, entry.position)
        {
            self.latest_bytes -= before.block.len();
            self.share.give_back(before.held());
        }
        self.entries.push_back(entry);
        self.trim(now, is_awaited);
    }

    /// Evicts all messages up to a position, because the log has evicted some of them that were never here. Subscribers
    /// with an earlier position read the log.
    pub(crate) fn evict_until(&mut self, position: Position) {
        while self.oldest().is_some_and(|oldest| oldest <= position) {
            self.evict_oldest();
        }
        self.evicted = self.evicted.max(position);
    }

    /// Evicts messages beyond the limits at `now`. At least one message is kept unless it is too old.
    pub(crate) fn trim(&mut self, now: Duration, is_awaited: bool) {
        while self.is_over(now) && !(is_awaited && self.bytes <= self.bounds.burst) {
            self.evict();
        }
        let others = if is_awaited { 0 } else { self.bytes };
        while let Some(latest) = &self.latest
            && (latest.len() > self.bounds.messages || others + self.latest_bytes > self.bounds.bytes)
            && self.evict_latest()
        {}
    }

    /// Evicts the oldest message, even if it is within the limits or a subscriber has not read it.
    pub(crate) fn evict_oldest(&mut self) {
        // The messages of `latest` are older than the entries.
        if !self.evict_latest() {
            self.evict();
            // The evicted message may now be the latest of its key.
            self.evict_latest();
        }
    }

    /// Returns the position of the oldest message.
    pub(crate) fn oldest(&self) -> Option<Position> {
        let latest = self.latest.as_ref().and_then(Latest::oldest);
        latest.or_else(|| Some(self.entries.front()?.position))
    }

    /// Returns how many messages are kept.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.latest.as_ref().map_or(0, Latest::len)
    }

    /// Returns how many bytes of memory the ring takes.
    pub(crate) fn held(&self) -> usize {
        self.share.bytes()
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Returns whether the message at a position of this topic is kept.
    pub(crate) fn keeps(&self, position: Position) -> bool {
        self.entries.front().is_some_and(|oldest| position >= oldest.position)
            || self.latest.as_ref().is_some_and(|latest| latest.holds(position))
    }

    /// Returns the newest position whose message can't be read any more.
    pub(crate) fn evicted(&self) -> Position {
        self.evicted.max(self.latest_evicted)
    }

    /// Returns this position for the entries, and for the latest messages of each key. Both only rise.
    pub(crate) fn evictions(&self) -> [Position; 2] {
        [self.evicted, self.latest_evicted]
    }

    /// Returns the newest position that the ring has ever had, or was made with.
    pub(crate) fn newest(&self) -> Position {
        self.entries.back().map_or(self.evicted(), |entry| entry.position.max(self.evicted()))
    }

    /// Returns whether there is a message after a position.
    pub(crate) fn has_more(&self, after: Position) -> bool {
        self.entries.back().is_some_and(|newest| newest.position > after)
            // `latest` counts, too, because all entries may have expired.
            || self.latest.as_ref().is_some_and(|latest| latest.from(after.next()).next().is_some())
    }

    /// Returns the messages after a position.
    pub(crate) fn after(&self, position: Position) -> impl Iterator<Item = &Kept> {
        let latest = self.latest.iter().flat_map(move |latest| latest.from(position.next()));
        latest.chain(self.entries.range(self.index(position.next())..))
    }

    /// Returns the positions of the newest messages, `messages` at most, the newest first.
    pub(crate) fn newest_positions(&self, messages: usize) -> impl Iterator<Item = Position> {
        let latest = self.latest.iter().flat_map(|latest| latest.positions().rev());
        self.entries.iter().rev().map(|entry| entry.position).chain(latest).take(messages)
    }

    /// Returns the messages after a position as one frame: up to [`FRAME`] bytes, or one larger message.
    pub(crate) fn frame(&mut self, after: Position) -> Option<Frame> {
        let newest = self.newest();
        if let Some((joined, is_full)) = self.joined.as_ref().filter(|(joined, _)| joined.after == after)
            && (*is_full || joined.to == newest)
        {
            return Some(joined.clone());
        }
        if let Some(frame) = self.newest_alone(after).or_else(|| self.frame_of_segment(after)) {
            return Some(frame);
        }
        let mut entries = self.after(after);
        let first = entries.next()?;
        let next_segment = self.segments.begin_after(first.position);
        let (mut size, mut messages, mut to, mut is_full) = (first.block.len(), 1, first.position, false);
        for entry in entries {
            if size + entry.block.len() > FRAME || next_segment == Some(entry.position) {
                is_full = true;
                break;
            }
            size += entry.block.len();
            messages += 1;
            to = entry.position;
        }
        if messages == 1 {
            return Some(Frame { bytes: first.block.bytes().clone(), messages, after, to });
        }
        let mut bytes = BytesMut::with_capacity(size);
        for entry in self.after(after).take_while(|entry| entry.position <= to) {
            bytes.extend_from_slice(entry.block.bytes());
        }
        let frame = Frame { bytes: bytes.freeze(), messages, after, to };
        // The latest messages of each key are kept alone, so they can't share the memory of others.
        if is_full && self.latest.is_none() {
            self.join(&frame);
        } else {
            self.set_joined(Some((frame.clone(), is_full)));
        }
        Some(frame)
    }

    /// Returns the rest of a segment, if the next message after a position is in one.
    fn frame_of_segment(&self, after: Position) -> Option<Frame> {
        let index = self.index(after.next());
        let first = self.entries.get(index)?;
        let (bytes, to) = self.segments.rest(first)?;
        let messages = (self.index(to) - index + 1) as u64;
        Some(Frame { bytes, messages, after, to })
    }

    /// Lets the messages of a frame share its memory, so that no other subscriber has to join them again.
    fn join(&mut self, frame: &Frame) {
        let first = self.index(frame.after.next());
        let mut entries = self.entries.range_mut(first..);
        let mut start = 0;
        for entry in entries.by_ref().take(usize::try_from(frame.messages).unwrap_or(usize::MAX)) {
            let end = start + entry.block.len();
            entry.block.share(frame.bytes.slice(start..end));
            start = end;
        }
        let from = self.entries[first].position;
        self.segments.add(from, frame.to, frame.bytes.clone(), &mut self.share);
    }

    fn set_joined(&mut self, joined: Option<(Frame, bool)>) {
        let size = |joined: &Option<(Frame, bool)>| joined.as_ref().map_or(0, |(frame, _)| frame.bytes.len());
        self.share.add(size(&joined));
        let before = std::mem::replace(&mut self.joined, joined);
        self.share.give_back(size(&before));
    }

    /// Returns the newest message as a frame, if no other message comes after the position. That is so for most
    /// subscribers.
    fn newest_alone(&self, after: Position) -> Option<Frame> {
        let mut from_newest = self.entries.iter().rev();
        let newest = from_newest.next().filter(|newest| newest.position > after)?;
        let is_alone =
            self.latest.is_none() && from_newest.next().is_none_or(|entry| entry.position <= after);
        let (bytes, to) = (newest.block.bytes(), newest.position);
        is_alone.then(|| Frame { bytes: bytes.clone(), messages: 1, after, to })
    }

    /// Returns the id of the newest event, if its publisher gave it one.
    pub(crate) fn own_id(&self) -> Option<EventId<'static>> {
        self.entries.iter().rev().find(|entry| entry.block.has_id())?.block.own_id()
    }

    fn is_over(&self, now: Duration) -> bool {
        let Some(oldest) = self.entries.front() else { return false };
        let is_old = self.bounds.age.is_some_and(|age| now.saturating_sub(oldest.at()) > age);
        let bytes = self.bytes + self.latest_bytes;
        is_old
            || self.entries.len() > 1
                && (self.entries.len() > self.bounds.messages || bytes > self.bounds.bytes)
    }

    fn evict(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        let (size, held, position) = (entry.block.len(), entry.held(), entry.position);
        self.bytes -= size;
        // Memory that a burst has taken is given back. A full ring is not made smaller, so that it need not grow again.
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(2 * self.entries.len());
        }
        self.forget_frame(position);
        self.segments.evict(position, &mut self.share);
        let is_kept = if let Some(latest) = self.latest.as_mut().filter(|_| entry.block.key().is_some()) {
            // If the message is not kept, a newer message of its key replaces it.
            latest.keep(entry)
        } else {
            self.evicted = self.evicted.max(position);
            false
        };
        if is_kept {
            self.latest_bytes += size;
        } else {
            self.share.give_back(held);
        }
    }

    /// Evicts the oldest message of `latest`. Returns whether there was one.
    fn evict_latest(&mut self) -> bool {
        let Some(entry) = self.latest.as_mut().and_then(Latest::pop_oldest) else { return false };
        self.latest_bytes -= entry.block.len();
        self.latest_evicted = entry.position;
        self.share.give_back(entry.held());
        self.forget_frame(entry.position);
        true
    }

    /// Drops the joined frame, if it begins before an evicted message, because no subscriber asks for it any more.
    fn forget_frame(&mut self, evicted: Position) {
        if self.joined.as_ref().is_some_and(|(joined, _)| joined.after < evicted) {
            self.set_joined(None);
        }
    }

    /// Returns the index of the first entry with this position or a higher one.
    fn index(&self, position: Position) -> usize {
        let Some(newest) = self.entries.back() else { return 0 };
        if position > newest.position {
            return self.entries.len();
        }
        // If the ring does not share its positions, none of them is missing.
        let later = usize::try_from(newest.position.since(position)).unwrap_or(usize::MAX);
        let guess = (self.entries.len() - 1).checked_sub(later);
        match guess.filter(|&guess| self.entries[guess].position == position) {
            Some(index) => index,
            None => self.entries.partition_point(|entry| entry.position < position),
        }
    }
}
