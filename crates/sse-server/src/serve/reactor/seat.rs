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

/// The index of a stream on one of the lists of a group. It is one word, because there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seat {
    group: u32,
    /// The index, and the list in the two lowest bits.
    place: u32,
}

impl Seat {
    pub(crate) fn new(group: usize, list: List, index: usize) -> Self {
        Self { group: short(group), place: short(index << 2) | list as u32 }
    }

    /// The key of the group.
    pub(crate) fn group(self) -> usize {
        self.group as usize
    }

    pub(crate) fn index(self) -> usize {
        (self.place >> 2) as usize
    }

    pub(crate) fn list(self) -> List {
        match self.place & 0b11 {
            0 => List::Idle,
            1 => List::Active,
            _ => List::Later,
        }
    }
}

/// Converts a number that is a few times the number of open connections at most.
pub(crate) fn short(key: usize) -> u32 {
    u32::try_from(key).expect("there are no billion connections")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_has_its_group_its_list_and_its_index() {
        for list in [List::Idle, List::Active, List::Later] {
            for (group, index) in [(0, 0), (7, 1), (u32::MAX as usize, (1 << 30) - 1)] {
                let seat = Seat::new(group, list, index);
                assert_eq!((seat.group(), seat.list(), seat.index()), (group, list, index));
            }
        }
    }
}
