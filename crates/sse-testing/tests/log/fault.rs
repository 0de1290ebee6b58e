//! The faults that a log may have.

use Fault::*;

/// A fault of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Sound,
    OneLogForAllNames,
    StartIsUnknown,
    // Faults of `append`.
    Doubles,
    DoublesOfOtherHandles,
    ForgetsAllButTheNewestPublisher,
    TakesOlderBatches,
    IgnoresThePublisher,
    IgnoresTheSignOfThePublisher,
    OtherPositionsTheSecondTime,
    PositionsNotOfTheEntries,
    OnePositionForAll,
    OneByOne,
    HalfIsLeftBehind,
    RefusesNulls,
    RefusesLargeBatches,
    RefusesHalf,
    NeverAppends,
    // Faults of entries.
    PositionsFall,
    PositionsOfPairs,
    FirstIsAtStart,
    NoLinks,
    LinksWithinBatches,
    LosesTheKey,
    EmptyKeyIsNone,
    TopicInLowerCase,
    TrimsTopics,
    LosesComments,
    TruncatesLarge,
    // Faults of pages.
    AfterIsReversed,
    AfterIgnoresTheLimit,
    AfterIsEmpty,
    AfterKnowsAll,
    AfterFailsBeyondSigned,
    AfterTheLastIsNone,
    AfterSkips,
    BeforeIsReversed,
    BeforeIgnoresTheLimit,
    BeforeHasTheOldest,
    BeforeHasTheEntryItself,
    BeforeIsEmpty,
    BeforeKnowsEntriesOnly,
    // Faults of `follow`.
    FollowNeverWakes,
    FollowNeverWaits,
    FollowKnowsAll,
    FollowIgnoresTheLimit,
    FollowBeginsAtTheEnd,
    FollowGoesOnWhereItWas,
    FollowLosesWhatItHadRead,
    AnEntryAppearsLate,
    FollowHidesTheNewest,
    // Faults of ids.
    IdIsEmpty,
    IdIsNoHeader,
    IdHasSpaces,
    IdIsNotRead,
    IdHasManyTexts,
    // Faults of publishers' ids.
    FindsNothing,
    FindsIdsOfOtherTopics,
    FindsIdsInLowerCase,
    LosesIds,
    AppendsRepeats,
    RepeatsAtOtherPositions,
    TakenIsARepeat,
    TakenIsAlone,
    TakenIsTheWholeBatch,
    ForgetsOutcomes,
    ChecksIdsTooEarly,
    ForgetsIdsWhenTrimmed,
    // Faults of ends.
    ListsNoEnds,
    ListsOpenedTopics,
    ListsTheLastEnds,
    ListsTheOldestEnds,
    ListsTooManyEnds,
    ListsEndsInReverse,
    ForgetsEndsWhenTrimmed,
    // Faults of trimming.
    TrimsNothing,
    TrimsTheNewest,
    LinksToStartWhenTrimmed,
    KnowsStartWhenTrimmed,
    KnowsGoneWhenTrimmed,
    FollowsGoneWhenTrimmed,
    ForgetsBatchesWhenTrimmed,
    BeforeFailsWhenTrimmed,
    ForgetsTheLastGoneWhenTrimmed,
    LinksAnewWhenTrimmed,
    BeforeOfGoneIsTheOldestWhenTrimmed,
    // Faults of evicting.
    EvictsNothing,
    EvictsOtherTopics,
    EvictsTheNewest,
    HidesWhatIsEvicted,
    LinksToRemovedEntries,
    ForgetsRemovedPositions,
}

impl Fault {
    /// Returns whether a log with this fault keeps publishers' ids.
    pub(crate) fn keeps_ids(self) -> bool {
        matches!(
            self,
            Sound
                | FindsNothing
                | FindsIdsOfOtherTopics
                | FindsIdsInLowerCase
                | LosesIds
                | AppendsRepeats
                | RepeatsAtOtherPositions
                | TakenIsARepeat
                | TakenIsAlone
                | TakenIsTheWholeBatch
                | ForgetsOutcomes
                | ChecksIdsTooEarly
                | ForgetsIdsWhenTrimmed
        )
    }

    /// Returns whether a log with this fault lists the ends of topics.
    pub(crate) fn lists_ends(self) -> bool {
        matches!(
            self,
            Sound
                | ListsNoEnds
                | ListsOpenedTopics
                | ListsTheLastEnds
                | ListsTheOldestEnds
                | ListsTooManyEnds
                | ListsEndsInReverse
                | ForgetsEndsWhenTrimmed
        )
    }
}
