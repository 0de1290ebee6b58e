//! The wakers of those who wait.
//!
//! Wakers are the executor's code. Nothing here wakes or drops one: they are handed back, for when no lock is held.

use std::mem;
use std::task::Waker;

use slab::Slab;

#[derive(Debug, Default)]
pub(crate) struct Wakers {
    waiting: Slab<Waiting>,
    /// Storage that has been used before.
    spare: Slab<Waiting>,
    /// For how many the wakers wait.
    number: usize,
    /// How often all have been taken out.
    round: u64,
}

/// One waker.
#[derive(Debug)]
pub(crate) struct Waiting {
    waker: Waker,
    /// For how many it waits.
    number: usize,
}

impl Waiting {
    pub(crate) fn wake(self) {
        self.waker.wake();
    }
}

/// Where a waker is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    round: u64,
    key: usize,
}

impl Ticket {
    /// That of one that does not wait.
    pub(crate) const NONE: Self = Self { round: u64::MAX, key: 0 };
}

impl Wakers {
    /// Lets the holder of a ticket wait; returns the waker that it left before, if it was not woken since.
    #[must_use = "dropped under a lock, it runs the executor's code there"]
    pub(crate) fn wait(&mut self, ticket: &mut Ticket, waker: Waker) -> Option<Waker> {
        self.wait_for(ticket, waker, 1)
    }

    /// Lets the holder of a ticket wait for that many; returns the waker that it left before, if it was not woken since.
    #[must_use = "dropped under a lock, it runs the executor's code there"]
    pub(crate) fn wait_for(&mut self, ticket: &mut Ticket, waker: Waker, number: usize) -> Option<Waker> {
        self.number += number;
        let waiting = Waiting { waker, number };
        if ticket.round == self.round {
            let replaced = mem::replace(&mut self.waiting[ticket.key], waiting);
            self.number -= replaced.number;
            return Some(replaced.waker);
        }
        *ticket = Ticket { round: self.round, key: self.waiting.insert(waiting) };
        None
    }

    /// Takes the waker of one that waits no more.
    #[must_use = "dropped under a lock, it runs the executor's code there"]
    pub(crate) fn remove(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        let waits = ticket.round == self.round;
        let key = mem::replace(ticket, Ticket::NONE).key;
        let removed = waits.then(|| self.waiting.remove(key))?;
        self.number -= removed.number;
        Some(removed.waker)
    }

    /// All that wait; none of them waits any more. To be drained, and [given back](Self::give_back).
    #[must_use = "whoever is not woken sleeps on"]
    pub(crate) fn take(&mut self) -> Slab<Waiting> {
        if self.waiting.is_empty() {
            return Slab::new();
        }
        self.round += 1;
        self.number = 0;
        mem::replace(&mut self.waiting, mem::take(&mut self.spare))
    }

    /// Keeps storage for the next time, if it is the larger one.
    #[must_use = "its storage is freed better without a lock"]
    pub(crate) fn give_back(&mut self, drained: Slab<Waiting>) -> Slab<Waiting> {
        if drained.capacity() > self.spare.capacity() {
            mem::replace(&mut self.spare, drained)
        } else {
            drained
        }
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.number
    }
}

/// What tells a waker from any other that is alive.
pub(crate) fn addresses(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}
