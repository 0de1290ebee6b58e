//! What the topics of a hub hold together, its bound, and which topic holds the oldest of it.
//!
//! Each topic counts what it holds in a [`Share`]. The sum needs no loop over the topics, and what a topic held is given
//! back when it is dropped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::position::Position;

/// The memory that all topics of a hub share.
#[derive(Debug)]
pub(crate) struct Memory {
    bound: usize,
    held: Held,
    /// Each topic that holds something, at the position of its oldest message or id, or at an earlier one: a topic that
    /// evicts something by its own bounds is not moved before its turn comes.
    by_age: BTreeSet<(Position, usize)>,
}

/// The sum of all shares, in bytes. It changes under the lock of the hub, or when a share is dropped.
#[derive(Clone, Debug, Default)]
struct Held(Arc<AtomicUsize>);

/// How much of the memory one holder has.
#[derive(Debug, Default)]
pub(crate) struct Share {
    held: Held,
    bytes: usize,
}

impl Memory {
    /// Up to so many bytes.
    pub(crate) fn up_to(bound: usize) -> Self {
        Self { bound, held: Held::default(), by_age: BTreeSet::new() }
    }

    pub(crate) fn bound(&self) -> usize {
        self.bound
    }

    /// How many bytes are held.
    pub(crate) fn held(&self) -> usize {
        self.held.0.load(Ordering::Relaxed)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.held() > self.bound
    }

    /// A share without anything in it.
    pub(crate) fn share(&self) -> Share {
        Share { held: self.held.clone(), bytes: 0 }
    }

    /// The topic that holds the oldest message or id, and where it was put.
    pub(crate) fn oldest(&self) -> Option<(Position, usize)> {
        self.by_age.first().copied()
    }

    /// Puts a topic where its oldest message or id is; `None` takes it out.
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
