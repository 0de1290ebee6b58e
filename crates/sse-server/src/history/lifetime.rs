//! When a topic has ended.

use std::time::Duration;

use super::position::Position;

/// When a topic ended, and when it was opened again. Of several ends in a row, or several openings, the first one
/// counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// The position of the newest end. The topic has ended if it is later than `opened`.
    ended: Position,
    opened: Position,
    /// The time within which the streams end.
    spread: Duration,
    /// Whether the topic has ended for good, because no publisher is left.
    is_abandoned: bool,
}

impl Lifetime {
    /// Ends the topic at a position. An end that is told late changes nothing: a subscriber that has read older entries
    /// may tell of an end after which the topic was opened again.
    pub(crate) fn end(&mut self, at: Position, spread: Duration) {
        if self.ended <= self.opened && at > self.opened {
            (self.ended, self.spread) = (at, spread);
        }
    }

    /// Opens the topic at a position.
    pub(crate) fn open(&mut self, at: Position) {
        // The end before this opening may not be known here.
        if self.opened <= self.ended && at > self.ended {
            self.opened = at;
        }
    }

    /// Ends the topic for good: nothing opens it again.
    pub(crate) fn end_for_good(&mut self) {
        self.is_abandoned = true;
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.is_abandoned
    }

    /// Opens the topic, whatever its last end was.
    pub(crate) fn reopen(&mut self) {
        self.opened = self.opened.max(self.ended);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_abandoned || self.ended > self.opened
    }

    /// Returns whether the topic is known to have been opened after its last end. A topic without any known end or
    /// opening is open, but the log may have an older end that nobody here has read.
    pub(crate) fn is_known_open(&self) -> bool {
        !self.is_abandoned && self.opened > self.ended
    }

    /// Returns whether the topic had ended at a position; `None` if that is not known.
    pub(crate) fn has_ended_at(&self, position: Position) -> Option<bool> {
        let has_passed = |change: Position| change > Position::START && change <= position;
        match (has_passed(self.ended), has_passed(self.opened)) {
            (true, true) => Some(self.ended > self.opened),
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }

    /// Returns the newest end.
    pub(crate) fn last_end(&self) -> (Position, Duration) {
        (self.ended, self.spread)
    }

    pub(crate) fn spread(&self) -> Duration {
        self.spread
    }

    /// Returns the position of the last change.
    pub(crate) fn changed(&self) -> Position {
        self.ended.max(self.opened)
    }

    /// Takes over the state of a topic in its log.
    pub(crate) fn replace_with(&mut self, known: Self) {
        *self = Self { is_abandoned: self.is_abandoned, ..known };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> Position {
        Position::new(position)
    }

    #[test]
    fn a_topic_ends_and_is_opened_again() {
        let mut lifetime = Lifetime::default();
        assert!(!lifetime.is_ended() && !lifetime.is_known_open());
        lifetime.end(at(5), Duration::from_secs(1));
        assert!(lifetime.is_ended());
        lifetime.end(at(6), Duration::from_secs(2));
        assert_eq!(lifetime.last_end(), (at(5), Duration::from_secs(1)), "the first end counts");
        lifetime.open(at(7));
        lifetime.open(at(9));
        assert_eq!((lifetime.is_ended(), lifetime.changed()), (false, at(7)), "the first opening counts");
        assert!(lifetime.is_known_open());
        for late in [5, 6, 7] {
            lifetime.end(at(late), Duration::ZERO);
            assert!(!lifetime.is_ended(), "{late}");
        }
        lifetime.end(at(8), Duration::ZERO);
        lifetime.open(at(7));
        assert!(lifetime.is_ended());
        lifetime.reopen();
        assert!(!lifetime.is_ended());
    }

    #[test]
    fn an_end_from_before_an_opening_changes_nothing_if_it_is_told_late() {
        let mut lifetime = Lifetime::default();
        lifetime.open(at(7));
        lifetime.end(at(5), Duration::ZERO);
        assert!(!lifetime.is_ended());
        lifetime.end(at(8), Duration::ZERO);
        assert!(lifetime.is_ended());
    }

    #[test]
    fn the_state_at_a_position_is_known() {
        let check = |ended, opened, expected: [Option<bool>; 3]| {
            let lifetime = Lifetime { ended: at(ended), opened: at(opened), ..Lifetime::default() };
            assert_eq!(
                [4, 6, 8].map(|position| lifetime.has_ended_at(at(position))),
                expected,
                "{ended} {opened}"
            );
        };
        check(0, 0, [None, None, None]);
        check(5, 0, [None, Some(true), Some(true)]);
        check(5, 7, [None, Some(true), Some(false)]);
        check(7, 5, [None, Some(false), Some(true)]);
        check(0, 5, [None, Some(false), Some(false)]);
    }

    #[test]
    fn an_end_that_the_log_has_lost_is_forgotten() {
        let mut lifetime = Lifetime::default();
        lifetime.end(at(5), Duration::ZERO);
        lifetime.replace_with(Lifetime::default());
        assert!(!lifetime.is_ended());
        lifetime.end_for_good();
        lifetime.replace_with(Lifetime::default());
        assert!(lifetime.is_ended());
    }
}
