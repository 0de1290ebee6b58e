//! The memory that the topics of a hub take together, its limit, and which topic has the oldest message.
//!
//! Each topic counts its memory in a [`Share`]. So the sum needs no loop over the topics, and a dropped topic gives its
//! memory back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::position::Position;

/// The memory that all topics of a hub share.
#[derive(Debug)]
pub(crate) struct Memory {
    bound: usize,
    held: Held,
    /// Each topic that has a message or an id, at the position of its oldest one or at an earlier position. A topic
    /// that evicts messages by its own limits is moved only when its turn comes.
    by_age: BTreeSet<(Position, usize)>,
}

/// The sum of all shares, in bytes. It changes under the lock of the hub, or when a share is dropped.
#[derive(Clone, Debug, Default)]
struct Held(Arc<AtomicUsize>);

/// The memory of one holder.
#[derive(Debug, Default)]
pub(crate) struct Share {
    held: Held,
    bytes: usize,
}

impl Memory {
    /// Returns a memory with a limit in bytes.
    pub(crate) fn up_to(bound: usize) -> Self {
        Self { bound, held: Held::default(), by_age: BTreeSet::new() }
    }

    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// Returns how many bytes are taken.
    pub(crate) fn held(&self) -> usize {
        self.held.0.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.held() > self.bound
    }

    /// Returns an empty share.
    pub(crate) fn share(&self) -> Share {
        Share { held: self.held.clone(), bytes: 0 }
    }

    /// Returns the topic with the oldest message or id, and the position where it was put.
    pub(crate) fn oldest(&self) -> Option<(Position, usize)> {
        self.by_age.first().copied()
    }

    /// Moves a topic to the position of its oldest message or id; `None` removes it.
    pub(crate) fn put(&mut self, key: usize, before: Option<Position>, oldest: Option<Position>) {
        if let Some(before) = before {
            self.by_age.remove(&(before, key));
        }
        if let Some(oldest) = oldest {
            self.by_age.insert((oldest, key));
        }
    }
}

impl Share {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.held.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.held.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}
