//! What happened in a run, and how often.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// How often each thing happened. Tallies of several runs can be added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally<K>(BTreeMap<K, u64>);

impl<K: Ord> Tally<K> {
    /// A tally of nothing.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Counts one more of `what`.
    pub fn count(&mut self, what: K) {
        *self.0.entry(what).or_default() += 1;
    }

    /// How often `what` was counted.
    pub fn get<Q: Ord + ?Sized>(&self, what: &Q) -> u64
    where
        K: Borrow<Q>,
    {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// What was counted at least once, in the order of the keys.
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
