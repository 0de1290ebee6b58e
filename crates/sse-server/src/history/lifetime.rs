//! Whether a topic has ended.

use std::time::Duration;

use super::position::Position;

/// When a topic has ended, and when it was opened again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// The newest end; it counts if it is later than `opened`.
    ended: Position,
    opened: Position,
    /// Over how long the streams end.
    spread: Duration,
    /// It has ended for good: nobody is left to publish.
    is_abandoned: bool,
}

impl Lifetime {
    /// The topic ends at a position. What is told late changes nothing: a page of the past may tell of an end that was
    /// taken back since.
    pub(crate) fn end(&mut self, at: Position, spread: Duration) {
        if at <= self.opened || at <= self.ended {
            return;
        }
        if !self.is_ended() {
            self.spread = spread;
        }
        self.ended = at;
    }

    /// The topic is open again, from a position on.
    pub(crate) fn open(&mut self, at: Position) {
        self.opened = self.opened.max(at);
    }

    /// The topic ends for good: nothing opens it again.
    pub(crate) fn end_for_good(&mut self) {
        self.is_abandoned = true;
    }

    /// The topic is open again, whatever its last end was.
    pub(crate) fn reopen(&mut self) {
        self.open(self.ended);
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_abandoned || self.ended > self.opened
    }

    /// Whether the topic had ended at a position; `None` if that is not known.
    pub(crate) fn has_ended_at(&self, position: Position) -> Option<bool> {
        let (ended, opened) = (self.ended, self.opened);
        match (ended <= position && ended > Position::START, opened <= position && opened > Position::START) {
            (true, true) => Some(ended > opened),
            (true, false) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        }
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
        assert!(!lifetime.is_ended());
        lifetime.end(at(5), Duration::from_secs(1));
        assert!(lifetime.is_ended());
        lifetime.end(at(6), Duration::from_secs(2));
        assert_eq!(lifetime.spread(), Duration::from_secs(1), "the first end counts");
        lifetime.open(at(7));
        assert!(!lifetime.is_ended());
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
