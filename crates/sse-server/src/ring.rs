//! The recent messages of one topic: the live queue and the history in one.
//!
//! - Pure: no clock, no lock, no runtime.
//! - A reader is a [`Cursor`](crate::cursor::Cursor): the ring holds nothing for it, however far it lags.
//! - Sequence numbers come from outside and only rise; topics that share them can be read as one.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use sse_codec::EventId;

use crate::latest::Latest;

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
}

#[derive(Debug)]
pub(crate) struct Ring {
    bounds: Bounds,
    /// In the order of their sequence numbers.
    entries: VecDeque<Entry>,
    /// What outlives the bounds of messages, where the policy says so.
    latest: Option<Latest>,
    bytes: usize,
    /// The newest sequence number of which a reader can't get the message any more; 0 for none.
    lost: u64,
    /// The frame that was joined last.
    joined: Option<Frame>,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    /// When it was published, since a moment that all entries share.
    pub(crate) at: Duration,
    pub(crate) block: Bytes,
    pub(crate) id: Id,
    /// A later entry with the same key makes this one dispensable.
    pub(crate) key: Option<Arc<str>>,
}

/// The id of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    /// The author gave this one.
    Own(EventId<'static>),
    /// That of its sequence number.
    Sequence,
    /// None: the block is no event.
    None,
}

/// Consecutive messages as one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    pub(crate) messages: u64,
    /// Where it was asked for, and the sequence number of its last message.
    from: u64,
    pub(crate) to: u64,
    /// Whether the next message would not have fitted.
    full: bool,
}

impl Ring {
    /// A ring whose readers are told of a gap if they come from before `lost`.
    pub(crate) fn new(bounds: Bounds, latest_per_key: bool, lost: u64) -> Self {
        let latest = latest_per_key.then(Latest::default);
        Self { bounds, entries: VecDeque::new(), latest, bytes: 0, lost, joined: None }
    }

    /// Appends an entry and lets go of what is over the bounds. Its sequence number is higher than any before.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.expire(entry.at);
        self.bytes += entry.block.len();
        if let Some((latest, key)) = self.latest.as_mut().zip(entry.key.as_ref()) {
            self.bytes -= latest.supersede(key, entry.sequence);
        }
        self.entries.push_back(entry);
        while self.entries.len() > 1 && self.is_over() {
            self.evict();
        }
        while let Some(latest) = self.latest.as_mut()
            && (latest.len() > self.bounds.messages || self.bytes > self.bounds.bytes)
            && let Some(entry) = latest.pop_oldest()
        {
            self.bytes -= entry.block.len();
            self.lost = self.lost.max(entry.sequence);
        }
    }

    /// Lets go of what is too old at `now`.
    pub(crate) fn expire(&mut self, now: Duration) {
        let Some(age) = self.bounds.age else { return };
        while self.entries.front().is_some_and(|entry| now.saturating_sub(entry.at) > age) {
            self.evict();
        }
    }

    /// The newest sequence number that a reader can't get any more; 0 for none.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// The newest sequence number that the ring has ever held, or was made with.
    pub(crate) fn newest(&self) -> u64 {
        let kept = self.entries.back().map_or(0, |entry| entry.sequence);
        kept.max(self.lost)
    }

    /// The entries from a sequence number on.
    pub(crate) fn from(&self, sequence: u64) -> impl Iterator<Item = &Entry> {
        let latest = self.latest.iter().flat_map(move |latest| latest.from(sequence));
        latest.chain(self.entries.range(self.index(sequence)..))
    }

    /// What there is from a sequence number on, as one frame of a bounded size, or of one message that is larger.
    pub(crate) fn frame(&mut self, from: u64) -> Option<Frame> {
        let newest = self.newest();
        if let Some(joined) = self.joined.as_ref().filter(|joined| joined.from == from)
            && (joined.full || joined.to == newest)
        {
            return Some(joined.clone());
        }
        let mut entries = self.from(from);
        let first = entries.next()?;
        let (mut size, mut messages, mut to, mut full) = (first.block.len(), 1, first.sequence, false);
        for entry in entries {
            if size + entry.block.len() > FRAME {
                full = true;
                break;
            }
            size += entry.block.len();
            messages += 1;
            to = entry.sequence;
        }
        if messages == 1 {
            return Some(Frame { bytes: first.block.clone(), messages, from, to, full });
        }
        let mut bytes = BytesMut::with_capacity(size);
        for entry in self.from(from).take_while(|entry| entry.sequence <= to) {
            bytes.extend_from_slice(&entry.block);
        }
        self.joined.insert(Frame { bytes: bytes.freeze(), messages, from, to, full }).clone().into()
    }

    /// The sequence number of the newest entry with this id of its author's.
    pub(crate) fn position(&self, own_id: &str) -> Option<u64> {
        let is_own = |entry: &&Entry| matches!(&entry.id, Id::Own(own) if own.as_str() == own_id);
        let kept = self.entries.iter().rev().find(is_own);
        kept.or_else(|| self.latest.as_ref()?.newest_first().find(is_own)).map(|entry| entry.sequence)
    }

    /// The id of the newest event, if its author gave it one.
    pub(crate) fn own_id(&self) -> Option<&EventId<'static>> {
        match &self.entries.iter().rev().find(|entry| entry.id != Id::None)?.id {
            Id::Own(id) => Some(id),
            _ => None,
        }
    }

    fn is_over(&self) -> bool {
        self.entries.len() > self.bounds.messages || self.bytes > self.bounds.bytes
    }

    fn evict(&mut self) {
        let Some(entry) = self.entries.pop_front() else { return };
        let (size, sequence) = (entry.block.len(), entry.sequence);
        let Some(latest) = self.latest.as_mut().filter(|_| entry.key.is_some()) else {
            self.bytes -= size;
            self.lost = self.lost.max(sequence);
            return;
        };
        // If it is not kept, a newer entry with its key makes up for it.
        if !latest.keep(entry) {
            self.bytes -= size;
        }
    }

    /// Where the first entry with this sequence number or a higher one lies.
    fn index(&self, sequence: u64) -> usize {
        let Some(newest) = self.entries.back() else { return 0 };
        if sequence > newest.sequence {
            return self.entries.len();
        }
        // Where a ring has its sequence numbers to itself, none is missing.
        let behind = usize::try_from(newest.sequence - sequence).unwrap_or(usize::MAX);
        let guess = (self.entries.len() - 1).checked_sub(behind);
        match guess.filter(|&guess| self.entries[guess].sequence == sequence) {
            Some(index) => index,
            None => self.entries.partition_point(|entry| entry.sequence < sequence),
        }
    }
}
