//! What is seen of a log whose oldest entries were trimmed.

use sse_server::log::{Log, Position};

use crate::log::checked::{PAGE, Publisher, Trimmed, with_start};

pub(crate) async fn what_is_kept_is_unchanged<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, kept, before, .. } = trimmed().await;
    log.same_entries("what is kept", &kept, &before[before.len() - kept.len()..]);
}

pub(crate) async fn the_first_kept_is_after_the_last_gone<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, kept, .. } = trimmed().await;
    let last_gone = kept[0].previous;
    log.same_entries("what is kept", &log.all_after(last_gone).await, &kept);
    let page = log.follow(last_gone, PAGE).await.unwrap_or_default();
    log.is_page(&format!("follow({last_gone})"), &page, PAGE, &kept);
    log.require(!page.is_empty(), || {
        format!("follow({last_gone}) is without entries, though there are some")
    });
    for (number, entry) in kept.iter().enumerate() {
        let page = log.known(entry.position, PAGE).await;
        log.is_page(&format!("after({})", entry.position), &page, PAGE, &kept[number + 1..]);
    }
}

pub(crate) async fn what_follows_a_gone_entry_is_not_known<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, fresh, kept, before, .. } = trimmed().await;
    let gone = &before[..before.len() - kept.len()];
    // What follows the last one that is gone is known: the first one that is kept names it.
    for position in with_start(&gone[..gone.len() - 1]) {
        log.same(&format!("after({position}), which is gone"), &log.after(position, PAGE).await, &None);
    }
    let page = fresh.follow(Position::START, PAGE).await;
    log.same("follow(START) by a new handle, when its entries are gone", &page, &None);
}

pub(crate) async fn before_ends_at_the_first_kept<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, kept, before, .. } = trimmed().await;
    for limit in [1, 7, PAGE] {
        log.pages_backwards(limit, &kept).await;
    }
    let gone = before[0].position;
    log.same(&format!("before({gone}), which is gone"), &log.before(Some(gone), PAGE).await, &vec![]);
}

pub(crate) async fn a_trimmed_log_goes_on<L: Log>(trimmed: impl AsyncFn() -> Trimmed<L>) {
    let Trimmed { log, fresh, kept, .. } = trimmed().await;
    let appended = fresh.append(&Publisher::new().batch(2)).await;
    let last = kept[kept.len() - 1].position;
    let entries = log.all_after(last).await;
    log.holds(&entries, &appended);
    log.is_chain(&entries, last);
}

pub(crate) async fn a_repeated_batch_is_known_though_it_is_gone<L: Log>(
    trimmed: impl AsyncFn() -> Trimmed<L>,
) {
    let Trimmed { log, fresh, kept, first, placed, .. } = trimmed().await;
    for log in [&log, &fresh] {
        log.same("append of a batch that is gone", &log.append(&first).await, &placed);
        log.same_entries("what is kept", &log.newest().await, &kept);
    }
}
