//! What replicas rely on, as tests for whoever implements [`Log`].
//!
//! Each rule is a function with a log of its own, and says what the documentation of the trait says. Nothing
//! else is expected of a log: pages may be short, and entries without a message may lie between batches.

use std::time::Duration;

use http::HeaderValue;
use sse_server::log::{Log, Position};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::checked::{
    Checked, PAGE, Publisher, Rule, Trimmed, drop_after, filled, record, unknown, with_start,
};

/// Who waits for "some seconds" does not come back as fast as this.
const SHORT: Duration = Duration::from_millis(500);

macro_rules! check_each {
    ($subject:ident: $($rule:ident, $says:literal;)*) => {$(
        let rule = Rule { name: stringify!($rule), says: $says };
        // Boxed, so that the future of all of them is not as large as they are together.
        Box::pin($rule(async || $subject(rule).await)).await;
    )*};
}

/// Checks that a log does what replicas rely on. `open` opens the log of a name: an empty one for a new name,
/// another handle of the same log for the same name, with a connection of its own if there are connections.
///
/// A name is at most 63 of `a`-`z` and `_`, and is the same in each run: if the log outlives the test, add to
/// it what makes it new. It needs the timers of a tokio runtime.
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
/// If the log breaks a rule: with the rule, and what was seen.
pub async fn check<L: Log>(open: impl AsyncFn(&str) -> L) {
    let open = async |rule: Rule| Checked { log: open(&rule.log_name()).await, rule };
    // What the others read with comes first, so that they are not blamed for it.
    check_each! { open:
        a_new_log_is_empty,
            "a log that `open` opens for a new name is empty, and its first entry will be behind `START`";
        positions_only_rise,
            "each entry has a `Position`, which only rises";
        nothing_is_after_the_last,
            "`after` is `None` only if it is not known what follows: nothing follows the last entry yet";
        after_has_the_entries_right_behind,
            "`after` returns the entries right behind a position, oldest first: at least one, if there is \
             one, and no more than `limit`";
        each_entry_knows_the_one_before,
            "`previous` is the entry that it was appended behind, `START` for the first";
        entries_are_in_the_order_of_appends,
            "`append` appends behind all others, next to each other, in order, and returns the positions";
        records_come_back_as_they_were,
            "an entry holds the message: its topic, its key or none, its fields byte by byte";
        a_large_message_is_whole_or_refused,
            "`append` appends all or none; a log that has `refused` has done nothing";
        the_largest_batch_is_appended,
            "`append` appends all or none: a publisher sends up to 256 messages or 256 KiB together";
        a_repeated_batch_appends_nothing,
            "if the newest batch of this publisher has this number, nothing is appended, and its positions \
             are those of the first time";
        an_older_batch_appends_nothing,
            "if the newest batch of this publisher has a higher number, nothing is appended";
        each_publisher_has_its_own_numbers,
            "a batch is known by its publisher and its number: those of another publisher do not matter";
        an_append_that_is_dropped_can_be_repeated,
            "a future that is dropped leaves nothing half done; a batch whose outcome is not known is \
             appended again";
        an_unknown_position_is_none,
            "`after` is `None`, and no error, where the log does not hold an entry and the first one was not \
             appended behind";
        before_has_the_newest_ahead,
            "`before` returns the newest of the entries ahead of a position, oldest first, no more than \
             `limit`; none only if there is none";
        follow_returns_what_is_there,
            "`follow` is as `after` where there is an entry, and where the position is not known";
        follow_waits_for_what_is_new,
            "`follow` waits for an entry if there is none yet, for some seconds, unless it has just begun";
        a_follow_that_is_dropped_loses_nothing,
            "a future that is dropped leaves nothing half done: the same position can be followed again";
        appends_at_one_time_do_not_mix,
            "the messages of a batch are next to each other, each publisher's in its order, and no entry \
             appears where a reader has already passed";
        a_position_is_its_id,
            "`position` reads what `id` wrote";
        an_id_passes_through_a_header,
            "an id comes back in a `Last-Event-ID` header as it was";
        an_id_of_no_position_is_none,
            "`position` gets whatever a client sends: it is `None` unless the text is the id of a position, \
             which `after` then answers";
    }
}

/// Checks, as [`check`] does, what is only seen of a log that lets go of its oldest entries: `trim` makes the
/// log of a name keep about so many of the newest.
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
/// If the log breaks a rule: with the rule, and what was seen.
pub async fn check_trimming<L: Log>(open: impl AsyncFn(&str) -> L, trim: impl AsyncFn(&str, usize)) {
    let trimmed = async |rule: Rule| {
        let name = rule.log_name();
        let open = async || Checked { log: open(&name).await, rule };
        Trimmed::new(open, async |entries| trim(&name, entries).await).await
    };
    check_each! { trimmed:
        what_is_kept_is_unchanged,
            "each entry knows which entry it was appended behind, whether or not that is still there";
        the_first_kept_is_after_the_last_gone,
            "`after` is known for the position that the first entry of the log was appended behind";
        what_follows_a_gone_entry_is_not_known,
            "`after` is `None` where entries are gone that were behind the position";
        before_ends_at_the_first_kept,
            "`before` returns fewer than `limit` if there are not as many, none ahead of the first";
        a_trimmed_log_goes_on,
            "an entry knows which entry it was appended behind, and has a higher position";
        a_repeated_batch_is_known_though_it_is_gone,
            "if the newest batch of this publisher has this number, nothing is appended, and its positions \
             are those of the first time: also when its entries are gone";
    }
}

async fn a_new_log_is_empty<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    log.same("before(None)", &log.before(None, PAGE).await, &vec![]);
    log.same("after(START)", &log.after(Position::START, PAGE).await, &Some(vec![]));
    let unknown = Position::new(7);
    log.same("before(Some(7))", &log.before(Some(unknown), PAGE).await, &vec![]);
    log.same("after(7)", &log.after(unknown, PAGE).await, &None);
}

async fn positions_only_rise<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let (mut here, mut there) = (Publisher::new(), Publisher::new());
    let mut last = Position::START;
    for messages in [1, 3, 2] {
        let batches = [log.append(&here.batch(messages)).await, other.append(&there.batch(messages)).await];
        for (position, _) in batches.concat() {
            log.require(position > last, || format!("an entry at {position} was appended behind {last}"));
            last = position;
        }
    }
}

async fn nothing_is_after_the_last<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    let (last, _) = log.append(&Publisher::new().batch(1)).await.remove(0);
    log.same(&format!("after({last}), the last"), &log.after(last, PAGE).await, &Some(vec![]));
}

async fn after_has_the_entries_right_behind<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 30).await;
    for limit in [1, 2, 3, 7, 29, 30, 31, PAGE] {
        let mut seen = 0;
        while seen < entries.len() {
            let position = seen.checked_sub(1).map_or(Position::START, |last| entries[last].position);
            let page = log.known(position, limit).await;
            let asked = format!("after({position}, {limit})");
            log.require(!page.is_empty(), || format!("{asked} is empty, though there is an entry"));
            log.is_page(&asked, &page, limit, &entries[seen..]);
            seen += page.len();
        }
    }
}

async fn each_entry_knows_the_one_before<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 12).await;
    log.is_chain(&entries, Position::START);
}

async fn entries_are_in_the_order_of_appends<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other, reader) = (open().await, open().await, open().await);
    let (mut here, mut there) = (Publisher::new(), Publisher::new());
    let mut appended = Vec::new();
    for messages in [1, 3, 2] {
        let batches = [log.append(&here.batch(messages)).await, other.append(&there.batch(messages)).await];
        let entries = reader.all().await;
        for batch in &batches {
            reader.is_adjacent(&entries, batch);
        }
        appended.extend(batches.concat());
        reader.holds(&entries, &appended);
    }
}

async fn records_come_back_as_they_were<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let texts = [
        "",
        " ",
        "a:b c",
        "a.*.>",
        "{a}/b?c#d%20",
        "A\u{308} \u{e4} 東京 🦀",
        "a\r\nb\tc",
        "a\0b",
        "'\"\\x00$1",
    ];
    let fields = [
        "data: x\n",
        "data: a\ndata: b\ndata\ndata:\n",
        "event: e\nretry: 7\ndata:  x \n",
        ": a comment alone\n",
        "retry: 7\n",
        "unknown: x\n",
        "data: A\u{308} \u{e4} 東京 🦀\n",
        "data: a\0b\tc\u{feff}\n",
        "data: '\"\\x00$1\n",
    ];
    let mut records = Vec::new();
    for text in texts {
        records.extend([record(text, None, fields[0]), record("topic", Some(text), fields[0])]);
    }
    records.extend(fields.map(|fields| record("topic", None, fields)));
    let (log, reader) = (open().await, open().await);
    let appended = log.append(&Publisher::new().batch_of(records)).await;
    reader.holds(&reader.all().await, &appended);
}

async fn a_large_message_is_whole_or_refused<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, reader) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let mut appended = log.append(&publisher.batch(1)).await;
    let large = record("topic", None, &format!("data: {}\n", "x".repeat(1024 * 1024)));
    let batch = publisher.batch_of(vec![record("topic", None, "data: small\n"), large]);
    match log.try_append(&batch).await {
        Ok(positions) => appended.extend(log.placed(&batch, positions)),
        Err(error) if error.is_refused() => {}
        Err(error) => log.broken(format_args!("append of 1 MiB has failed: {error}")),
    }
    appended.extend(log.append(&publisher.batch(1)).await);
    reader.holds(&reader.all().await, &appended);
}

async fn the_largest_batch_is_appended<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, reader) = (open().await, open().await);
    let fields = format!("data: {}\n", "x".repeat(1024 - "data: \n".len()));
    let records = (0..256).map(|number| record(&number.to_string(), None, &fields)).collect();
    let appended = log.append(&Publisher::new().batch_of(records)).await;
    reader.holds(&reader.all().await, &appended);
}

async fn a_repeated_batch_appends_nothing<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let mut appended = log.append(&Publisher::new().batch(1)).await;
    for messages in [1, 3] {
        let batch = publisher.batch(messages);
        let first = log.append(&batch).await;
        appended.extend(first.clone());
        for (handle, log) in [("the same", &log), ("another", &other), ("the same", &log)] {
            let again = log.append(&batch).await;
            log.same(&format!("append of the same batch again, by {handle} handle"), &again, &first);
            log.holds(&log.all().await, &appended);
        }
        appended.extend(other.append(&Publisher::new().batch(1)).await);
        log.same("append of the same batch, behind another", &log.append(&batch).await, &first);
        log.holds(&log.all().await, &appended);
    }
}

async fn an_older_batch_appends_nothing<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let batches = [1, 3, 2].map(|messages| publisher.batch(messages));
    let appended =
        [log.append(&batches[0]).await, log.append(&batches[1]).await, log.append(&batches[2]).await];
    for (log, batch) in [(&log, &batches[0]), (&other, &batches[1]), (&other, &batches[0])] {
        // What is returned does not matter.
        if let Err(error) = log.try_append(batch).await
            && !error.is_refused()
        {
            log.broken(format_args!("append of an older batch has failed: {error}"));
        }
        log.holds(&log.all().await, &appended.concat());
    }
}

async fn each_publisher_has_its_own_numbers<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let (mut one, mut two) = (Publisher::new(), Publisher::new());
    // They differ in one bit: the high one, where a signed number has its sign, or the lowest.
    let mut high = Publisher { id: one.id ^ 1 << 63, number: 0 };
    let mut low = Publisher { id: one.id ^ 1, number: 0 };
    let mut appended = log.append(&one.batch(2)).await;
    appended.extend(log.append(&one.batch(2)).await);
    for publisher in [&mut two, &mut high, &mut low] {
        appended.extend(other.append(&publisher.batch(2)).await);
        other.holds(&other.all().await, &appended);
    }
}

async fn an_append_that_is_dropped_can_be_repeated<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    let mut publisher = Publisher::new();
    let mut appended = Vec::new();
    for polls in 1..=12 {
        let batch = publisher.batch(3);
        drop_after(polls, log.log.append(&batch)).await;
        appended.extend(log.append(&batch).await);
        log.holds(&log.all().await, &appended);
    }
}

async fn an_unknown_position_is_none<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 8).await;
    for position in unknown(&entries) {
        log.same(&format!("after({position}), which is no entry"), &log.after(position, PAGE).await, &None);
    }
}

async fn before_has_the_newest_ahead<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 30).await;
    for limit in [1, 2, 3, 7, 29, 30, 31, PAGE] {
        log.pages_backwards(limit, &entries).await;
    }
    let beyond = Position::new(entries[entries.len() - 1].position.get() + 1);
    let page = log.before(Some(beyond), 1).await;
    log.same_entries(&format!("before({beyond}, 1), beyond the end"), &page, &entries[entries.len() - 1..]);
}

async fn follow_returns_what_is_there<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 30).await;
    for limit in [1, 7, PAGE] {
        let log = open().await;
        let mut seen = 0;
        while seen < entries.len() {
            let position = seen.checked_sub(1).map_or(Position::START, |last| entries[last].position);
            let page = log.follow(position, limit).await;
            let asked = format!("follow({position}, {limit})");
            let Some(page) = page.filter(|page| !page.is_empty()) else {
                log.broken(format_args!("{asked} is without entries, though there are some"));
            };
            log.is_page(&asked, &page, limit, &entries[seen..]);
            seen += page.len();
        }
    }
    for position in unknown(&entries) {
        let page = open().await.follow(position, PAGE).await;
        log.same(&format!("follow({position}) by a new handle, which is no entry"), &page, &None);
    }
}

async fn follow_waits_for_what_is_new<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (reader, mut publisher) = (open().await, Publisher::new());
    let mut position = Position::START;
    for is_begun in [false, true, true] {
        let batch = publisher.batch(2);
        let follow = async {
            let begun = Instant::now();
            let page = reader.follow(position, PAGE).await;
            (page, begun.elapsed())
        };
        // To open another handle takes a while, so that the follower is waiting by then.
        let append = async { open().await.append(&batch).await };
        let ((page, time), appended) = tokio::join!(follow, append);
        reader.require(page.is_some(), || format!("follow({position}) is `None`, at the end of the log"));
        let is_patient = !is_begun || page.is_some_and(|page| !page.is_empty()) || time >= SHORT;
        reader.require(is_patient, || {
            format!(
                "follow({position}), by a handle that had followed before, was back in {time:?} without any"
            )
        });
        let seen = reader.followed(position, 2).await;
        reader.holds(&seen, &appended);
        position = seen[seen.len() - 1].position;
    }
}

async fn a_follow_that_is_dropped_loses_nothing<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, reader) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let mut position = Position::START;
    for _ in 0..8 {
        let batch = publisher.batch(2);
        tokio::select! {
            biased;
            _ = reader.log.follow(position, PAGE) => {}
            _ = log.log.append(&batch) => {}
        }
        let appended = log.append(&batch).await;
        drop_after(1, reader.log.follow(position, PAGE)).await;
        let seen = reader.followed(position, 2).await;
        reader.holds(&seen, &appended);
        reader.is_chain(&seen, position);
        position = seen[seen.len() - 1].position;
    }
}

async fn appends_at_one_time_do_not_mix<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    let publish = async || {
        let (log, mut publisher) = (open().await, Publisher::new());
        let mut batches = Vec::new();
        for number in 0..25 {
            batches.push(log.append(&publisher.batch(1 + number % 5)).await);
            // A log that never waits would let nobody else in.
            yield_now().await;
        }
        batches
    };
    let (one, two, three, four, followed) =
        tokio::join!(publish(), publish(), publish(), publish(), log.followed(Position::START, 300));
    let entries = log.all().await;
    for publisher in [&one, &two, &three, &four] {
        for batch in publisher {
            log.is_adjacent(&entries, batch);
        }
        let is_in_order = publisher.concat().is_sorted_by_key(|&(position, _)| position);
        log.require(is_in_order, || "a batch is ahead of one that its publisher appended before".into());
    }
    let mut appended = [one, two, three, four].concat().concat();
    appended.sort_by_key(|&(position, _)| position);
    log.holds(&entries, &appended);
    log.is_chain(&entries, Position::START);
    log.same_entries("what a follower has seen meanwhile", &followed, &entries);
}

async fn a_position_is_its_id<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 12).await;
    for position in with_start(&entries) {
        let id = log.log.id(position);
        log.same(
            &format!("position of the id {:?}", id.as_str()),
            &log.log.position(id.as_str()),
            &Some(position),
        );
    }
}

async fn an_id_passes_through_a_header<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 3).await;
    for position in with_start(&entries) {
        let id = log.log.id(position);
        let id = id.as_str();
        let value = HeaderValue::from_str(id).ok();
        // White space around a value is not part of it.
        let came = value.as_ref().and_then(|value| value.to_str().ok()).map(str::trim);
        log.same(&format!("the id {id:?} as a header"), &came, &Some(id));
        log.require(!id.is_empty(), || {
            format!("the id of {position} is empty, which a client does not send")
        });
    }
}

async fn an_id_of_no_position_is_none<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 3).await;
    let real = log.log.id(entries[1].position);
    let real = real.as_str();
    let mut texts: Vec<String> = [
        "", "x", "-1", "1-", "-", "1-1-1", "0x1", "1e3", "1.0", "\u{fffd}", "\u{661}", "\0", " 1 ", "1 ",
        "00",
    ]
    .map(str::to_owned)
    .into();
    texts.extend(["0", " ", "+", "-", "\u{feff}"].map(|ahead| format!("{ahead}{real}")));
    texts.extend(["0", " ", "-", "-0", "\n", "\u{301}"].map(|behind| format!("{real}{behind}")));
    texts.extend([u64::MAX.to_string(), "9".repeat(23), "9".repeat(100_000), real.repeat(2)]);
    for text in texts {
        let Some(position) = log.log.position(&text) else { continue };
        log.same(
            &format!("the id of the position of {text:?}"),
            &log.log.id(position).as_str(),
            &text.as_str(),
        );
        // Whatever is known of it, it is not an error: that would be asked for again and again.
        log.after(position, PAGE).await;
    }
}

async fn what_is_kept_is_unchanged<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, kept, before, .. } = trimmed().await;
    log.same_entries("what is kept", &kept, &before[before.len() - kept.len()..]);
}

async fn the_first_kept_is_after_the_last_gone<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, kept, .. } = trimmed().await;
    let behind = kept[0].previous;
    log.same_entries("what is kept", &log.all_after(behind).await, &kept);
    let page = log.follow(behind, PAGE).await.unwrap_or_default();
    log.is_page(&format!("follow({behind})"), &page, PAGE, &kept);
    log.require(!page.is_empty(), || format!("follow({behind}) is without entries, though there are some"));
    for (number, entry) in kept.iter().enumerate() {
        let page = log.known(entry.position, PAGE).await;
        log.is_page(&format!("after({})", entry.position), &page, PAGE, &kept[number + 1..]);
    }
}

async fn what_follows_a_gone_entry_is_not_known<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, fresh, kept, before, .. } = trimmed().await;
    let gone = &before[..before.len() - kept.len()];
    // The last one that is gone is what the first one that is kept was appended behind.
    for position in with_start(&gone[..gone.len() - 1]) {
        log.same(&format!("after({position}), which is gone"), &log.after(position, PAGE).await, &None);
    }
    let page = fresh.follow(Position::START, PAGE).await;
    log.same("follow(START) by a new handle, when its entries are gone", &page, &None);
}

async fn before_ends_at_the_first_kept<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, kept, before, .. } = trimmed().await;
    for limit in [1, 7, PAGE] {
        log.pages_backwards(limit, &kept).await;
    }
    let gone = before[0].position;
    log.same(&format!("before({gone}), which is gone"), &log.before(Some(gone), PAGE).await, &vec![]);
}

async fn a_trimmed_log_goes_on<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, fresh, kept, .. } = trimmed().await;
    let appended = fresh.append(&Publisher::new().batch(2)).await;
    let last = kept[kept.len() - 1].position;
    let entries = log.all_after(last).await;
    log.holds(&entries, &appended);
    log.is_chain(&entries, last);
}

async fn a_repeated_batch_is_known_though_it_is_gone<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, fresh, kept, first, placed, .. } = trimmed().await;
    for log in [&log, &fresh] {
        log.same("append of a batch that is gone", &log.append(&first).await, &placed);
        log.same_entries("what is kept", &log.newest().await, &kept);
    }
}
