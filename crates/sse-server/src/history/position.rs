//! The position of a message.

use std::fmt;

/// The position of a message among all topics of one hub or one log. A later message has a higher position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// The position before every message.
    pub const START: Self = Self(0);

    /// Returns the position with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number of the position.
    pub const fn get(self) -> u64 {
        self.0
    }

    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Returns how many positions come after `earlier`, up to this one.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
