//! The ends of topics, over restarts.

use std::path::Path;
use std::time::{Duration, Instant};

use http::StatusCode;
use sse_disk::{DiskLog, DiskLogBuilder, OpenErrorKind};
use sse_server::log::{Batch, Log as _, Position, Record};
use sse_server::{Message, PublishError, Route, Topics};
use sse_testing::{Subscriber, request};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

/// Topics that read few entries when they start. They open the directory when those that had it before are gone.
async fn start(settings: DiskLogBuilder, directory: &Path) -> (Topics, DiskLog) {
    let open = async {
        loop {
            match settings.clone().open(directory) {
                Err(error) if error.kind() == OpenErrorKind::InUse => tokio::task::yield_now().await,
                opened => break opened.unwrap(),
            }
        }
    };
    let log = timeout(SOON, open).await.expect("the directory is free soon");
    (Topics::builder().recent(8).build_on(log.clone()).await.unwrap(), log)
}

async fn publish(route: &Route, data: &str) -> String {
    let id = route.publish(&Message::new(data.to_owned())).unwrap().stored().await.unwrap();
    id.unwrap().to_string()
}

/// Publishes so many messages to another topic that all entries before them are old.
async fn publish_others(topics: &Topics) {
    let other = topics.route("other").unwrap();
    for number in 0..40 {
        publish(&other, &number.to_string()).await;
    }
}

/// All that a client gets that comes with this id, until nothing more is due: the data, and a dot for each end of a stream
/// after which the client comes back.
async fn read(route: &Route, last_event_id: &str, last: &str) -> Vec<String> {
    let (mut seen, mut id) = (Vec::new(), last_event_id.to_owned());
    let all = async {
        loop {
            let response = route.respond(&request(&id));
            if response.status() == StatusCode::NO_CONTENT {
                seen.push("204".to_owned());
                return;
            }
            let mut reader = Subscriber::of(response);
            loop {
                let mut data = reader.read_data();
                let end = data.pop().unwrap();
                let is_over = data.iter().any(|data| data == last);
                seen.append(&mut data);
                if is_over && !route.is_closed() {
                    return;
                }
                if end == "." {
                    seen.push(end);
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            reader.last_event_id().clone_into(&mut id);
        }
    };
    timeout(SOON, all).await.unwrap_or_else(|_| panic!("a client waits in vain"));
    seen
}

#[tokio::test]
async fn an_answer_that_was_finished_is_finished_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (topics, _) = start(DiskLog::builder(), directory.path()).await;
    let answer = topics.route("answer").unwrap();
    let first = publish(&answer, "Hello").await;
    let last = publish(&answer, "world").await;
    answer.close().stored().await.unwrap();
    publish_others(&topics).await;
    drop((topics, answer));
    for _ in 0..2 {
        let (topics, _) = start(DiskLog::builder(), directory.path()).await;
        let answer = topics.route("answer").unwrap();
        let late = answer.publish(&Message::new("late"));
        assert!(answer.is_closed() && matches!(late, Err(PublishError::Closed)));
        assert_eq!(read(&answer, &first, "").await, ["world", ".", "204"]);
        assert_eq!(read(&answer, &last, "").await, [".", "204"]);
        assert_eq!(read(&answer, "", "").await, ["204"], "there is nothing to wait for");
    }
    // It is opened again, and stays so.
    let (topics, _) = start(DiskLog::builder(), directory.path()).await;
    let answer = topics.open("answer").unwrap();
    publish(&answer, "again").await;
    publish_others(&topics).await;
    drop((topics, answer));
    let (topics, _) = start(DiskLog::builder(), directory.path()).await;
    let answer = topics.route("answer").unwrap();
    assert!(!answer.is_closed());
    publish(&answer, "and again").await;
    assert_eq!(read(&answer, &first, "and again").await, ["world", "again", "and again"]);
}

/// An end is remembered after its entry was trimmed: for as long as the log keeps entries by their age, from the end on and
/// not from the last start.
#[tokio::test]
async fn an_end_is_remembered_for_its_time_and_no_longer() {
    let age = Duration::from_millis(1500);
    let directory = tempfile::tempdir().unwrap();
    let settings = || DiskLog::builder().max_age(age);
    let (topics, log) = start(settings(), directory.path()).await;
    let answer = topics.route("answer").unwrap();
    let first = publish(&answer, "Hello").await;
    let ended = Instant::now();
    answer.close().stored().await.unwrap();
    let surely_ended = Instant::now();
    publish_others(&topics).await;
    log.trim(1).await.unwrap();
    drop((topics, log, answer));
    // Each life is much shorter than the time.
    let is_forgotten = async {
        loop {
            let (topics, _log) = start(settings(), directory.path()).await;
            let answer = topics.route("answer").unwrap();
            if !answer.is_closed() {
                return ended.elapsed();
            }
            if ended.elapsed() < age {
                let seen = read(&answer, &first, "").await;
                assert_eq!(seen, [r#"{"missed":null}"#, ".", "204"]);
            }
            tokio::time::sleep(age / 8).await;
        }
    };
    let remembered = timeout(SOON, is_forgotten).await.expect("the end expires");
    assert!(remembered + (surely_ended - ended) >= age, "{remembered:?}");
}

#[tokio::test]
async fn many_ends_take_a_bounded_part_of_the_disk() {
    for (bytes, most) in [(2 * 1024 * 1024, 600), (1024 * 1024 * 1024, 16 * 1024 + 128)] {
        let directory = tempfile::tempdir().unwrap();
        let log = DiskLog::builder().max_bytes(bytes).open(directory.path()).unwrap();
        let name = |number: u64| format!("{number} {}", "x".repeat(200));
        let mut last = Position::START;
        for number in 0..20 {
            let topics = (0..1000).map(|topic| name(number * 1000 + topic));
            let end =
                |topic: String| Record::from_parts(topic.into(), None, "control: end 0\n".into()).unwrap();
            let positions = log.append(&Batch::new(7, number + 1, topics.map(end).collect())).await.unwrap();
            last = *positions.last().unwrap();
        }
        // The bounds take effect within seconds.
        let ends = async || log.ends(usize::MAX).await.unwrap().unwrap();
        let are_few = async {
            while ends().await.len() > most || log.stats().bytes > bytes + 1024 * 1024 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(SOON, are_few).await.unwrap_or_else(|_| panic!("{:?}", log.stats()));
        let kept = ends().await;
        assert!(kept.len() > most / 2, "{}", kept.len());
        assert_eq!(kept.last().map(|end| end.position), Some(last), "the newest ends are kept");
        let names: Vec<_> = kept.iter().map(|end| end.record.as_ref().unwrap().topic().to_owned()).collect();
        let newest = (20_000 - kept.len() as u64..20_000).map(name);
        assert_eq!(names, newest.collect::<Vec<_>>());
        // The counts are the same after a restart.
        drop(log);
        let log = DiskLog::builder().max_bytes(bytes).open(directory.path()).unwrap();
        assert_eq!(log.ends(usize::MAX).await.unwrap().unwrap(), kept);
    }
}
