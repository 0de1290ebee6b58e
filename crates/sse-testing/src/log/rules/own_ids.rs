//! What a log does that has publishers' ids.

use sse_server::EventId;
use sse_server::log::{Batch, Log, Outcome, Position, Record};

use crate::log::checked::{Checked, PAGE, Placed, Publisher, record};

/// Ids as publishers may give them, each of another length or in other letters.
const IDS: [&str; 8] = ["7", "order-1", "order-10", "ORDER-1", "é 東京", "a%20b", "'\"\\$1", "0"];

fn named(topic: &str, key: Option<&str>, data: &str, id: &str) -> Record {
    let id = EventId::new(id).expect("it is an id");
    let named = record(topic, key, &format!("data: {data}\n")).with_id(&id);
    named.expect("a header can bring the id back")
}

/// A message without an id that there is only once.
fn unnamed() -> Record {
    record("topic", None, &format!("data: {}\n", fastrand::u64(..)))
}

impl<L: Log> Checked<L> {
    /// Appends a batch of messages that are new. Returns where they are.
    async fn append_named(&self, batch: &Batch) -> Vec<Placed> {
        let outcomes = self.outcomes(batch).await;
        let positions = outcomes.iter().map(|outcome| match outcome {
            Outcome::New(position) => *position,
            other => self.broken(format_args!("append of messages with new ids has the outcome {other:?}")),
        });
        self.placed(batch, positions.collect())
    }

    async fn outcomes(&self, batch: &Batch) -> Vec<Outcome> {
        let what = "append_with_ids".to_owned();
        let outcomes = self.done(what, self.log.append_with_ids(batch)).await;
        let (messages, returned) = (batch.records().len(), outcomes.len());
        self.require(messages == returned, || {
            format!("append of {messages} messages has returned {returned} outcomes")
        });
        outcomes
    }

    async fn find(&self, topic: &str, id: &str) -> Option<Position> {
        self.done(format!("find({topic:?}, {id:?})"), self.log.find(topic, id)).await
    }

    async fn finds(&self, placed: &[Placed]) {
        for (position, record) in placed {
            let Some(id) = record.id() else { continue };
            let found = self.find(record.topic(), id.as_str()).await;
            self.same(&format!("find of {id:?} of {:?}", record.topic()), &found, &Some(*position));
        }
    }
}

pub(crate) async fn an_id_names_its_message<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let longest = "x".repeat(1024);
    let ids = IDS.into_iter().chain([&*longest]);
    let records = ids.flat_map(|id| ["topic", "topi", ""].map(|topic| named(topic, None, "x", id))).collect();
    let placed = log.append_named(&Publisher::new().batch_of(records)).await;
    for log in [&log, &other] {
        log.finds(&placed).await;
        for (topic, id) in [
            ("topic", ""),
            ("topic", "8"),
            ("topic", "order-"),
            ("topic", "order-100"),
            ("topic", "Order-1"),
            ("topi", "c7"),
            ("topicorder", "-1"),
            ("Topic", "7"),
            ("topic", "7\0"),
            ("topic", "\u{fffd}"),
            ("topic", &"x".repeat(1025)),
        ] {
            log.same(&format!("find of {id:?} of {topic:?}"), &log.find(topic, id).await, &None);
        }
    }
}

pub(crate) async fn a_message_comes_back_with_its_id<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, reader) = (open().await, open().await);
    let mut records = vec![unnamed()];
    for id in IDS {
        records.extend([named("topic", Some("key"), id, id), unnamed()]);
    }
    let mut placed = log.append_named(&Publisher::new().batch_of(records)).await;
    placed.extend(log.append(&Publisher::new().batch(2)).await);
    let entries = reader.all().await;
    reader.holds(&entries, &placed);
    reader.is_chain(&entries, Position::START);
}

pub(crate) async fn a_repeat_is_not_appended<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let (mut here, mut there) = (Publisher::new(), Publisher::new());
    let mut placed = log.append_named(&here.batch_of(vec![named("topic", Some("k"), "x", "1")])).await;
    let first = placed[0].0;
    // Twice in one batch: in one group, and in two.
    let twice = || vec![named("topic", None, "y", "2"), named("topic", None, "y", "2")];
    let Batches { one, two } = Batches::of(&mut here, twice());
    for (log, batch) in [(&log, one), (&other, two)] {
        let outcomes = log.outcomes(&batch).await;
        let is_first = placed.len() == 1;
        let position = match outcomes[..] {
            [Outcome::New(new), Outcome::Repeat(repeated)] if is_first && new == repeated => new,
            [Outcome::Repeat(one), Outcome::Repeat(two)] if !is_first && [one, two] == [placed[1].0; 2] => {
                one
            }
            _ => log.broken(format_args!("a message that is in a batch twice has the outcomes {outcomes:?}")),
        };
        if is_first {
            placed.push((position, batch.records()[0].clone()));
        }
    }
    for (log, publisher) in [(&log, &mut here), (&other, &mut there)] {
        let repeated = named("topic", Some("k"), "x", "1");
        let batch = publisher.batch_of(vec![unnamed(), repeated, unnamed()]);
        let outcomes = log.outcomes(&batch).await;
        let [Outcome::New(one), Outcome::Repeat(position), Outcome::New(two)] = outcomes[..] else {
            log.broken(format_args!("a repeat between two new messages has the outcomes {outcomes:?}"));
        };
        log.same("the position of what is repeated", &position, &first);
        placed.extend([(one, batch.records()[0].clone()), (two, batch.records()[2].clone())]);
        log.holds(&log.all().await, &placed);
    }
    // A topic has its own ids.
    placed.extend(log.append_named(&here.batch_of(vec![named("other", Some("k"), "x", "1")])).await);
    log.holds(&log.all().await, &placed);
    log.finds(&placed).await;
}

/// The same messages as one group, and as a group for each.
struct Batches {
    one: Batch,
    two: Batch,
}

impl Batches {
    fn of(publisher: &mut Publisher, records: Vec<Record>) -> Self {
        let one = publisher.batch_of(records.clone());
        publisher.number += 1;
        let groups = records.into_iter().map(|record| vec![record]);
        Self { one, two: Batch::of_groups(publisher.id, publisher.number, groups) }
    }
}

pub(crate) async fn a_taken_id_leaves_its_group_out<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let (log, other) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let mut placed = log.append_named(&publisher.batch_of(vec![named("topic", Some("k"), "x", "1")])).await;
    for taken in [
        named("topic", Some("k"), "y", "1"),
        named("topic", None, "x", "1"),
        named("topic", Some(""), "x", "1"),
        named("topic", Some("K"), "x", "1"),
        record("topic", Some("k"), "event: e\ndata: x\n").with_id(&EventId::from_static("1")).expect("an id"),
        record("topic", Some("k"), "tag: t\ndata: x\n").with_id(&EventId::from_static("1")).expect("an id"),
    ] {
        publisher.number += 1;
        let groups =
            [vec![unnamed()], vec![unnamed(), taken, named("topic", None, "z", "2")], vec![unnamed()]];
        let batch = Batch::of_groups(publisher.id, publisher.number, groups);
        let outcomes = other.outcomes(&batch).await;
        let [Outcome::New(one), Outcome::Taken, Outcome::Taken, Outcome::Taken, Outcome::New(two)] =
            outcomes[..]
        else {
            log.broken(format_args!("{:?} has the outcomes {outcomes:?}", batch.records()));
        };
        placed.extend([(one, batch.records()[0].clone()), (two, batch.records()[4].clone())]);
        log.holds(&log.all().await, &placed);
        log.same("find of an id of a group that was left out", &log.find("topic", "2").await, &None);
    }
    // The group itself uses an id twice.
    let group = vec![named("topic", None, "a", "3"), named("topic", None, "b", "3")];
    let outcomes = log.outcomes(&publisher.batch_of(group)).await;
    log.same(
        "what becomes of a group that names two messages by one id",
        &outcomes,
        &vec![Outcome::Taken; 2],
    );
    log.holds(&log.all().await, &placed);
}

pub(crate) async fn a_batch_that_is_appended_again_has_its_outcomes<L: Log>(
    open: impl AsyncFn() -> Checked<L>,
) {
    let (log, other) = (open().await, open().await);
    let mut publisher = Publisher::new();
    let placed = log.append_named(&publisher.batch_of(vec![named("topic", None, "x", "1")])).await;
    publisher.number += 1;
    let groups = [
        vec![named("topic", None, "x", "1"), named("topic", None, "y", "2"), unnamed()],
        vec![named("topic", None, "z", "2"), unnamed()],
        vec![named("topic", None, "z", "3")],
    ];
    let batch = Batch::of_groups(publisher.id, publisher.number, groups);
    let first = log.outcomes(&batch).await;
    let is_right = matches!(
        first[..],
        [Outcome::Repeat(at), Outcome::New(_), Outcome::New(_), Outcome::Taken, Outcome::Taken, Outcome::New(_)]
            if at == placed[0].0
    );
    log.require(is_right, || format!("the outcomes are {first:?}"));
    let entries = log.all().await;
    for log in [&log, &other] {
        log.same("the outcomes of the same batch again", &log.outcomes(&batch).await, &first);
        log.same_entries("what there is then", &log.all().await, &entries);
    }
}

pub(crate) async fn one_of_many_appends_an_id<L: Log>(open: impl AsyncFn() -> Checked<L>) {
    let log = open().await;
    let publish = async || {
        let (log, mut publisher) = (open().await, Publisher::new());
        let mut outcomes = Vec::new();
        for number in 0..25 {
            let batch = publisher.batch_of(vec![named("topic", None, "x", &format!("id {number}"))]);
            outcomes.extend(log.outcomes(&batch).await);
            // A log that never waits would let nobody else in.
            tokio::task::yield_now().await;
        }
        outcomes
    };
    let (one, two, three) = tokio::join!(publish(), publish(), publish());
    for number in 0..25 {
        let outcomes = [one[number], two[number], three[number]];
        let new = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::New(_))).count();
        let mut positions = outcomes.iter().filter_map(|outcome| match outcome {
            Outcome::New(position) | Outcome::Repeat(position) => Some(*position),
            Outcome::Taken => None,
        });
        let is_one = positions.next().is_some_and(|first| positions.filter(|at| *at == first).count() == 2);
        log.require(new == 1 && is_one, || format!("one id that three have appended has {outcomes:?}"));
    }
    let entries = log.all().await;
    log.require(entries.len() == 25, || format!("of 25 ids, there are {} entries", entries.len()));
}

/// As [`check_trimming`](crate::log::check_trimming) trims: 402 entries to about 50.
pub(crate) async fn the_ids_of_what_is_kept_are_known<L: Log>(
    open: impl AsyncFn() -> Checked<L>,
    trim: impl AsyncFn(usize),
) {
    let log = open().await;
    let mut publisher = Publisher::new();
    let mut placed = Vec::new();
    for batch in 0..42 {
        let records = (0..10).map(|number| {
            let id = format!("{batch}.{number}");
            named("topic", None, &id, &id)
        });
        placed.extend(log.append_named(&publisher.batch_of(records.collect())).await);
    }
    trim(50).await;
    let fresh = open().await;
    let kept = fresh.newest().await;
    let (gone, kept) = placed.split_at(placed.len() - kept.len().min(placed.len()));
    fresh.require(!gone.is_empty() && !kept.is_empty(), || format!("{} entries are kept", kept.len()));
    for log in [&log, &fresh] {
        log.finds(kept).await;
        let records = kept.iter().map(|(_, record)| record.clone()).collect();
        let repeats: Vec<_> = kept.iter().map(|(position, _)| Outcome::Repeat(*position)).collect();
        let outcomes = log.outcomes(&publisher.batch_of(records)).await;
        log.same_list("what becomes of repeats", &outcomes, &repeats);
        // The last one that is gone is known to be ahead of the first one that is kept.
        for (position, record) in &gone[..gone.len() - 1] {
            let id = record.id().expect("all have one");
            let Some(found) = log.find("topic", id.as_str()).await else { continue };
            log.same(&format!("find of {id:?}, which is gone"), &found, position);
            log.same(&format!("after({position}), which is gone"), &log.after(*position, PAGE).await, &None);
        }
    }
}
