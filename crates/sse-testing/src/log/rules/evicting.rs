//! The rules for a log that has evicted messages of one topic, and has kept older entries of another one.

use sse_server::log::{Entry, Log, Record};

use crate::log::checked::{EVICTED, Evicted, PAGE, Publisher, placed, with_start};

pub(crate) async fn entries_of_other_topics_stay<L: Log>(evicted: impl AsyncFn() -> Evicted<L>) {
    let Evicted { log, kept, before, .. } = evicted().await;
    let others = |entries: &[Entry]| {
        let mut others = placed(entries);
        others.retain(|(_, record)| record.topic() != EVICTED);
        others
    };
    log.same_list("the entries of other topics", &others(&kept), &others(&before));
}

pub(crate) async fn the_newest_messages_of_the_topic_stay<L: Log>(evicted: impl AsyncFn() -> Evicted<L>) {
    let Evicted { log, kept, before, messages, .. } = evicted().await;
    let newest = |entries: &[Entry]| {
        let mut newest = placed(entries);
        newest.retain(|(_, record)| record.topic() == EVICTED);
        newest.split_off(newest.len().saturating_sub(messages))
    };
    log.same_list("the newest messages of the topic", &newest(&kept), &newest(&before));
}

pub(crate) async fn an_entry_tells_of_evicted_messages<L: Log>(evicted: impl AsyncFn() -> Evicted<L>) {
    let Evicted { log, kept, before, .. } = evicted().await;
    for gone in before.iter().filter(|entry| !kept.contains(entry)) {
        let later = kept.iter().filter(|entry| entry.position >= gone.position);
        let told = later.take_while(|entry| entry.is_evicted());
        let topic = gone.record.as_ref().map(Record::topic);
        let mut topics = told.map(|entry| entry.record.as_ref().map(Record::topic));
        log.require(topics.any(|told| told == topic), || {
            format!(
                "no entry tells of the evicted message at {}, before another entry follows",
                gone.position
            )
        });
    }
}

pub(crate) async fn entries_around_removed_ones_follow_one_another<L: Log>(
    evicted: impl AsyncFn() -> Evicted<L>,
) {
    let Evicted { log, fresh, kept, .. } = evicted().await;
    log.is_chain(&kept, kept[0].previous);
    log.same_entries("the entries from the beginning", &fresh.all_after(kept[0].previous).await, &kept);
    for limit in [1, 7, PAGE] {
        log.pages_backwards(limit, &kept).await;
    }
    let appended = log.append(&Publisher::new().batch(2)).await;
    let last = kept[kept.len() - 1].position;
    let entries = fresh.all_after(last).await;
    log.holds(&entries, &appended);
    log.is_chain(&entries, last);
}

pub(crate) async fn after_knows_the_positions_of_removed_entries<L: Log>(
    evicted: impl AsyncFn() -> Evicted<L>,
) {
    let Evicted { log, fresh, kept, before, .. } = evicted().await;
    for log in [log, fresh] {
        for position in with_start(&before) {
            let mut expected: Vec<_> =
                kept.iter().filter(|entry| entry.position > position).cloned().collect();
            if let Some(first) = expected.first_mut() {
                first.previous = position;
            }
            let page = log.known(position, PAGE).await;
            log.is_page(&format!("after({position})"), &page, PAGE, &expected);
            log.require(page.is_empty() == expected.is_empty(), || {
                format!("after({position}) has {} entries, and {} exist", page.len(), expected.len())
            });
        }
    }
}
