//! The rules of `append`.

use sse_server::log::{Log, Position};
use tokio::task::yield_now;

use crate::log::checked::{Checked, Publisher, drop_after, record};

pub(crate) async fn positions_only_rise<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let (mut here, mut there) = (Publisher::new(), Publisher::new());
    let mut last = Position::START;
    for messages in [1, 3, 2] {
        let batches = [log.append(&here.batch(messages)).await, other.append(&there.batch(messages)).await];
        for (position, _) in batches.concat() {
            log.require(position > last, || {
                format!("an entry at {position} was appended after the entry at {last}")
            });
            last = position;
        }
    }
}

pub(crate) async fn entries_are_in_the_order_of_appends<L: Log>(open: impl AsyncFn() -> Checked<L>) {
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

pub(crate) async fn records_come_back_as_they_were<L: Log>(open: impl AsyncFn() -> Checked<L>) {
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

pub(crate) async fn a_large_message_is_whole_or_refused<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, reader) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let mut appended = log.append(&publisher.batch(1)).await;
    let large = record("topic", None, &format!("data: {}\n", "x".repeat(1024 * 1024)));
    let batch = publisher.batch_of(vec![record("topic", None, "data: small\n"), large]);
    match log.try_append(&batch).await {
        Ok(positions) => appended.extend(log.placed(&batch, positions)),
        Err(error) if error.is_refused() => {}
        Err(error) => log.broken(format_args!("`append` of 1 MiB has failed: {error}")),
    }
    appended.extend(log.append(&publisher.batch(1)).await);
    reader.holds(&reader.all().await, &appended);
}

pub(crate) async fn the_largest_batch_is_appended<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, reader) = (open().await, open().await);
    let fields = format!("data: {}\n", "x".repeat(1024 - "data: \n".len()));
    let records = (0..256).map(|number| record(&number.to_string(), None, &fields)).collect();
    let appended = log.append(&Publisher::new().batch_of(records)).await;
    reader.holds(&reader.all().await, &appended);
}

pub(crate) async fn a_repeated_batch_appends_nothing<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let mut appended = log.append(&Publisher::new().batch(1)).await;
    for messages in [1, 3] {
        let batch = publisher.batch(messages);
        let first = log.append(&batch).await;
        appended.extend(first.clone());
        for (handle, log) in [("the same", &log), ("another", &other), ("the same", &log)] {
            let again = log.append(&batch).await;
            log.same(&format!("`append` of the same batch again, by {handle} handle"), &again, &first);
            log.holds(&log.all().await, &appended);
        }
        appended.extend(other.append(&Publisher::new().batch(1)).await);
        log.same("`append` of the same batch, after another one", &log.append(&batch).await, &first);
        log.holds(&log.all().await, &appended);
    }
}

pub(crate) async fn an_older_batch_appends_nothing<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let batches = [1, 3, 2].map(|messages| publisher.batch(messages));
    let appended =
        [log.append(&batches[0]).await, log.append(&batches[1]).await, log.append(&batches[2]).await];
    for (log, batch) in [(&log, &batches[0]), (&other, &batches[1]), (&other, &batches[0])] {
        // The returned positions do not matter.
        if let Err(error) = log.try_append(batch).await
            && !error.is_refused()
        {
            log.broken(format_args!("`append` of an older batch has failed: {error}"));
        }
        log.holds(&log.all().await, &appended.concat());
    }
}

pub(crate) async fn each_publisher_has_its_own_numbers<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let (mut one, mut two) = (Publisher::new(), Publisher::new());
    // Their numbers differ in one bit: in the highest, where a signed number has its sign, or in the lowest.
    let mut high = Publisher { id: one.id ^ 1 << 63, number: 0 };
    let mut low = Publisher { id: one.id ^ 1, number: 0 };
    let mut appended = log.append(&one.batch(2)).await;
    appended.extend(log.append(&one.batch(2)).await);
    for publisher in [&mut two, &mut high, &mut low] {
        appended.extend(other.append(&publisher.batch(2)).await);
        other.holds(&other.all().await, &appended);
    }
}

pub(crate) async fn an_append_that_is_dropped_can_be_repeated<L: Log>(open: impl AsyncFn() -> Checked<L>) {
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

pub(crate) async fn appends_at_one_time_do_not_mix<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    let publish = async || {
        let (log, mut publisher) = (open().await, Publisher::new());
        let mut batches = Vec::new();
        for number in 0..25 {
            batches.push(log.append(&publisher.batch(1 + number % 5)).await);
            // A log that never waits would let no other task run.
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
        log.require(is_in_order, || "a batch is before an earlier batch of its publisher".into());
    }
    let mut appended = [one, two, three, four].concat().concat();
    appended.sort_by_key(|&(position, _)| position);
    log.holds(&entries, &appended);
    log.is_chain(&entries, Position::START);
    log.same_entries("the entries that a follower has seen meanwhile", &followed, &entries);
}
