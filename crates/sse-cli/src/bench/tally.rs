//! Which events one subscriber has got, and which not.

use std::ops::Range;

/// How many holes in the sequence are remembered. It bounds the memory of a subscriber that loses many events, each
/// alone, and is reached by no server that only reorders a little.
const MAX_HOLES: usize = 256;

/// The events of one subscriber. What is published is numbered from 0, so a few numbers say all of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The number of the event that is next if none is lost.
    next: u64,
    /// What has been skipped, in order, and may still come.
    holes: Vec<Range<u64>>,
    /// How many events the holes had that are no longer remembered. If one of them comes, it counts as doubled.
    given_up: u64,
    /// Events that came, each counted once.
    received: u64,
    doubled: u64,
    out_of_order: u64,
    /// What others have published, or this one without numbers.
    others: u64,
    gaps: u64,
}

impl Tally {
    /// Counts an event of this run; returns whether it is one that had not come yet.
    pub(super) fn receive(&mut self, sequence: u64) -> bool {
        if sequence >= self.next {
            if sequence > self.next {
                self.skip_to(sequence);
            }
            self.next = sequence.saturating_add(1);
            self.received += 1;
            return true;
        }
        if self.fill(sequence) {
            self.out_of_order += 1;
            self.received += 1;
            return true;
        }
        self.doubled += 1;
        false
    }

    /// Counts an event that is not of this run.
    pub(super) fn receive_other(&mut self) {
        self.others += 1;
    }

    /// Counts an event by which the server says that something is missing.
    pub(super) fn receive_gap(&mut self) {
        self.gaps += 1;
    }

    fn skip_to(&mut self, sequence: u64) {
        if self.holes.len() == MAX_HOLES {
            let oldest = self.holes.remove(0);
            self.given_up = self.given_up.saturating_add(oldest.end - oldest.start);
        }
        self.holes.push(self.next..sequence);
    }

    /// Takes an event out of the hole that it is in; returns whether there is one.
    fn fill(&mut self, sequence: u64) -> bool {
        // What is late is mostly late by a little.
        let Some(index) = self.holes.iter().rposition(|hole| hole.contains(&sequence)) else { return false };
        let hole = self.holes[index].clone();
        let rests =
            [hole.start..sequence, sequence + 1..hole.end].into_iter().filter(|rest| !rest.is_empty());
        self.holes.splice(index..=index, rests);
        true
    }

    /// How many of the first `published` events have not come.
    pub(super) fn lost(&self, published: u64) -> u64 {
        let holes = self.holes.iter().map(|hole| hole.end.min(published).saturating_sub(hole.start));
        holes.fold(self.given_up, u64::saturating_add).saturating_add(published.saturating_sub(self.next))
    }

    /// Events of this run that came, each counted once.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// All events that came, but those that tell of gaps.
    pub(super) fn events(&self) -> u64 {
        self.received + self.doubled + self.others
    }
}

/// The tallies of all subscribers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) doubled: u64,
    pub(super) out_of_order: u64,
    pub(super) others: u64,
    pub(super) gaps: u64,
    /// The fewest and the most events that one subscriber got; `None` without subscribers.
    pub(super) per_subscriber: Option<(u64, u64)>,
}

impl Total {
    /// Adds the tally of a subscriber, when so many events have been published.
    pub(super) fn add(&mut self, tally: &Tally, published: u64) {
        self.received += tally.received;
        self.lost = self.lost.saturating_add(tally.lost(published));
        self.doubled += tally.doubled;
        self.out_of_order += tally.out_of_order;
        self.others += tally.others;
        self.gaps += tally.gaps;
        let events = tally.events();
        let (least, most) = self.per_subscriber.unwrap_or((events, events));
        self.per_subscriber = Some((least.min(events), most.max(events)));
    }

    /// Events of this run, as often as they came.
    pub(super) fn delivered(&self) -> u64 {
        self.received + self.doubled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Receives these events of six; returns (received, lost, doubled, out of order).
    #[track_caller]
    fn check(sequence: &[u64], expected: (u64, u64, u64, u64)) {
        let mut tally = Tally::default();
        for number in sequence {
            tally.receive(*number);
        }
        let found = (tally.received, tally.lost(6), tally.doubled, tally.out_of_order);
        assert_eq!(found, expected, "{sequence:?}: {tally:?}");
    }

    #[test]
    fn each_event_is_lost_doubled_out_of_order_or_right() {
        check(&[0, 1, 2, 3, 4, 5], (6, 0, 0, 0));
        check(&[], (0, 6, 0, 0));
        check(&[0, 1, 2], (3, 3, 0, 0));
        check(&[3, 4, 5], (3, 3, 0, 0));
        check(&[0, 2, 4, 5], (4, 2, 0, 0));
        check(&[0, 0, 1, 2, 3, 4, 5, 5], (6, 0, 2, 0));
        check(&[0, 2, 1, 3, 4, 5], (6, 0, 0, 1));
        check(&[5, 4, 3, 2, 1, 0], (6, 0, 0, 5));
        check(&[5, 2, 2, 0, 4], (4, 2, 1, 3));
        check(&[0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5], (6, 0, 6, 0));
    }

    #[test]
    fn what_has_come_but_counts_as_unpublished_is_not_lost() {
        check(&[0, 1, 2, 3, 4, 5, 6, 7], (8, 0, 0, 0));
        check(&[0, 1, 2, 3, 4, 9], (5 + 1, 1, 0, 0));
    }

    #[test]
    fn a_number_of_any_size_is_taken() {
        check(&[u64::MAX, 0, u64::MAX - 1], (3, 5, 0, 2));
    }

    #[test]
    fn events_are_told_apart_from_those_of_others_and_from_gaps() {
        let mut tally = Tally::default();
        assert!(tally.receive(0));
        assert!(!tally.receive(0));
        tally.receive_other();
        tally.receive_gap();
        let mut total = Total::default();
        total.add(&tally, 1);
        total.add(&Tally::default(), 1);
        let expected = Total {
            received: 1,
            lost: 1,
            doubled: 1,
            out_of_order: 0,
            others: 1,
            gaps: 1,
            per_subscriber: Some((0, 3)),
        };
        assert_eq!((total, total.delivered()), (expected, 2));
    }

    #[test]
    fn a_subscriber_that_loses_each_second_event_needs_no_more_memory_and_misses_none() {
        let mut tally = Tally::default();
        for number in (1..20_000).step_by(2) {
            tally.receive(number);
        }
        assert_eq!((tally.lost(20_000), tally.holes.len()), (10_000, MAX_HOLES));
        // Late, but in a hole that is remembered; and in one that is not.
        assert!(tally.receive(19_998));
        assert!(!tally.receive(0));
        assert_eq!((tally.lost(20_000), tally.out_of_order, tally.doubled), (9_999, 1, 1));
    }
}
