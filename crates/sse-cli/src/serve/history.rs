//! How much of each topic is kept for clients that come back.

use std::str::FromStr;
use std::time::Duration;

use crate::units;

/// A limit of the history: a number of events, their age, or their size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Events(usize),
    Age(Duration),
    Bytes(usize),
}

/// The bounds of the history, as far as they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) events: Option<usize>,
    pub(crate) age: Option<Duration>,
    pub(crate) bytes: Option<usize>,
}

/// The bounds of each topic on the disk, as far as they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicHistory {
    pub(crate) events: Option<usize>,
    pub(crate) bytes: Option<usize>,
}

impl TryFrom<History> for TopicHistory {
    type Error = &'static str;

    fn try_from(History { events, age, bytes }: History) -> Result<Self, Self::Error> {
        match (age, events) {
            (Some(_), _) => Err("--topic-history has no age; give it to --history, for all topics"),
            (None, Some(0)) => Err("--topic-history must be at least 1: the newest event of a topic is kept"),
            (None, _) => Ok(Self { events, bytes }),
        }
    }
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(events) = text.parse() {
            return Ok(Self::Events(events));
        }
        let bound = if text.ends_with('B') {
            units::bytes(text).map(Self::Bytes)
        } else {
            units::time(text).map(Self::Age)
        };
        bound.map_err(|_| "write a number of events, an age, a size, or several: 1000,10m,16MiB".to_owned())
    }
}

impl FromIterator<Bound> for History {
    /// Of several bounds of one kind, the last counts.
    fn from_iter<I: IntoIterator<Item = Bound>>(bounds: I) -> Self {
        let mut history = Self::default();
        for bound in bounds {
            match bound {
                Bound::Events(events) => history.events = Some(events),
                Bound::Age(age) => history.age = Some(age),
                Bound::Bytes(bytes) => history.bytes = Some(bytes),
            }
        }
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Bound>) {
        assert_eq!(text.parse().ok(), expected, "{text:?}");
    }

    #[test]
    fn a_bound_is_a_number_an_age_or_a_size() {
        check("1000", Some(Bound::Events(1000)));
        check("0", Some(Bound::Events(0)));
        check("10m", Some(Bound::Age(Duration::from_secs(600))));
        check("1h30m", Some(Bound::Age(Duration::from_secs(5400))));
        check("16MiB", Some(Bound::Bytes(16 << 20)));
        check("100B", Some(Bound::Bytes(100)));
        for wrong in ["", "-1", "many", "-10m", "1.5", "B"] {
            check(wrong, None);
        }
    }

    #[test]
    fn each_topic_has_a_number_and_a_size() {
        let of = |bounds: &[Bound]| TopicHistory::try_from(bounds.iter().copied().collect::<History>());
        assert_eq!(of(&[]), Ok(TopicHistory::default()));
        let both = TopicHistory { events: Some(10), bytes: Some(5) };
        assert_eq!(of(&[Bound::Events(10), Bound::Bytes(5)]), Ok(both));
        assert!(of(&[Bound::Events(0)]).is_err() && of(&[Bound::Age(Duration::from_secs(1))]).is_err());
    }

    #[test]
    fn the_last_bound_of_a_kind_counts() {
        let history: History = [Bound::Events(9), Bound::Bytes(5), Bound::Events(10)].into_iter().collect();
        assert_eq!(history, History { events: Some(10), age: None, bytes: Some(5) });
    }
}
