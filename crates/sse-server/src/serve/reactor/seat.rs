//! The seat of a stream among the members of its group.

/// What is to be done for a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// Nothing, because it has read everything.
    Idle,
    /// It is to be looked at.
    Active,
    /// It has got one piece. It gets the next piece when all others have got theirs.
    Later,
}

/// The index of a stream on one of the lists of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    group: u32,
    index: u32,
    list: List,
}

impl Seat {
    pub(crate) fn new(group: usize, list: List, index: usize) -> Self {
        Self { group: short(group), index: short(index), list }
    }

    /// The key of the group.
    pub(crate) fn group(self) -> usize {
        self.group as usize
    }

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }

    pub(crate) fn list(self) -> List {
        self.list
    }
}

/// Converts a key or an index, which is less than the number of open connections.
pub(crate) fn short(key: usize) -> u32 {
    u32::try_from(key).expect("there are no four billion connections")
}
