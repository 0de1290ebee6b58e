//! The recent messages of one topic: the live queue and the history in one.
//!
//! - A reader is a [`Cursor`](super::Cursor): the ring holds nothing for it, however far it lags.
//! - Positions come from outside and only rise; topics that share them can be read as one.
//! - What is over the bounds of the history is kept all the same, up to a bound in bytes, while a connected subscriber
//!   has not read everything: so a burst reaches everybody who takes what it is given.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sse_codec::EventId;

use super::kept::Kept;
use super::latest::Latest;
use super::memory::Share;
use super::position::Position;

/// How much goes out as one frame: enough that a frame costs less than its bytes, and little enough that a reader
/// that stalls holds little.
pub(crate) const FRAME: usize = 32 * 1024;

/// How much a ring keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    /// The newest message is kept whatever its size.
    pub(crate) bytes: usize,
    pub(crate) age: Option<Duration>,
    /// How many bytes are kept beyond these bounds while they are awaited.
    pub(crate) burst: usize,
}

impl Bounds {
    /// Whether messages that are published together can be kept together.
    pub(crate) fn fit(&self, messages: usize, bytes: usize) -> bool {
        messages <= 1 || bytes <= self.burst || (messages <= self.messages && bytes <= self.bytes)
    }
}

#[derive(Debug)]
pub(crate) struct Ring {
    bounds: Bounds,
    /// In the order of their positions.
    entries: VecDeque<Kept>,
    /// The bytes of the entries.
    bytes: usize,
    /// What outlives the bounds of messages, where the policy says so.
    latest: Option<Latest>,
    latest_bytes: usize,
    /// The newest position that left the entries and of which a reader can't get the message any more.
    evicted: Position,
    /// The newest position that outlived the bounds of messages, and was evicted later.
    latest_evicted: Position,
    /// The frame that was joined last.
    joined: Option<Frame>,
    /// The memory that all of it takes.
    share: Share,
}

/// Consecutive messages as one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    pub(crate) messages: u64,
    /// The position after which it begins, and that of its last message.
    after: Position,
    pub(crate) to: Position,
    /// Whether the next message would not have fitted.
    full: bool,
}

impl Ring {
    /// A ring whose readers are told of a gap if they come from before `evicted`.
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
            share,
        }
    }

    /// Appends a message and evicts what is over the bounds. Its position is higher than any before. `is_awaited` says
    /// that a connected subscriber has not read everything before it.
    pub(crate) fn push(&mut self, entry: Kept, is_awaited: bool) {
        let now = entry.at;
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

    /// Evicts what is over the bounds at `now`; at least one message is kept unless it is too old.
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

    /// Evicts the oldest message, though it is within the bounds and may be awaited.
    pub(crate) fn evict_oldest(&mut self) {
        // The latest of each key are older than the entries.
        if !self.evict_latest() {
            self.evict();
            // It may have become the latest of its key.
            self.evict_latest();
        }
    }

    /// The position of the oldest message.
    pub(crate) fn oldest(&self) -> Option<Position> {
        let latest = self.latest.as_ref().and_then(Latest::oldest);
        latest.or_else(|| Some(self.entries.front()?.position))
    }

    /// How many messages are kept.
    pub(crate) fn len(&self) -> usize {
        self.entries.len() + self.latest.as_ref().map_or(0, Latest::len)
    }

    /// How many bytes of memory it takes.
    pub(crate) fn held(&self) -> usize {
        self.share.bytes()
    }

    pub(crate) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Whether the message at a position of the topic's is kept.
    pub(crate) fn keeps(&self, position: Position) -> bool {
        self.entries.front().is_some_and(|oldest| position >= oldest.position)
            || self.latest.as_ref().is_some_and(|latest| latest.holds(position))
    }

    /// The newest position of which a reader can't get the message any more.
    pub(crate) fn evicted(&self) -> Position {
        self.evicted.max(self.latest_evicted)
    }

    /// The same of messages that were evicted in turn, and of those that outlived later ones: both only rise.
    pub(crate) fn evictions(&self) -> [Position; 2] {
        [self.evicted, self.latest_evicted]
    }

    /// The newest position that the ring has ever held, or was made with.
    pub(crate) fn newest(&self) -> Position {
        self.entries.back().map_or(self.evicted(), |entry| entry.position.max(self.evicted()))
    }

    /// Whether there is a message after a position.
    pub(crate) fn has_more(&self, after: Position) -> bool {
        self.entries.back().is_some_and(|newest| newest.position > after)
            // What outlives the entries counts, too: age may have taken all of them.
            || self.latest.as_ref().is_some_and(|latest| latest.from(after.next()).next().is_some())
    }

    /// The messages after a position.
    pub(crate) fn after(&self, position: Position) -> impl Iterator<Item = &Kept> {
        let latest = self.latest.iter().flat_map(move |latest| latest.from(position.next()));
        latest.chain(self.entries.range(self.index(position.next())..))
    }

    /// The positions of the newest messages, so many at most, the newest first.
    pub(crate) fn newest_positions(&self, messages: usize) -> impl Iterator<Item = Position> {
        let latest = self.latest.iter().flat_map(|latest| latest.positions().rev());
        self.entries.iter().rev().map(|entry| entry.position).chain(latest).take(messages)
    }

    /// What there is after a position, as one frame of a bounded size, or of one message that is larger.
    pub(crate) fn frame(&mut self, after: Position) -> Option<Frame> {
        let newest = self.newest();
        if let Some(joined) = self.joined.as_ref().filter(|joined| joined.after == after)
            && (joined.full || joined.to == newest)
        {
            return Some(joined.clone());
        }
        if let Some(frame) = self.newest_alone(after) {
            return Some(frame);
        }
        let mut entries = self.after(after);
        let first = entries.next()?;
        let (mut size, mut messages, mut to, mut full) = (first.block.len(), 1, first.position, false);
        for entry in entries {
            if size + entry.block.len() > FRAME {
                full = true;
                break;
            }
            size += entry.block.len();
            messages += 1;
            to = entry.position;
        }
        if messages == 1 {
            return Some(Frame { bytes: first.block.bytes().clone(), messages, after, to, full });
        }
        let mut bytes = BytesMut::with_capacity(size);
        for entry in self.after(after).take_while(|entry| entry.position <= to) {
            bytes.extend_from_slice(entry.block.bytes());
        }
        let frame = Frame { bytes: bytes.freeze(), messages, after, to, full };
        self.set_joined(Some(frame.clone()));
        Some(frame)
    }

    fn set_joined(&mut self, frame: Option<Frame>) {
        self.share.add(frame.as_ref().map_or(0, |frame| frame.bytes.len()));
        let before = std::mem::replace(&mut self.joined, frame);
        self.share.give_back(before.map_or(0, |frame| frame.bytes.len()));
    }

    /// The newest message as a frame, if it alone comes after a position: most readers have all others.
    fn newest_alone(&self, after: Position) -> Option<Frame> {
        let mut from_newest = self.entries.iter().rev();
        let newest = from_newest.next().filter(|newest| newest.position > after)?;
        let is_alone =
            self.latest.is_none() && from_newest.next().is_none_or(|entry| entry.position <= after);
        let (bytes, to) = (newest.block.bytes(), newest.position);
        is_alone.then(|| Frame { bytes: bytes.clone(), messages: 1, after, to, full: false })
    }

    /// The id of the newest event, if its publisher gave it one.
    pub(crate) fn own_id(&self) -> Option<EventId<'static>> {
        self.entries.iter().rev().find(|entry| entry.block.has_id())?.block.own_id()
    }

    fn is_over(&self, now: Duration) -> bool {
        let Some(oldest) = self.entries.front() else { return false };
        let is_old = self.bounds.age.is_some_and(|age| now.saturating_sub(oldest.at) > age);
        let bytes = self.bytes + self.latest_bytes;
        is_old
            || self.entries.len() > 1
                && (self.entries.len() > self.bounds.messages || bytes > self.bounds.bytes)
    }

    fn evict(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        let (size, held, position) = (entry.block.len(), entry.held(), entry.position);
        self.bytes -= size;
        // What a burst has taken is given back, and what is full need not grow again.
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(2 * self.entries.len());
        }
        self.forget_frame(position);
        let is_kept = if let Some(latest) = self.latest.as_mut().filter(|_| entry.block.key().is_some()) {
            // If it is not kept, a newer message with its key makes up for it.
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

    /// Evicts the oldest of the latest of each key. Returns whether there was one.
    fn evict_latest(&mut self) -> bool {
        let Some(entry) = self.latest.as_mut().and_then(Latest::pop_oldest) else { return false };
        self.latest_bytes -= entry.block.len();
        self.latest_evicted = entry.position;
        self.share.give_back(entry.held());
        self.forget_frame(entry.position);
        true
    }

    /// Gives up the joined frame, if it begins before an evicted message: no reader asks for it any more.
    fn forget_frame(&mut self, evicted: Position) {
        if self.joined.as_ref().is_some_and(|joined| joined.after < evicted) {
            self.set_joined(None);
        }
    }

    /// Where the first entry with this position or a higher one lies.
    fn index(&self, position: Position) -> usize {
        let Some(newest) = self.entries.back() else { return 0 };
        if position > newest.position {
            return self.entries.len();
        }
        // Where a ring has the positions to itself, none is missing.
        let later = usize::try_from(newest.position.since(position)).unwrap_or(usize::MAX);
        let guess = (self.entries.len() - 1).checked_sub(later);
        match guess.filter(|&guess| self.entries[guess].position == position) {
            Some(index) => index,
            None => self.entries.partition_point(|entry| entry.position < position),
        }
    }
}
