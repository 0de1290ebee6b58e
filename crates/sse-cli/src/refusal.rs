//! The header `Sse-Refusal`: why a hub has not published something, for programs.

/// The header's name.
pub(crate) const HEADER: &str = "sse-refusal";

/// Why a hub has published nothing of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// An event has an id, but the hub gives all ids itself.
    OwnId,
    /// The id of an event can't be a publisher's.
    InvalidId,
    /// The id of an event names another event of the topic.
    IdTaken,
    /// The events are too many to be published together.
    BatchTooLarge,
    /// The topic is closed.
    Closed,
    /// Too many events wait for the log.
    Full,
}

impl Refusal {
    const ALL: [Self; 6] =
        [Self::OwnId, Self::InvalidId, Self::IdTaken, Self::BatchTooLarge, Self::Closed, Self::Full];

    /// The value of the header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OwnId => "own-id",
            Self::InvalidId => "invalid-id",
            Self::IdTaken => "id-taken",
            Self::BatchTooLarge => "batch-too-large",
            Self::Closed => "closed",
            Self::Full => "full",
        }
    }

    /// The refusal of a name, if this version of the program knows it.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_refusal() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::of_name(refusal.name()), Some(refusal));
        }
        assert_eq!(Refusal::of_name("Own-Id"), None);
    }
}
