//! Publishers' ids, over restarts.

use std::path::Path;
use std::time::Duration;

use sse_disk::{DiskLog, OpenErrorKind};
use sse_server::log::{Batch, Log as _, Outcome, Position, Record};
use sse_server::{EventId, Message, Publication, PublishError, Topics};
use sse_testing::{Subscriber, request};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

/// Opens the directory when the topics that had it are gone.
async fn start(directory: &Path) -> Topics {
    let open = async {
        loop {
            match DiskLog::open(directory) {
                Err(error) if error.kind() == OpenErrorKind::InUse => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        }
    };
    let log = timeout(SOON, open).await.expect("the directory is free soon");
    Topics::builder().build_on(log).await.unwrap()
}

fn named(id: &str, data: &str) -> Message<'static> {
    Message::new(data.to_owned()).id(EventId::try_from(id.to_owned()).unwrap())
}

/// What becomes of a message: whether it is a repeat, or `None` if its id is taken.
async fn published(topics: &Topics, id: &str, data: &str) -> Option<bool> {
    let published = topics.route("news").unwrap().publish(&named(id, data)).unwrap();
    match published.receipt().await {
        Ok(receipt) => {
            assert_eq!(receipt.id().map(EventId::as_str), Some(id));
            Some(receipt.is_repeat())
        }
        Err(PublishError::IdTaken) => None,
        Err(error) => panic!("{error}"),
    }
}

/// The data that a client gets first.
async fn data_after(topics: &Topics, last_event_id: &str, count: usize) -> Vec<String> {
    let response = topics.subscribe_to(&request(last_event_id), "news").respond();
    Subscriber::of(response).next_data(count).await
}

#[tokio::test]
async fn an_id_names_its_message_after_a_restart_too() {
    let directory = tempfile::tempdir().unwrap();
    let topics = start(directory.path()).await;
    assert_eq!(published(&topics, "order 1", "tea").await, Some(false));
    assert_eq!(published(&topics, "order 2", "milk").await, Some(false));
    drop(topics);
    for _ in 0..2 {
        let topics = start(directory.path()).await;
        assert_eq!(published(&topics, "order 1", "tea").await, Some(true));
        assert_eq!(published(&topics, "order 1", "coffee").await, None);
        let tagged = named("order 1", "tea");
        let tagged = topics.route("news").unwrap().publish(Publication::new(&tagged).tag("ann")).unwrap();
        assert!(matches!(tagged.receipt().await, Err(PublishError::IdTaken)));
        assert_eq!(data_after(&topics, "order 1", 1).await, ["milk"]);
        assert_eq!(data_after(&topics, "order 3", 3).await, [r#"{"missed":null}"#, "tea", "milk"]);
    }
}

/// An id is remembered for longer than its message, but not for ever: a log that has lost its message may forget it.
#[tokio::test]
async fn many_ids_take_a_bounded_part_of_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::builder().max_bytes(2 * 1024 * 1024).open(directory.path()).unwrap();
    let total = 60_000;
    let mut last = Position::START;
    for number in 0..total / 1000 {
        let records = (0..1000).map(|message| {
            let id = format!("order {number}.{message}");
            let record = Record::new("news", &Message::new("x".repeat(100))).unwrap();
            record.with_id(&EventId::try_from(id).unwrap()).unwrap()
        });
        let outcomes = log.append_with_ids(&Batch::new(7, number + 1, records.collect())).await.unwrap();
        let new = |outcome: &Outcome| match outcome {
            Outcome::New(position) => *position,
            other => panic!("{other:?}"),
        };
        last = outcomes.iter().map(new).max().unwrap();
    }
    // The bounds take effect within seconds.
    let is_small = async {
        while log.stats().bytes > 3 * 1024 * 1024 || log.find("news", "order 0.0").await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, is_small).await.unwrap_or_else(|_| panic!("{:?}", log.stats()));
    // The ids of what is kept are known.
    let entries = log.before(None, 4096).await.unwrap();
    assert_eq!(entries.last().unwrap().position, last);
    for entry in entries.iter().step_by(97) {
        let id = entry.record.as_ref().unwrap().id().unwrap();
        assert_eq!(log.find("news", id.as_str()).await.unwrap(), Some(entry.position), "{id:?}");
    }
}
