//! Who waits for the next message: a slot per subscriber, with its waker while it waits.
//!
//! Wakers are the executor's code. Nothing here wakes or drops one: they are handed back, for when no lock is held.

use std::task::Waker;

use slab::Slab;

#[derive(Debug, Default)]
pub(crate) struct Wakers(Slab<Option<Waker>>);

impl Wakers {
    /// Makes a slot and returns its key.
    pub(crate) fn insert(&mut self) -> usize {
        self.0.insert(None)
    }

    /// Takes a slot away.
    #[must_use = "dropped under a lock, it runs the executor's code there"]
    pub(crate) fn remove(&mut self, key: usize) -> Option<Waker> {
        self.0.remove(key)
    }

    /// Lets a subscriber wait; returns the waker that it left before, if it was not woken since.
    #[must_use = "dropped under a lock, it runs the executor's code there"]
    pub(crate) fn wait(&mut self, key: usize, waker: Waker) -> Option<Waker> {
        self.0[key].replace(waker)
    }

    /// All that wait; none of them waits any more.
    #[must_use = "whoever is not woken sleeps on"]
    pub(crate) fn take(&mut self) -> Vec<Waker> {
        self.0.iter_mut().filter_map(|(_, waker)| waker.take()).collect()
    }

    /// How many slots there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
