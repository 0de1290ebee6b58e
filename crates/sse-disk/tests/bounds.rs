//! Bounds for the log, and for each topic.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use sse_disk::{DiskLog, DiskLogBuilder, DiskReader, OpenErrorKind};
use sse_server::log::{Batch, Log as _, Record, RecordKind};
use sse_server::{EventId, Message, Topics};
use sse_testing::{Subscriber, request};
use tokio::time::{sleep, timeout};

const SOON: Duration = Duration::from_secs(30);
const GAP: &str = r#"{"missed":null}"#;

/// Opens the directory when the handles that had it are gone.
async fn open(settings: &DiskLogBuilder, directory: &Path) -> DiskLog {
    let open = async {
        loop {
            match settings.clone().open(directory) {
                Err(error) if error.kind() == OpenErrorKind::InUse => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        }
    };
    timeout(SOON, open).await.expect("the directory is free soon")
}

/// Appends messages whose data are these numbers.
async fn append(log: &DiskLog, topic: &str, numbers: std::ops::Range<u64>) {
    let records = numbers.map(|number| Record::new(topic, &Message::new(number.to_string())).unwrap());
    for batch in records.collect::<Vec<_>>().chunks(1000) {
        log.append(&Batch::new(fastrand::u64(..), 1, batch.to_vec())).await.unwrap();
    }
}

/// Waits until the log has so many entries at most, because it evicts within seconds.
async fn has_shrunk(log: &DiskLog, entries: u64) {
    let shrinks = async {
        while log.stats().entries > entries {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, shrinks).await.unwrap_or_else(|_| panic!("{:?}", log.stats()));
}

/// Returns how many messages each topic has, in a directory that nobody has open. The whole log must be sound.
fn messages(directory: &Path) -> Vec<(String, u64)> {
    let reader = DiskReader::open(directory).unwrap();
    let check = reader.check().unwrap();
    assert_eq!(check.count, 0, "{:?}", check.faults);
    reader.topics().unwrap().into_iter().map(|topic| (topic.name, topic.messages)).collect()
}

/// Returns how many messages each topic has, by the names of the topics.
async fn counts(log: &DiskLog) -> Vec<u64> {
    let entries = log.before(None, 100_000).await.unwrap();
    let records = entries.iter().filter_map(|entry| entry.record.as_ref());
    let mut counts = BTreeMap::new();
    for record in records.filter(|record| record.kind() == RecordKind::Message) {
        *counts.entry(record.topic()).or_default() += 1;
    }
    counts.into_values().collect()
}

/// The data that a client gets first.
async fn data_after(topics: &Topics, last_event_id: &str, names: &[&str], count: usize) -> Vec<String> {
    let response = topics.subscribe(&request(last_event_id), names.iter().copied()).respond();
    Subscriber::of(response).next_data(count).await
}

/// As much is trimmed as is appended.
#[tokio::test]
async fn a_log_that_grows_fast_stays_within_its_bounds() {
    for settings in [
        DiskLog::builder().max_entries(1000),
        DiskLog::builder().max_bytes(1024 * 1024),
        // Some thousand entries tell of evicted messages.
        DiskLog::builder().max_topic_messages(1000),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(&settings, directory.path()).await;
        let record = Record::new("fast", &Message::new("x".repeat(100))).unwrap();
        for number in 0..25 {
            log.append(&Batch::new(7, number, vec![record.clone(); Batch::MAX_MESSAGES])).await.unwrap();
        }
        assert!(log.stats().entries < 30_000, "{settings:?}: {:?}", log.stats());
    }
}

#[tokio::test]
async fn a_topic_with_many_messages_does_not_push_out_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let settings = DiskLog::builder().max_topic_messages(100);
    let log = open(&settings, directory.path()).await;
    append(&log, "quiet", 0..3).await;
    let [first, ..] = &*log.before(None, 3).await.unwrap() else { panic!("there are three messages") };
    let first = log.id(first.position);
    append(&log, "noisy", 0..20_000).await;
    append(&log, "quiet", 3..5).await;
    append(&log, "noisy", 20_000..40_000).await;
    // What tells of evicted messages takes little room.
    has_shrunk(&log, 8500).await;
    drop(log);
    let left = messages(directory.path());
    let [(noisy, kept), quiet] = &*left else { panic!("{left:?}") };
    assert!(noisy == "noisy" && (100..=106).contains(kept), "{left:?}");
    assert_eq!(*quiet, ("quiet".to_owned(), 5));

    let topics = Topics::builder().recent(1).build_on(open(&settings, directory.path()).await).await.unwrap();
    let first = first.as_str();
    assert_eq!(data_after(&topics, first, &["quiet"], 4).await, ["1", "2", "3", "4"]);
    let both = data_after(&topics, first, &["quiet", "noisy"], 105).await;
    assert_eq!(both[..5], ["1", "2", GAP, "3", "4"]);
    assert_eq!(both.last().map(String::as_str), Some("39999"));
    let noisy = data_after(&topics, first, &["noisy"], 101).await;
    assert_eq!((&*noisy[0], noisy.last().map(String::as_str)), (GAP, Some("39999")));
    let numbers: Vec<u64> = noisy[1..].iter().map(|data| data.parse().unwrap()).collect();
    assert!(numbers.is_sorted(), "{noisy:?}");
}

/// The log evicts nothing that the subscriber has not got yet, though it keeps one message only.
#[tokio::test]
async fn a_burst_reaches_a_subscriber_that_reads() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&DiskLog::builder().max_topic_messages(1), directory.path()).await;
    let topics = Topics::builder().build_on(log.clone()).await.unwrap();
    let mut reader = Subscriber::of(topics.subscribe_to(&request(""), "news").respond());
    for burst in 0..30 {
        let data: Vec<_> = (0..100).map(|number| format!("{burst} {number}")).collect();
        for data in &data {
            topics.route("news").unwrap().publish(&Message::new(data.clone())).unwrap();
        }
        assert_eq!(reader.next_data(data.len()).await, data);
    }
    has_shrunk(&log, 1000).await;
}

#[tokio::test]
async fn bytes_are_bounded_and_the_newest_message_stays() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&DiskLog::builder().max_topic_bytes(10_000), directory.path()).await;
    let large = Record::new("large", &Message::new("x".repeat(50_000))).unwrap();
    for number in 0..3 {
        log.append(&Batch::new(7, number, vec![large.clone()])).await.unwrap();
    }
    append(&log, "small", 0..20_000).await;
    has_shrunk(&log, 9000).await;
    drop(log);
    let left = messages(directory.path());
    let [large, (_, small)] = &*left else { panic!("{left:?}") };
    assert_eq!(*large, ("large".to_owned(), 1));
    // `data: 12345` and a line feed.
    assert!((10_000 / 12..=10_625 / 12 + 1).contains(small), "{left:?}");
}

/// Those of topics to which nothing more is published, too.
#[tokio::test]
async fn a_bound_holds_for_messages_from_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&DiskLog::builder(), directory.path()).await;
    for topic in ["", "a", "b"] {
        append(&log, topic, 0..3000).await;
    }
    append(&log, "c", 0..10).await;
    drop(log);
    for (settings, expected) in [
        (DiskLog::builder().max_topic_messages(2000), [2000, 2000, 2000, 10]),
        (DiskLog::builder().max_topic_messages(500), [500, 500, 500, 10]),
        (DiskLog::builder(), [500, 500, 500, 10]),
        (DiskLog::builder().max_topic_messages(5), [5, 5, 5, 5]),
    ] {
        let log = open(&settings, directory.path()).await;
        let is_within = async {
            while counts(&log).await != expected {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, is_within).await.unwrap_or_else(|_| panic!("{expected:?} are too few"));
    }
}

#[tokio::test]
async fn the_ids_of_evicted_messages_are_forgotten_in_the_end() {
    let directory = tempfile::tempdir().unwrap();
    // A bound of the bytes is one of the ids, too: here, 1,365 of them.
    let settings = DiskLog::builder().max_topic_messages(100).max_bytes(1024 * 1024);
    let log = open(&settings, directory.path()).await;
    let named = |topic: &str, number: u64| {
        let record = Record::new(topic, &Message::new("x")).unwrap();
        record.with_id(&EventId::try_from(format!("{topic} {number}")).unwrap()).unwrap()
    };
    let quiet = Batch::new(1, 1, (0..50).map(|number| named("quiet", number)).collect());
    log.append_with_ids(&quiet).await.unwrap();
    for number in 0..8 {
        let records = (0..500).map(|message| named("noisy", 500 * number + message)).collect();
        log.append_with_ids(&Batch::new(2, number, records)).await.unwrap();
    }
    let is_forgotten = async {
        while log.find("noisy", "noisy 0").await.unwrap().is_some() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, is_forgotten).await.unwrap();
    for number in 0..50 {
        assert!(log.find("quiet", &format!("quiet {number}")).await.unwrap().is_some(), "{number}");
    }
    for number in 3900..4000 {
        assert!(log.find("noisy", &format!("noisy {number}")).await.unwrap().is_some(), "{number}");
    }
}

/// Messages of another topic are between the evicted ones, on many pages.
#[tokio::test]
async fn a_client_is_told_once_of_messages_that_were_evicted_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&DiskLog::builder().max_topic_messages(2000), directory.path()).await;
    append(&log, "noisy", 0..1).await;
    let first = log.id(log.before(None, 1).await.unwrap()[0].position);
    let topics = |number: u64| if number.is_multiple_of(2) { "quiet" } else { "noisy" };
    let records =
        (0..3000).map(|number| Record::new(topics(number), &Message::new(number.to_string())).unwrap());
    log.append(&Batch::new(1, 1, records.collect())).await.unwrap();
    append(&log, "noisy", 3000..5000).await;
    while counts(&log).await[0] > 2000 {
        sleep(Duration::from_millis(5)).await;
    }
    let topics = Topics::builder().recent(1).build_on(log).await.unwrap();
    let noisy = data_after(&topics, first.as_str(), &["noisy"], 2001).await;
    assert_eq!((&*noisy[0], &*noisy[1], noisy.len()), (GAP, "3000", 2001));
}

/// The newest entry is not removed when it expires. A client may have read the entry before it, which was.
#[tokio::test]
async fn a_client_is_told_of_an_expired_newest_message() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&DiskLog::builder(), directory.path()).await;
    append(&log, "other", 0..1).await;
    append(&log, "news", 0..3).await;
    let [.., second, _] = &*log.before(None, 4).await.unwrap() else { panic!("there are four messages") };
    let second = log.id(second.position);
    drop(log);
    let log = open(&DiskLog::builder().max_age(Duration::from_millis(1)), directory.path()).await;
    has_shrunk(&log, 1).await;
    while counts(&log).await != [0; 0] {
        sleep(Duration::from_millis(5)).await;
    }
    drop(log);
    let topics = Topics::builder().build_on(open(&DiskLog::builder(), directory.path()).await).await.unwrap();
    for topic in ["news", "other"] {
        topics.route(topic).unwrap().publish(&Message::new("new")).unwrap().stored().await.unwrap();
    }
    assert_eq!(data_after(&topics, second.as_str(), &["news"], 2).await, [GAP, "new"]);
    assert_eq!(data_after(&topics, second.as_str(), &["other"], 1).await, ["new"]);
}

/// A damaged count of a topic ends the eviction. The write-ahead log is still copied to the file.
#[tokio::test]
async fn damage_does_not_let_the_write_ahead_log_grow() {
    let directory = tempfile::tempdir().unwrap();
    let settings = DiskLog::builder().max_topic_messages(10);
    let log = open(&settings, directory.path()).await;
    append(&log, "a", 0..1).await;
    let file = log.file().to_owned();
    drop(log);
    let damage = "UPDATE topics SET topic = X'FF'";
    rusqlite::Connection::open(&file).unwrap().execute_batch(damage).unwrap();
    let log = open(&settings, directory.path()).await;
    let record = Record::new("b", &Message::new("x".repeat(10_000))).unwrap();
    for number in 0..50 {
        log.append(&Batch::new(1, number, vec![record.clone(); 100])).await.unwrap();
    }
    let written = std::fs::metadata(file.with_extension("db-wal")).unwrap().len();
    assert!(log.stats().bytes > 50_000_000 && written < 30_000_000, "{written} {:?}", log.stats());
}

/// In a small log, entries that tell of evicted messages push out no messages.
#[tokio::test]
async fn a_topic_does_not_push_out_the_others_of_a_small_log() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(&DiskLog::builder().max_entries(1000).max_topic_messages(10), directory.path()).await;
    append(&log, "quiet", 0..5).await;
    for number in 0..30 {
        append(&log, "noisy", 200 * number..200 * (number + 1)).await;
    }
    has_shrunk(&log, 100).await;
    assert_eq!(counts(&log).await, [10, 5]);
}
