//! The suite for logs accepts the log in memory, and names the fault of each broken log.

mod broken;
mod fault;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use sse_testing::log;

use self::broken::{Broken, Logs, open};
use self::fault::Fault::{self, *};

/// Returns the panic of the suite for a log with this fault; `None` if it accepts the log.
fn said_of(fault: Fault) -> Option<String> {
    let run = async {
        let logs = Logs::default();
        let open = async |name: &str| open(&logs, fault, name);
        log::check(&open).await;
        log::check_trimming(&open, async |name: &str, entries| {
            let Broken { log, shared, .. } = open(name).await;
            match fault {
                TrimsNothing => {}
                TrimsTheNewest => log.lose(log.len() - entries),
                _ => log.trim(entries),
            }
            shared.is_trimmed.store(true, Ordering::Relaxed);
        })
        .await;
        log::check_evicting(&open, async |name: &str, messages| {
            let Broken { log, shared, .. } = open(name).await;
            match fault {
                EvictsNothing => {}
                EvictsTheNewest => {
                    // As many are left as must be, but older ones.
                    log.evict("topic", messages + 8);
                    log.lose(8);
                }
                _ => log.evict("topic", messages),
            }
            if fault == EvictsOtherTopics {
                log.evict("other", 1);
            }
            shared.is_evicted.store(true, Ordering::Relaxed);
        })
        .await;
    };
    // The clock is paused, so the test does not really wait for a time-out.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run))).err()?;
    Some(panic.downcast_ref::<String>().cloned().unwrap_or_else(|| "another panic".into()))
}

#[track_caller]
fn check(fault: Fault, rule: &str) {
    let said = said_of(fault).unwrap_or_else(|| panic!("{fault:?} is not noticed"));
    assert!(
        said.contains(&format!("rule `{rule}`")),
        "{fault:?} is noticed, but not by the rule `{rule}`: {said}"
    );
}

#[test]
fn the_log_in_memory_is_accepted() {
    assert_eq!(said_of(Sound), None);
}

#[tokio::test(start_paused = true)]
async fn a_store_can_open_logs_by_their_names() {
    let logs = Logs::default();
    let open = async |name: &str| open(&logs, Sound, name);
    log::check(&open).await;
    log::check_trimming(&open, async |name: &str, entries| open(name).await.log.trim(entries)).await;
    log::check_evicting(&open, async |name: &str, kept| open(name).await.log.evict("topic", kept)).await;
    for name in logs.borrow().keys() {
        let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(is_plain && name.len() <= 63, "{name:?}");
    }
}

#[test]
fn each_fault_is_noticed_and_named() {
    for (fault, rule) in [
        (StartIsUnknown, "a_new_log_is_empty"),
        (AfterKnowsAll, "a_new_log_is_empty"),
        (AfterTheLastIsNone, "nothing_is_after_the_last"),
        (NeverAppends, "positions_only_rise"),
        (AfterIsReversed, "after_has_the_next_entries"),
        (AfterIgnoresTheLimit, "after_has_the_next_entries"),
        (AfterIsEmpty, "after_has_the_next_entries"),
        (AfterSkips, "after_has_the_next_entries"),
        (PositionsFall, "positions_only_rise"),
        (PositionsOfPairs, "positions_only_rise"),
        (FirstIsAtStart, "positions_only_rise"),
        (NoLinks, "each_entry_knows_the_one_before"),
        (LinksWithinBatches, "each_entry_knows_the_one_before"),
        (OneLogForAllNames, "entries_are_in_the_order_of_appends"),
        (IgnoresThePublisher, "positions_only_rise"),
        (PositionsNotOfTheEntries, "entries_are_in_the_order_of_appends"),
        (OnePositionForAll, "positions_only_rise"),
        (LosesTheKey, "records_come_back_as_they_were"),
        (EmptyKeyIsNone, "records_come_back_as_they_were"),
        (TopicInLowerCase, "records_come_back_as_they_were"),
        (TrimsTopics, "records_come_back_as_they_were"),
        (LosesComments, "records_come_back_as_they_were"),
        (RefusesNulls, "records_come_back_as_they_were"),
        (TruncatesLarge, "a_large_message_is_whole_or_refused"),
        (RefusesHalf, "a_large_message_is_whole_or_refused"),
        (RefusesLargeBatches, "the_largest_batch_is_appended"),
        (Doubles, "a_repeated_batch_appends_nothing"),
        (DoublesOfOtherHandles, "a_repeated_batch_appends_nothing"),
        (ForgetsAllButTheNewestPublisher, "a_repeated_batch_appends_nothing"),
        (OtherPositionsTheSecondTime, "a_repeated_batch_appends_nothing"),
        (TakesOlderBatches, "an_older_batch_appends_nothing"),
        (IgnoresTheSignOfThePublisher, "each_publisher_has_its_own_numbers"),
        (HalfIsLeftBehind, "an_append_that_is_dropped_can_be_repeated"),
        (AfterFailsBeyondSigned, "an_unknown_position_is_none"),
        (BeforeIsReversed, "before_has_the_newest_of_the_earlier"),
        (BeforeIgnoresTheLimit, "before_has_the_newest_of_the_earlier"),
        (BeforeHasTheOldest, "before_has_the_newest_of_the_earlier"),
        (BeforeHasTheEntryItself, "before_has_the_newest_of_the_earlier"),
        (BeforeIsEmpty, "before_has_the_newest_of_the_earlier"),
        (BeforeKnowsEntriesOnly, "before_has_the_newest_of_the_earlier"),
        (FollowKnowsAll, "follow_returns_existing_entries"),
        (FollowIgnoresTheLimit, "follow_returns_existing_entries"),
        (FollowBeginsAtTheEnd, "follow_returns_existing_entries"),
        (FollowHidesTheNewest, "follow_returns_existing_entries"),
        (FollowNeverWakes, "follow_waits_for_new_entries"),
        (FollowNeverWaits, "follow_waits_for_new_entries"),
        (FollowGoesOnWhereItWas, "follow_waits_for_new_entries"),
        (FollowLosesWhatItHadRead, "a_follow_that_is_dropped_loses_nothing"),
        (OneByOne, "appends_at_one_time_do_not_mix"),
        (AnEntryAppearsLate, "appends_at_one_time_do_not_mix"),
        (IdIsNotRead, "a_position_is_its_id"),
        (IdIsEmpty, "an_id_passes_through_a_header"),
        (IdIsNoHeader, "an_id_passes_through_a_header"),
        (IdHasSpaces, "an_id_passes_through_a_header"),
        (IdHasManyTexts, "an_id_of_no_position_is_none"),
        (FindsNothing, "an_id_names_its_message"),
        (FindsIdsOfOtherTopics, "an_id_names_its_message"),
        (FindsIdsInLowerCase, "an_id_names_its_message"),
        (LosesIds, "a_message_comes_back_with_its_id"),
        (AppendsRepeats, "a_repeat_is_not_appended"),
        (RepeatsAtOtherPositions, "a_repeat_is_not_appended"),
        (TakenIsARepeat, "a_taken_id_leaves_its_group_out"),
        (TakenIsAlone, "a_taken_id_leaves_its_group_out"),
        (TakenIsTheWholeBatch, "a_taken_id_leaves_its_group_out"),
        (ForgetsOutcomes, "a_batch_that_is_appended_again_has_its_outcomes"),
        (ChecksIdsTooEarly, "one_of_many_appends_an_id"),
        (ForgetsIdsWhenTrimmed, "the_ids_of_what_is_kept_are_known"),
        (ListsNoEnds, "the_ends_of_topics_are_listed"),
        (ListsEndsInReverse, "the_ends_of_topics_are_listed"),
        (ListsOpenedTopics, "an_opened_topic_is_not_listed"),
        (ListsTheLastEnds, "the_first_of_several_ends_counts"),
        (ListsTheOldestEnds, "the_newest_ends_are_listed"),
        (ListsTooManyEnds, "the_newest_ends_are_listed"),
        (ForgetsEndsWhenTrimmed, "an_end_is_listed_after_it_was_trimmed"),
        (TrimsNothing, "kept_entries_are_unchanged"),
        (TrimsTheNewest, "kept_entries_are_unchanged"),
        (LinksToStartWhenTrimmed, "kept_entries_are_unchanged"),
        (BeforeFailsWhenTrimmed, "kept_entries_are_unchanged"),
        (ForgetsTheLastGoneWhenTrimmed, "the_first_kept_entry_follows_the_last_trimmed"),
        (KnowsStartWhenTrimmed, "entries_after_a_trimmed_one_are_unknown"),
        (KnowsGoneWhenTrimmed, "entries_after_a_trimmed_one_are_unknown"),
        (FollowsGoneWhenTrimmed, "entries_after_a_trimmed_one_are_unknown"),
        (BeforeOfGoneIsTheOldestWhenTrimmed, "before_ends_at_the_first_kept_entry"),
        (LinksAnewWhenTrimmed, "a_trimmed_log_goes_on"),
        (ForgetsBatchesWhenTrimmed, "a_repeated_batch_is_known_after_trimming"),
        (EvictsNothing, "entries_of_other_topics_stay"),
        (EvictsOtherTopics, "entries_of_other_topics_stay"),
        (EvictsTheNewest, "the_newest_messages_of_the_topic_stay"),
        (HidesWhatIsEvicted, "an_entry_tells_of_evicted_messages"),
        (LinksToRemovedEntries, "entries_around_removed_ones_follow_one_another"),
        (ForgetsRemovedPositions, "after_knows_the_positions_of_removed_entries"),
    ] {
        check(fault, rule);
    }
}
