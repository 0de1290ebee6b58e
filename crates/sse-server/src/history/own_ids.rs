//! The ids that publishers gave to the messages of one topic.
//!
//! An id names one message. It is remembered for longer than its message is kept. So a client that resumes after it
//! gets an exact gap, and the id can't name another message while a client may still have it.

use std::collections::{HashMap, VecDeque};

use super::memory::Share;
use super::position::Position;

/// How many of the newest ids are remembered after their messages were evicted.
const REMEMBERED: usize = 16 * 1024;

/// How many bytes of memory an id takes: its entry in a table that is half full, and its entry in the order.
const HELD: usize = 64;

/// The ids of one topic, as hashes that nobody can foresee. An id takes the same memory whatever its length.
#[derive(Debug, Default)]
pub(crate) struct OwnIds {
    named: HashMap<u64, Named>,
    /// The hashes of the newest ids, oldest first.
    order: VecDeque<u64>,
    /// The hashes of older ids, whose messages were still kept at the last look.
    older: VecDeque<u64>,
    /// Whether there has been an id, even if all ids are forgotten.
    is_used: bool,
    /// The memory that the ids take.
    share: Share,
}

#[derive(Clone, Copy, Debug)]
struct Named {
    position: Position,
    fingerprint: u64,
}

/// The result of a look-up of a published id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It names no message.
    New,
    /// It names the same message, which was published before.
    Repeat,
    /// It names another message.
    Taken,
}

impl OwnIds {
    pub(crate) fn new(share: Share) -> Self {
        Self { share, ..Self::default() }
    }

    /// Looks up an id (as a hash) with a message (as its fingerprint).
    pub(crate) fn look_up(&self, id: u64, fingerprint: u64) -> Known {
        match self.named.get(&id) {
            None => Known::New,
            Some(named) if named.fingerprint == fingerprint => Known::Repeat,
            Some(_) => Known::Taken,
        }
    }

    /// Returns whether there has been an id.
    pub(crate) fn is_used(&self) -> bool {
        self.is_used
    }

    /// Returns the position of the message that an id names.
    pub(crate) fn position(&self, id: u64) -> Option<Position> {
        Some(self.named.get(&id)?.position)
    }

    /// Remembers a new id. `is_kept` says whether the message at a position is kept.
    pub(crate) fn insert(
        &mut self,
        id: u64,
        position: Position,
        fingerprint: u64,
        is_kept: impl Fn(Position) -> bool,
    ) {
        self.named.insert(id, Named { position, fingerprint });
        self.order.push_back(id);
        self.share.add(HELD);
        self.is_used = true;
        if self.order.len() > REMEMBERED {
            self.older.extend(self.order.pop_front());
        }
        // Two old ids are checked for each new one, so that all of them are checked again and again.
        for _ in 0..2 {
            let Some(id) = self.older.pop_front() else { break };
            if self.position(id).is_some_and(&is_kept) {
                self.older.push_back(id);
            } else {
                self.forget(id);
            }
        }
    }

    /// Returns the position of the message of the oldest id. If there are more than [`REMEMBERED`], it is that of any
    /// of the older ones.
    pub(crate) fn oldest(&self) -> Option<Position> {
        self.position(*self.older.front().or(self.order.front())?)
    }

    /// Forgets the oldest id, though it is one of the newest [`REMEMBERED`]. If there are more, it forgets any of the
    /// older ones.
    pub(crate) fn forget_oldest(&mut self) {
        let Some(id) = self.older.pop_front().or_else(|| self.order.pop_front()) else { return };
        self.forget(id);
        // Gives memory back to the allocator.
        for order in [&mut self.older, &mut self.order] {
            if order.len() < order.capacity() / 4 {
                order.shrink_to(2 * order.len());
            }
        }
        if self.named.len() < self.named.capacity() / 4 {
            self.named.shrink_to(2 * self.named.len());
        }
    }

    /// Returns how many bytes of memory the ids take.
    pub(crate) fn held(&self) -> usize {
        self.share.bytes()
    }

    fn forget(&mut self, id: u64) {
        self.named.remove(&id);
        self.share.give_back(HELD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_one_message_until_it_is_forgotten() {
        let mut ids = OwnIds::default();
        assert_eq!(ids.look_up(7, 70), Known::New);
        ids.insert(7, Position::new(1), 70, |_| true);
        assert_eq!(ids.look_up(7, 70), Known::Repeat);
        assert_eq!(ids.look_up(7, 71), Known::Taken);
        assert_eq!(ids.position(7), Some(Position::new(1)));
        for id in 100..100 + REMEMBERED as u64 {
            ids.insert(id, Position::new(id), 0, |_| true);
        }
        assert_eq!(ids.look_up(7, 70), Known::Repeat, "its message is kept");
        ids.insert(8, Position::new(100_000), 0, |position| position.get() > 100);
        assert_eq!((ids.look_up(7, 70), ids.position(7)), (Known::New, None));
        assert_eq!((ids.named.len(), ids.order.len()), (REMEMBERED, REMEMBERED));
        assert_eq!(ids.position(101), Some(Position::new(101)));
    }
}
