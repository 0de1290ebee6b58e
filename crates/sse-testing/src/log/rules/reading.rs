//! The rules of `before`, `after` and `follow`.

use std::time::Duration;

use sse_server::log::{Log, Position};
use tokio::time::Instant;

use crate::log::checked::{Checked, PAGE, Publisher, drop_after, filled, unknown};

/// A call that waits for "some seconds" takes longer than this.
const SHORT: Duration = Duration::from_millis(500);

pub(crate) async fn a_new_log_is_empty<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    log.same("before(None)", &log.before(None, PAGE).await, &vec![]);
    log.same("after(START)", &log.after(Position::START, PAGE).await, &Some(vec![]));
    let unknown = Position::new(7);
    log.same("before(Some(7))", &log.before(Some(unknown), PAGE).await, &vec![]);
    log.same("after(7)", &log.after(unknown, PAGE).await, &None);
}

pub(crate) async fn nothing_is_after_the_last<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    let (last, _) = log.append(&Publisher::new().batch(1)).await.remove(0);
    log.same(&format!("after({last}), the last"), &log.after(last, PAGE).await, &Some(vec![]));
}

pub(crate) async fn after_has_the_next_entries<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 30).await;
    for limit in [1, 2, 3, 7, 29, 30, 31, PAGE] {
        let mut seen = 0;
        while seen < entries.len() {
            let position = seen.checked_sub(1).map_or(Position::START, |last| entries[last].position);
            let page = log.known(position, limit).await;
            let asked = format!("after({position}, {limit})");
            log.require(!page.is_empty(), || format!("{asked} is empty, though there are entries"));
            log.is_page(&asked, &page, limit, &entries[seen..]);
            seen += page.len();
        }
    }
}

pub(crate) async fn each_entry_knows_the_one_before<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 12).await;
    log.is_chain(&entries, Position::START);
}

pub(crate) async fn an_unknown_position_is_none<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 8).await;
    for position in unknown(&entries) {
        log.same(&format!("after({position}), which has no entry"), &log.after(position, PAGE).await, &None);
    }
}

pub(crate) async fn before_has_the_newest_of_the_earlier<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 30).await;
    for limit in [1, 2, 3, 7, 29, 30, 31, PAGE] {
        log.pages_backwards(limit, &entries).await;
    }
    let beyond = Position::new(entries[entries.len() - 1].position.get() + 1);
    let page = log.before(Some(beyond), 1).await;
    log.same_entries(&format!("before({beyond}, 1), after the end"), &page, &entries[entries.len() - 1..]);
}

pub(crate) async fn follow_returns_existing_entries<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, entries) = filled(&open, 30).await;
    for limit in [1, 7, PAGE] {
        let log = open().await;
        let mut seen = 0;
        while seen < entries.len() {
            let position = seen.checked_sub(1).map_or(Position::START, |last| entries[last].position);
            let page = log.follow(position, limit).await;
            let asked = format!("follow({position}, {limit})");
            let Some(page) = page.filter(|page| !page.is_empty()) else {
                log.broken(format_args!("{asked} has no entries, though there are some"));
            };
            log.is_page(&asked, &page, limit, &entries[seen..]);
            seen += page.len();
        }
    }
    for position in unknown(&entries) {
        let page = open().await.follow(position, PAGE).await;
        log.same(&format!("follow({position}) by a new handle, without an entry there"), &page, &None);
    }
}

pub(crate) async fn follow_waits_for_new_entries<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (reader, mut publisher) = (open().await, Publisher::new());
    let mut position = Position::START;
    for is_begun in [false, true, true] {
        let batch = publisher.batch(2);
        let follow = async {
            let begun = Instant::now();
            let page = reader.follow(position, PAGE).await;
            (page, begun.elapsed())
        };
        // It takes a while to open another handle, so the follower is waiting by then.
        let append = async { open().await.append(&batch).await };
        let ((page, time), appended) = tokio::join!(follow, append);
        reader.require(page.is_some(), || format!("follow({position}) is `None`, at the end of the log"));
        let is_patient = !is_begun || page.is_some_and(|page| !page.is_empty()) || time >= SHORT;
        reader.require(is_patient, || {
            format!(
            "follow({position}), by a handle that had followed before, returned after {time:?} without any"
            )
        });
        let seen = reader.followed(position, 2).await;
        reader.holds(&seen, &appended);
        position = seen[seen.len() - 1].position;
    }
}

pub(crate) async fn a_follow_that_is_dropped_loses_nothing<L: Log>(open: impl AsyncFn() -> Checked<L>) {
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
