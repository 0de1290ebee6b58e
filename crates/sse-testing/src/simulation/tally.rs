//! Counts what happened in a run.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::AddAssign;

/// Counts of things that happened. The counts of several runs can be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<K>(BTreeMap<K, u64>);

impl<K: Ord> Tally<K> {
    /// Returns an empty tally.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Counts `what` once more.
    pub fn count(&mut self, what: K) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Returns how often `what` was counted.
    pub fn get<Q: Ord + ?Sized>(&self, what: &Q) -> u64
    where
        K: Borrow<Q>,
    {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// Checks that each of these things was counted. A simulation in which one of them never happens tests nothing of it.
    ///
    /// # Panics
    ///
    /// If one of them was never counted.
    #[track_caller]
    pub fn assert_seen(&self, expected: &[K])
    where
        K: Debug,
    {
        for what in expected {
            assert!(self.get(what) > 0, "{what:?} never happened: {self:?}");
        }
    }

    /// Returns everything that was counted at least once, in the order of the keys.
    pub fn seen(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }
}

impl<K: Ord> AddAssign for Tally<K> {
    fn add_assign(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }
}

impl<K: Ord> Default for Tally<K> {
    fn default() -> Self {
        Self::new()
    }
}
