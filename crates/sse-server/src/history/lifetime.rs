//! Whether a topic has ended.

use std::time::Duration;

use super::position::Position;

/// When a topic has ended, and when it was opened again. Of several ends in a row, or openings, the first one counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// The newest end; the topic has ended if it is later than `opened`.
    ended: Position,
    opened: Position,
    /// Over how long the streams end.
    spread: Duration,
    /// It has ended for good: nobody is left to publish.
    is_abandoned: bool,
}

impl Lifetime {
    /// The topic ends at a position. What is told late changes nothing: somebody who has read the past may tell of an end
    /// that was taken back since.
    pub(crate) fn end(&mut self, at: Position, spread: Duration) {
        if self.ended <= self.opened && at > self.opened {
            (self.ended, self.spread) = (at, spread);
        }
    }

    /// The topic is open again, from a position on.
    pub(crate) fn open(&mut self, at: Position) {
        // The end that it takes back may not be known here.
        if self.opened <= self.ended && at > self.ended {
            self.opened = at;
        }
    }

    /// The topic ends for good: nothing opens it again.
    pub(crate) fn end_for_good(&mut self) {
        self.is_abandoned = true;
    }

    /// The topic is open again, whatever its last end was.
    pub(crate) fn reopen(&mut self) {
        self.opened = self.opened.max(self.ended);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_abandoned || self.ended > self.opened
    }

    /// Whether the topic is known to have been opened after its last end. A topic of which nothing is known is open, but an
    /// end may stand so far back in the log that nobody here has seen it.
    pub(crate) fn is_known_open(&self) -> bool {
        !self.is_abandoned && self.opened > self.ended
    }

    /// Whether the topic had ended at a position; `None` if that is not known.
    pub(crate) fn has_ended_at(&self, position: Position) -> Option<bool> {
        let has_passed = |change: Position| change > Position::START && change <= position;
        match (has_passed(self.ended), has_passed(self.opened)) {
            (true, true) => Some(self.ended > self.opened),
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
    }

    /// The newest end.
    pub(crate) fn last_end(&self) -> (Position, Duration) {
        (self.ended, self.spread)
    }

    pub(crate) fn spread(&self) -> Duration {
        self.spread
    }

    /// The position of the last change.
    pub(crate) fn changed(&self) -> Position {
        self.ended.max(self.opened)
    }

    /// Takes over what is known of a topic from its log.
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
        assert_eq!((lifetime.is_ended(), lifetime.changed()), (false, at(7)), "and the first opening");
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
    fn an_end_that_was_taken_back_ends_nothing_though_it_is_told_later() {
        let mut lifetime = Lifetime::default();
        lifetime.open(at(7));
        lifetime.end(at(5), Duration::ZERO);
        assert!(!lifetime.is_ended());
        lifetime.end(at(8), Duration::ZERO);
        assert!(lifetime.is_ended());
    }

    #[test]
    fn it_is_known_when_a_topic_had_ended() {
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
    fn what_a_log_has_lost_is_forgotten() {
        let mut lifetime = Lifetime::default();
        lifetime.end(at(5), Duration::ZERO);
        lifetime.replace_with(Lifetime::default());
        assert!(!lifetime.is_ended());
        lifetime.end_for_good();
        lifetime.replace_with(Lifetime::default());
        assert!(lifetime.is_ended());
    }
}
