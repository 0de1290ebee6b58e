//! The rules that replicas rely on, each with the text that a panic shows.
//!
//! A rule is a function that gets a log of its own. A log may do everything that no rule forbids: for example, pages
//! may be short, and entries without a message may be between batches.

mod appending;
mod ends;
mod evicting;
mod ids;
mod own_ids;
mod reading;
mod trimming;

use sse_server::log::Log;

use super::checked::{Checked, Evicted, Rule, Trimmed};

macro_rules! check_each {
    ($subject:ident: $($module:ident::$rule:ident, $says:literal;)*) => {$(
        let rule = Rule { name: stringify!($rule), says: $says };
        // Boxed, so that the future is not as large as the futures of all rules together.
        Box::pin($module::$rule(async || $subject(rule).await)).await;
    )*};
}

/// Checks that a log does what replicas rely on, by about twenty rules; by some more if the log
/// [has ids](Log::has_ids), or lists the [ends](Log::ends) of topics.
///
/// `open` opens the log of a name. For a new name it returns an empty log. For a known name it returns another handle
/// of the same log, with a connection of its own if the log has connections. A name has at most 63 characters, from `a`
/// to `z` and `_`. The names are the same in each run: if the logs outlive the test, add something new to them.
///
/// It needs a tokio runtime with timers. An operation that takes longer than 30 seconds breaks a rule.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use sse_testing::log::{MemoryLog, check};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let logs = Mutex::new(HashMap::<String, MemoryLog>::new());
/// check(async |name: &str| logs.lock().unwrap().entry(name.into()).or_default().clone()).await;
/// # }
/// ```
///
/// # Panics
///
/// If the log breaks a rule. The message has the name and the text of the rule, and what was seen.
pub async fn check<L: Log>(open: impl AsyncFn(&str) -> L) {
    let open = async |rule: Rule| Checked { log: open(&rule.log_name()).await, rule };
    // Rules that others build on come first, so that a fault is reported by its own rule.
    check_each! { open:
        reading::a_new_log_is_empty,
            "a log that `open` opens for a new name is empty, and its first entry will come after `START`";
        appending::positions_only_rise,
            "each entry has a higher position than all entries before it";
        reading::nothing_is_after_the_last,
            "`after` returns no entries for the last position of the log; `None` is for positions that the log \
             does not know";
        reading::after_has_the_next_entries,
            "`after` returns the entries that follow a position, oldest first: at least one, if there is \
             one, and at most `limit`";
        reading::each_entry_knows_the_one_before,
            "`previous` is the position of the entry before; it is `START` for the first entry";
        appending::entries_are_in_the_order_of_appends,
            "`append` appends at the end of the log, next to each other, in order, and returns the positions";
        appending::records_come_back_as_they_were,
            "an entry holds the message: its topic, its key or none, its fields byte by byte";
        appending::a_large_message_is_whole_or_refused,
            "`append` appends all or none; a log that has `refused` a batch has appended nothing of it";
        appending::the_largest_batch_is_appended,
            "`append` takes what a publisher sends together: up to 256 messages, or 256 KiB";
        appending::a_repeated_batch_appends_nothing,
            "if the newest batch of this publisher has this number, `append` appends nothing, and returns the \
             positions of the first time";
        appending::an_older_batch_appends_nothing,
            "if the newest batch of this publisher has a higher number, `append` appends nothing";
        appending::each_publisher_has_its_own_numbers,
            "a batch is known by its publisher and its number; batches of another publisher do not matter";
        appending::an_append_that_is_dropped_can_be_repeated,
            "a future that is dropped leaves nothing half done; a batch whose outcome is not known is \
             appended again";
        reading::an_unknown_position_is_none,
            "`after` returns `None`, and no error, for a position that is neither of an entry nor the one before \
             the first entry";
        reading::before_has_the_newest_of_the_earlier,
            "`before` returns the newest of the entries before a position, oldest first: at least one, if \
             there is one, and at most `limit`";
        reading::follow_returns_existing_entries,
            "`follow` returns what `after` returns, if that is an entry or `None`";
        reading::follow_waits_for_new_entries,
            "`follow` waits some seconds for an entry if there is none yet; only the first call may return \
             at once";
        reading::a_follow_that_is_dropped_loses_nothing,
            "a future that is dropped leaves nothing half done: the same position can be followed again";
        appending::appends_at_one_time_do_not_mix,
            "the messages of a batch are next to each other, and each publisher's are in its order; no entry \
             appears before a position that a reader has reached";
        ids::a_position_is_its_id,
            "`position` reads what `id` wrote";
        ids::an_id_passes_through_a_header,
            "an id comes back in a `Last-Event-ID` header as it was";
        ids::an_id_of_no_position_is_none,
            "`position` gets whatever a client sends; it returns `None` unless the text is the id of a \
             position, which `after` then answers";
    }
    if has_ids(&open).await {
        check_each! { open:
            own_ids::an_id_names_its_message,
                "`find` returns the position of the message of a topic that a publisher's id names, and `None` for \
                 any other text and any other topic";
            own_ids::a_message_comes_back_with_its_id,
                "an entry holds the id that the publisher gave, and `append` takes messages with ids and without";
            own_ids::a_repeat_is_not_appended,
                "a message whose id names a message with the same fields, key and tag is a `Repeat` of that one, \
                 also if another publisher appends it";
            own_ids::a_taken_id_leaves_its_group_out,
                "a message whose id names another message is `Taken`, with all of its group; other groups are \
                 appended";
            own_ids::a_batch_that_is_appended_again_has_its_outcomes,
                "a batch that is appended again has the outcomes of the first time";
            own_ids::one_of_many_appends_an_id,
                "of several that append the same id at one time, one appends the message, and the others repeat it";
        }
    }
    if has_ends(&open).await {
        check_each! { open:
            ends::the_ends_of_topics_are_listed,
                "`ends` returns the entries that have ended a topic, oldest first, and no others";
            ends::an_opened_topic_is_not_listed,
                "`ends` does not return the end of a topic that was opened after it";
            ends::the_first_of_several_ends_counts,
                "if a topic that has ended is ended again, `ends` returns the first of these ends";
            ends::the_newest_ends_are_listed,
                "`ends` returns at most `limit` ends, the newest";
        }
    }
}

/// Whether the log lists the ends of topics. It opens the log of the first rule for them.
async fn has_ends<L: Log>(open: &impl AsyncFn(Rule) -> Checked<L>) -> bool {
    let rule = Rule { name: "the_ends_of_topics_are_listed", says: "`ends` is a list, or always `None`" };
    let log = open(rule).await;
    log.done("ends(1)".to_owned(), log.log.ends(1)).await.is_some()
}

/// Returns whether the log keeps publishers' ids. It opens the log of the first rule for them, which must then be
/// empty.
async fn has_ids<L: Log>(open: &impl AsyncFn(Rule) -> Checked<L>) -> bool {
    open(Rule { name: "an_id_names_its_message", says: "a log has publishers' ids, or it has not" })
        .await
        .log
        .has_ids()
}

/// Checks the rules for a log whose oldest entries are trimmed. Call it in addition to [`check`], with the same `open`.
///
/// `trim` makes the log of a name keep about this number of its newest entries. The suite appends 402 entries and trims
/// the log to 50. At least one entry must be kept, and the first two must be trimmed.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use sse_testing::log::{MemoryLog, check_trimming};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let logs = Mutex::new(HashMap::<String, MemoryLog>::new());
/// let open = async |name: &str| logs.lock().unwrap().entry(name.into()).or_default().clone();
/// check_trimming(&open, async |name: &str, entries| open(name).await.trim(entries)).await;
/// # }
/// ```
///
/// # Panics
///
/// If the log breaks a rule. The message has the name and the text of the rule, and what was seen.
pub async fn check_trimming<L: Log>(open: impl AsyncFn(&str) -> L, trim: impl AsyncFn(&str, usize)) {
    let trimmed = async |rule: Rule| {
        let name = rule.log_name();
        let open = async || Checked { log: open(&name).await, rule };
        Trimmed::new(open, async |entries| trim(&name, entries).await).await
    };
    check_each! { trimmed:
        trimming::kept_entries_are_unchanged,
            "the entries that are kept are as before; `previous` of the first one is the position of the last \
             trimmed entry";
        trimming::the_first_kept_entry_follows_the_last_trimmed,
            "`after` returns the first kept entry for the position of the last trimmed entry";
        trimming::entries_after_a_trimmed_one_are_unknown,
            "`after` returns `None` for a position after which entries were trimmed";
        trimming::before_ends_at_the_first_kept_entry,
            "`before` returns the kept entries only, and none for the first kept position";
        trimming::a_trimmed_log_goes_on,
            "new entries have higher positions, and `previous` is the position of the entry before";
        trimming::a_repeated_batch_is_known_after_trimming,
            "if the newest batch of this publisher has this number, `append` appends nothing, and returns the \
             positions of the first time, also when its entries were trimmed";
    }
    let open = async |rule: Rule| Checked { log: open(&rule.log_name()).await, rule };
    let trim = async |rule: Rule, entries| trim(&rule.log_name(), entries).await;
    if has_ids(&open).await {
        let rule = Rule {
            name: "the_ids_of_what_is_kept_are_known",
            says: "an id is remembered for as long as its message is kept; one whose message was trimmed is known as \
                   that of a position that is gone, or is not known",
        };
        let open_named = async || open(rule).await;
        Box::pin(own_ids::the_ids_of_what_is_kept_are_known(open_named, async |entries| {
            trim(rule, entries).await;
        }))
        .await;
    }
    if has_ends(&open).await {
        let rule = Rule {
            name: "an_end_is_listed_after_it_was_trimmed",
            says: "`ends` returns the end of a topic also if its entry was trimmed",
        };
        let open_ended = async || open(rule).await;
        Box::pin(ends::an_end_is_listed_after_it_was_trimmed(open_ended, async |entries| {
            trim(rule, entries).await;
        }))
        .await;
    }
}

/// Checks the rules for a log that [evicts](sse_server::log::Record::evicted) messages of one topic, and keeps older entries of
/// other topics. Call it in addition to [`check`], with the same `open`.
///
/// `evict` makes the log of a name keep about this number of the newest messages of the topic `topic`, and not fewer. The
/// suite appends 320 messages to it and keeps 20. At least 21 must be evicted.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
///
/// use sse_testing::log::{MemoryLog, check_evicting};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let logs = Mutex::new(HashMap::<String, MemoryLog>::new());
/// let open = async |name: &str| logs.lock().unwrap().entry(name.into()).or_default().clone();
/// check_evicting(&open, async |name: &str, messages| open(name).await.evict("topic", messages)).await;
/// # }
/// ```
///
/// # Panics
///
/// If the log breaks a rule. The message has the name and the text of the rule, and what was seen.
pub async fn check_evicting<L: Log>(open: impl AsyncFn(&str) -> L, evict: impl AsyncFn(&str, usize)) {
    let evicted = async |rule: Rule| {
        let name = rule.log_name();
        let open = async || Checked { log: open(&name).await, rule };
        Evicted::new(open, async |messages| evict(&name, messages).await).await
    };
    check_each! { evicted:
        evicting::entries_of_other_topics_stay,
            "entries of other topics are as before";
        evicting::the_newest_messages_of_the_topic_stay,
            "the newest messages of the topic are as before";
        evicting::an_entry_tells_of_evicted_messages,
            "an entry tells of an evicted message in its place, or directly after it, with only such entries between";
        evicting::entries_around_removed_ones_follow_one_another,
            "`previous` of each entry is the position of the entry before it that is there";
        evicting::after_knows_the_positions_of_removed_entries,
            "`after` returns the next entries also for the position of a removed entry, and the first one names this \
             position as the one before";
    }
}
