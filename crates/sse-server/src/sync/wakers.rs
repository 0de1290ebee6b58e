//! The wakers of waiting subscribers.
//!
//! A waker is code of the executor. This file never wakes or drops one: it returns them, so that the caller does it
//! without the lock.

use std::mem;
use std::task::Waker;

use slab::Slab;

#[derive(Debug, Default)]
pub(crate) struct Wakers {
    waiting: Slab<Waiting>,
    /// Storage for reuse.
    spare: Slab<Waiting>,
    /// How many subscribers wait, because one waker may be for several of them.
    number: usize,
    /// How often all wakers were taken out.
    round: u64,
}

/// One waker.
#[derive(Debug)]
pub(crate) struct Waiting {
    waker: Waker,
    /// How many subscribers wait with it.
    number: usize,
}

impl Waiting {
    pub(crate) fn wake(self) {
        self.waker.wake();
    }
}

/// The key of a waker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    round: u64,
    key: usize,
}

impl Ticket {
    /// The ticket of a subscriber that does not wait.
    pub(crate) const NONE: Self = Self { round: u64::MAX, key: 0 };
}

impl Wakers {
    /// Leaves a waker for the holder of a ticket. Returns its replaced waker, if that was not woken since.
    #[must_use = "dropped under a lock, it runs the executor's code there"]
    pub(crate) fn wait(&mut self, ticket: &mut Ticket, waker: Waker) -> Option<Waker> {
        self.wait_for(ticket, waker, 1)
    }

    /// Leaves a waker for `number` subscribers. Returns the replaced waker of the ticket, if that was not woken since.
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

    /// Removes the waker of a subscriber that waits no more.
    #[must_use = "dropped under a lock, it runs the executor's code there"]
    pub(crate) fn remove(&mut self, ticket: &mut Ticket) -> Option<Waker> {
        let waits = ticket.round == self.round;
        let key = mem::replace(ticket, Ticket::NONE).key;
        let removed = waits.then(|| self.waiting.remove(key))?;
        self.number -= removed.number;
        Some(removed.waker)
    }

    /// Returns all wakers, and keeps none. The caller drains the slab and [gives it back](Self::give_back).
    #[must_use = "a subscriber that is not woken waits for ever"]
    pub(crate) fn take(&mut self) -> Slab<Waiting> {
        if self.waiting.is_empty() {
            return Slab::new();
        }
        self.round += 1;
        self.number = 0;
        mem::replace(&mut self.waiting, mem::take(&mut self.spare))
    }

    /// Keeps the larger storage for the next time, and returns the other.
    #[must_use = "its storage should be freed without a lock"]
    pub(crate) fn give_back(&mut self, drained: Slab<Waiting>) -> Slab<Waiting> {
        if drained.capacity() > self.spare.capacity() {
            mem::replace(&mut self.spare, drained)
        } else {
            drained
        }
    }

    /// Returns how many subscribers wait.
    pub(crate) fn len(&self) -> usize {
        self.number
    }
}

/// Returns the addresses that distinguish a waker from all others that are alive.
pub(crate) fn addresses(waker: &Waker) -> (usize, usize) {
    (waker.data().addr(), std::ptr::from_ref(waker.vtable()).addr())
}
