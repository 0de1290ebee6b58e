//! The rules for a log whose oldest entries were trimmed.

use sse_server::log::{Log, Position};

use crate::log::checked::{PAGE, Publisher, Trimmed, with_start};

pub(crate) async fn kept_entries_are_unchanged<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, kept, before, .. } = trimmed().await;
    log.same_entries("the kept entries", &kept, &before[before.len() - kept.len()..]);
}

pub(crate) async fn the_first_kept_entry_follows_the_last_trimmed<L: Log>(
    trimmed: impl AsyncFn() -> Trimmed<L>,
) {
    let Trimmed { log, kept, .. } = trimmed().await;
    let last_gone = kept[0].previous;
    log.same_entries("the kept entries", &log.all_after(last_gone).await, &kept);
    let page = log.follow(last_gone, PAGE).await.unwrap_or_default();
    log.is_page(&format!("follow({last_gone})"), &page, PAGE, &kept);
    log.require(!page.is_empty(), || format!("follow({last_gone}) has no entries, though there are some"));
    for (number, entry) in kept.iter().enumerate() {
        let page = log.known(entry.position, PAGE).await;
        log.is_page(&format!("after({})", entry.position), &page, PAGE, &kept[number + 1..]);
    }
}

pub(crate) async fn entries_after_a_trimmed_one_are_unknown<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, fresh, kept, before, .. } = trimmed().await;
    let gone = &before[..before.len() - kept.len()];
    // The entries after the last trimmed one are known, because the first kept entry names it.
    for position in with_start(&gone[..gone.len() - 1]) {
        log.same(&format!("after({position}), which was trimmed"), &log.after(position, PAGE).await, &None);
    }
    let page = fresh.follow(Position::START, PAGE).await;
    log.same("follow(START) by a new handle, when its entries were trimmed", &page, &None);
}

pub(crate) async fn before_ends_at_the_first_kept_entry<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, kept, before, .. } = trimmed().await;
    for limit in [1, 7, PAGE] {
        log.pages_backwards(limit, &kept).await;
    }
    let gone = before[0].position;
    log.same(&format!("before({gone}), which was trimmed"), &log.before(Some(gone), PAGE).await, &vec![]);
}

pub(crate) async fn a_trimmed_log_goes_on<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, fresh, kept, .. } = trimmed().await;
    let appended = fresh.append(&Publisher::new().batch(2)).await;
    let last = kept[kept.len() - 1].position;
    let entries = log.all_after(last).await;
    log.holds(&entries, &appended);
    log.is_chain(&entries, last);
}

pub(crate) async fn a_repeated_batch_is_known_after_trimming<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, fresh, kept, first, placed, .. } = trimmed().await;
    for log in [&log, &fresh] {
        log.same("`append` of a batch that was trimmed", &log.append(&first).await, &placed);
        log.same_entries("the kept entries", &log.newest().await, &kept);
    }
}
