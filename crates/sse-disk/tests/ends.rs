//! The end of a topic, and how long messages live, over restarts of a server: by HTTP.

use std::path::Path;
use std::time::Duration;

use sse_disk::{DiskLog, DiskLogBuilder, OpenErrorKind};
use sse_server::log::Log as _;
use sse_server::{Message, PublishError, Route, Topics, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(30);

/// Topics that have few entries in memory. They open the directory when those that had it before are gone.
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

/// The response to a client that comes with this last event ID, up to a text or to the end of the stream.
async fn get(route: &Route, last_event_id: &str, until: Option<&str>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener, route.clone()).into_future());
    let mut client = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nLast-Event-ID: {last_event_id}\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    let read = async {
        loop {
            let text = String::from_utf8_lossy(&response);
            let is_over = until.is_some_and(|until| text.contains(until));
            if is_over || client.read_buf(&mut response).await.unwrap() == 0 {
                break;
            }
        }
    };
    timeout(SOON, read).await.expect("the response comes to its end");
    serving.abort();
    String::from_utf8(response).unwrap()
}

#[tokio::test]
async fn an_answer_that_was_finished_is_finished_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (topics, _) = start(DiskLog::builder(), directory.path()).await;
    let answer = topics.route("answer").unwrap();
    let first = publish(&answer, "Hello").await;
    publish(&answer, "world").await;
    answer.close().stored().await.unwrap();
    // So many that the end is far from the newest entries.
    let other = topics.route("other").unwrap();
    for number in 0..40 {
        publish(&other, &number.to_string()).await;
    }
    drop((topics, answer, other));
    for _ in 0..2 {
        let (topics, _) = start(DiskLog::builder(), directory.path()).await;
        let answer = topics.route("answer").unwrap();
        let late = answer.publish(&Message::new("late"));
        assert!(answer.is_closed() && matches!(late, Err(PublishError::Closed)));
        let rest = get(&answer, &first, None).await;
        assert!(rest.starts_with("HTTP/1.1 200") && rest.contains("data: world\n"), "{rest}");
        assert!(!rest.contains("gap") && !rest.contains("Hello"), "{rest}");
        // A client that comes without an id has nothing to wait for.
        let nothing = get(&answer, "", None).await;
        assert!(nothing.starts_with("HTTP/1.1 204"), "{nothing}");
        assert!(get(&topics.route("other").unwrap(), &first, Some("data: 39\n")).await.contains("data: 0\n"));
    }
    // It is opened again, and stays so.
    let (topics, _) = start(DiskLog::builder(), directory.path()).await;
    let answer = topics.open("answer").unwrap();
    publish(&answer, "again").await;
    let other = topics.route("other").unwrap();
    for number in 0..40 {
        publish(&other, &number.to_string()).await;
    }
    drop((topics, answer, other));
    let (topics, _) = start(DiskLog::builder(), directory.path()).await;
    let answer = topics.route("answer").unwrap();
    assert!(!answer.is_closed());
    publish(&answer, "and again").await;
    let rest = get(&answer, &first, Some("data: and again\n")).await;
    assert!(rest.contains("data: world\n") && rest.contains("data: again\n"), "{rest}");
}

#[tokio::test]
async fn a_message_does_not_live_longer_because_of_a_restart() {
    let age = Duration::from_millis(1500);
    let directory = tempfile::tempdir().unwrap();
    let settings = || DiskLog::builder().max_age(age);
    let (topics, log) = start(settings(), directory.path()).await;
    let news = topics.route("news").unwrap();
    let first = publish(&news, "old").await;
    publish(&news, "older than the newest").await;
    let old = log.before(None, 9).await.unwrap();
    drop((topics, log, news));
    // Each life of the server is shorter than that of the messages.
    let gone = async {
        loop {
            let (topics, log) = start(settings(), directory.path()).await;
            tokio::time::sleep(age / 4).await;
            // The newest entry stays, without its message.
            let kept = log.before(None, 9).await.unwrap();
            let is_gone = kept.iter().all(|entry| entry.record.is_none());
            drop((topics, log));
            if is_gone {
                break;
            }
            assert!(kept.iter().all(|entry| old.iter().any(|old| old.position == entry.position)));
        }
    };
    timeout(SOON, gone).await.expect("they expire");
    let (topics, _log) = start(settings(), directory.path()).await;
    let news = topics.route("news").unwrap();
    publish(&news, "new").await;
    let seen = get(&news, &first, Some("data: new\n")).await;
    assert!(seen.contains("event: gap\n") && !seen.contains("old"), "{seen}");
}
