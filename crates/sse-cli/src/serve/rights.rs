//! The rights of clients: for topics, by the tokens of a file and by JWTs.

mod authority;
mod caller;
mod credential;
mod file;
mod jwt;
mod keys;
mod pattern;
mod verify;

pub(crate) use self::authority::{Authority, Sources};
pub(crate) use self::caller::{Caller, Use};
use self::pattern::Pattern;

/// What may be done with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Publish,
    Subscribe,
}

impl Right {
    /// The right as it is written, and as a verb.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
        }
    }
}

/// The topics to which somebody may publish and subscribe, and whether all topics may be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    publish: Vec<Pattern>,
    subscribe: Vec<Pattern>,
    status: bool,
}

impl Rights {
    /// Everything.
    pub(crate) fn all() -> Self {
        Self { publish: vec![Pattern::all()], subscribe: vec![Pattern::all()], status: true }
    }

    /// Adds the right for the topics of a pattern.
    pub(crate) fn add(&mut self, right: Right, topics: Pattern) {
        self.patterns_mut(right).push(topics);
    }

    /// Adds the right to see all topics: their names, and numbers about them.
    pub(crate) fn add_status(&mut self) {
        self.status = true;
    }

    pub(crate) fn cover(&self, right: Right, topic: &str) -> bool {
        self.patterns(right).iter().any(|pattern| pattern.matches(topic))
    }

    /// Returns whether the right is for every topic.
    pub(crate) fn cover_all(&self, right: Right) -> bool {
        self.patterns(right).iter().any(Pattern::is_all)
    }

    /// Returns whether all topics may be seen. The right to subscribe to all of them includes this right.
    pub(crate) fn cover_status(&self) -> bool {
        self.status || self.cover_all(Right::Subscribe)
    }

    /// Returns whether the right is for any topic.
    pub(crate) fn cover_any(&self, right: Right) -> bool {
        !self.patterns(right).is_empty()
    }

    fn patterns(&self, right: Right) -> &[Pattern] {
        match right {
            Right::Publish => &self.publish,
            Right::Subscribe => &self.subscribe,
        }
    }

    fn patterns_mut(&mut self, right: Right) -> &mut Vec<Pattern> {
        match right {
            Right::Publish => &mut self.publish,
            Right::Subscribe => &mut self.subscribe,
        }
    }
}
