//! What a log does that lists the ends of topics.

use sse_server::log::{Entry, Log, Record};

use crate::log::checked::{Checked, PAGE, Placed, Publisher, placed, record};

/// The end of a topic, whose streams end within so many milliseconds.
fn end_within(topic: &str, milliseconds: u32) -> Record {
    record(topic, None, &format!("control: end {milliseconds}\n"))
}

fn end(topic: &str) -> Record {
    end_within(topic, 0)
}

fn opening(topic: &str) -> Record {
    record(topic, None, "control: open\n")
}

impl<L: Log> Checked<L> {
    async fn ends(&self, limit: usize) -> Vec<Entry> {
        let ends = self.done(format!("ends({limit})"), self.log.ends(limit)).await;
        ends.unwrap_or_else(|| self.broken(format_args!("ends({limit}) is `None`, and was a list before")))
    }

    /// Checks that the log lists these ends and no others.
    async fn lists(&self, limit: usize, expected: &[Placed]) {
        let ends = self.ends(limit).await;
        self.same_list(&format!("ends({limit})"), &placed(&ends), expected);
    }

    /// Appends records of a new publisher.
    async fn append_all(&self, records: Vec<Record>) -> Vec<Placed> {
        self.append(&Publisher::new().batch_of(records)).await
    }
}

pub(crate) async fn the_ends_of_topics_are_listed<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    log.lists(PAGE, &[]).await;
    let message = record("b", None, "data: x\n");
    let longest = "x".repeat(2000);
    let mut records = vec![end("a"), message];
    records.extend(["c", "", "A", "é 東京", "'\"\\$1", "a\0", &longest].map(end));
    let mut ends = log.append_all(records).await;
    ends.remove(1);
    for log in [&log, &other] {
        log.lists(PAGE, &ends).await;
    }
}

pub(crate) async fn an_opened_topic_is_not_listed<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let batch = Publisher::new().batch_of(vec![end("a"), end("b"), end("c")]);
    let ends = log.append(&batch).await;
    other.append_all(vec![opening("a"), opening("d")]).await;
    // A batch that is known changes nothing.
    log.append(&batch).await;
    for log in [&log, &other] {
        log.lists(PAGE, &ends[1..]).await;
    }
    let mut later = other.append_all(vec![end("a"), opening("a"), end("a"), opening("b")]).await;
    log.lists(PAGE, &[ends[2].clone(), later.remove(2)]).await;
}

pub(crate) async fn the_first_of_several_ends_counts<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let mut ends = log.append_all(vec![end_within("a", 1500), end("b"), end_within("b", 7)]).await;
    ends.pop();
    other.append_all(vec![end("a")]).await;
    for log in [&log, &other] {
        log.lists(PAGE, &ends).await;
    }
}

pub(crate) async fn the_newest_ends_are_listed<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    let ends = log.append_all((0..30).map(|number| end(&number.to_string())).collect()).await;
    for limit in [1, 2, 29, 30, 31] {
        log.lists(limit, &ends[ends.len().saturating_sub(limit)..]).await;
    }
}

pub(crate) async fn an_end_is_listed_after_it_was_trimmed<L: Log>(
    open: impl AsyncFn() -> Checked<L>,
    trim: impl AsyncFn(usize),
) {
    let log = open().await;
    let ends = log.append_all(vec![end("a"), end("b"), end("c"), opening("b")]).await;
    let mut publisher = Publisher::new();
    for _ in 0..40 {
        log.append(&publisher.batch(10)).await;
    }
    trim(50).await;
    let (fresh, last) = (open().await, ends[3].0);
    let kept = fresh.newest().await;
    let is_trimmed = kept.first().is_some_and(|first| first.position > last);
    log.require(is_trimmed, || {
        format!("`trim` must trim the first 4 of 404 entries, and keeps {}", kept.len())
    });
    for log in [&log, &fresh] {
        log.lists(PAGE, &[ends[0].clone(), ends[2].clone()]).await;
    }
    log.append_all(vec![opening("a")]).await;
    fresh.lists(PAGE, &ends[2..3]).await;
}
