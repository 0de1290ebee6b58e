//! A hub that keeps its events in a directory: they outlive it.
//!
//! The environment chooses how often the hub is killed: `SSE_HUB_KILLS=1000`.

mod common;

use std::collections::HashSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sse_disk::DiskLog;
use sse_server::{Message, Topics};

use common::{Hub, PATIENCE, Program, Stream, assert_answers, assert_fails, run, sse};

/// How many clients publish and subscribe.
const PUBLISHERS: usize = 3;
const SUBSCRIBERS: usize = 4;

fn start(directory: &Path) -> Hub {
    Hub::start(&["--data", directory.to_str().unwrap()])
}

#[test]
fn a_client_goes_on_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let mut hub = start(directory.path());
    let (mut stream, _) = Stream::at_the_end(&hub, "/topics/news");
    let id = hub.publish("news", "1");
    assert_eq!(stream.event(), "data: 1");
    hub.publish("news", "2");
    hub.publish("weather", "rain");
    hub.program.signal("TERM");
    assert!(hub.program.end().success());

    let hub = start(directory.path());
    hub.publish("news", "3");
    let mut stream = Stream::open(&hub, "/topics/news", &[&format!("Last-Event-ID: {id}")]);
    assert_eq!([stream.event(), stream.event()], ["data: 2", "data: 3"]);
    let metrics = hub.get("/metrics", &[]);
    for line in ["sse_disk_events 4", "sse_disk_failures_total 0", "sse_log_following 1"] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{metrics}");
    }
    for name in ["sse_disk_bytes", "sse_disk_oldest_timestamp_seconds", "sse_disk_flush_seconds_total"] {
        let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
        assert!(value.is_some_and(|value| value > 0.0), "{name}: {metrics}");
    }
}

#[test]
fn an_id_of_a_publisher_outlives_the_hub() {
    let directory = tempfile::tempdir().unwrap();
    let mut hub = start(directory.path());
    let post = |hub: &Hub, id: &str, data: &str| hub.post(&format!("/topics/news?id={id}"), &[], data);
    assert_answers(&post(&hub, "order-1", "tea"), 200, r#"{"published":1,"id":"order-1"}"#);
    assert_answers(&post(&hub, "order-1", "tea"), 200, r#"{"published":0,"repeated":1,"id":"order-1"}"#);
    assert_answers(&post(&hub, "order-2", "milk"), 200, r#""published":1"#);
    for _ in 0..2 {
        hub.program.kill();
        hub = start(directory.path());
        assert_answers(&post(&hub, "order-1", "tea"), 200, r#""repeated":1"#);
        let taken = post(&hub, "order-1", "coffee");
        assert_answers(&taken, 409, "\r\nsse-refusal: id-taken\r\n");
        let lines = "{\"data\":\"a\"}\n{\"id\":\"order-1\",\"data\":\"b\"}\n";
        let taken = hub.post("/topics/news", &["Content-Type: application/jsonl"], lines);
        assert_answers(&taken, 409, "nothing of the batch was published");
        let mut stream = Stream::open(&hub, "/topics/news", &["Last-Event-ID: order-1"]);
        let mut blocks = std::iter::repeat_with(|| stream.block());
        assert_eq!(blocks.find(|block| block.contains("data:")).unwrap(), "data: milk\nid: order-2\n");
    }
}

/// A program has finished an answer in the directory. The hub that serves it afterwards reads its newest 16,384 events when
/// it starts, and the end is older than these.
#[test]
fn a_topic_that_has_ended_has_ended_after_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ids = runtime.block_on(async {
        let topics = Topics::builder().build_on(DiskLog::open(directory.path()).unwrap()).await.unwrap();
        let answer = topics.route("answer").unwrap();
        let mut ids = Vec::new();
        for data in ["Hello", "world"] {
            let stored = answer.publish(&Message::new(data)).unwrap().stored().await.unwrap();
            ids.push(stored.unwrap().to_string());
        }
        answer.close().stored().await.unwrap();
        ids
    });
    drop(runtime);
    let mut hub = start(directory.path());
    let lines = "{\"data\":\"x\"}\n".repeat(4096);
    for _ in 0..5 {
        let answer = hub.post("/topics/other", &["Content-Type: application/jsonl"], &lines);
        assert_answers(&answer, 200, r#""published":4096"#);
    }
    for _ in 0..2 {
        hub.program.kill();
        hub = start(directory.path());
        assert_answers(&hub.post("/topics/answer", &[], "late"), 410, "\r\nsse-refusal: closed\r\n");
        assert_answers(&hub.get("/topics/answer", &[]), 204, "");
        // The stream tells its client where it stands, so that the client gets 204 when it comes back.
        for (id, seen) in [(&ids[0], "data: world\n"), (&ids[1], "")] {
            let rest = Stream::open(&hub, "/topics/answer", &[&format!("Last-Event-ID: {id}")]).rest();
            assert!(rest.contains(seen) && !rest.contains("Hello") && !rest.contains("gap"), "{rest}");
            let last = rest.lines().filter_map(|line| line.strip_prefix("id: ")).next_back().unwrap();
            assert_answers(&hub.get("/topics/answer", &[&format!("Last-Event-ID: {last}")]), 204, "");
        }
    }
}

#[test]
fn it_keeps_as_much_as_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let mut hub = Hub::start(&["--data", data, "--history", "100"]);
    let first = hub.publish("news", "first");
    let lines: String = (0..1000).map(|number| format!("{{\"data\":\"{number}\"}}\n")).collect();
    hub.post("/topics/news", &["Content-Type: application/jsonl"], lines);
    hub.publish("news", "last");
    hub.program.kill();
    let hub = Hub::start(&["--data", data, "--history", "100"]);
    let mut stream = Stream::open(&hub, "/topics/news", &[&format!("Last-Event-ID: {first}")]);
    assert_eq!(stream.event(), r#"event: gap|data: {"missed":null}"#);
    // From the log: the memory of this hub is new.
    let kept = kept(&hub);
    assert!((100..400).contains(&kept), "{kept}");
}

/// How many events the log has.
fn kept(hub: &Hub) -> u32 {
    let metrics = hub.get("/metrics", &[]);
    metrics.lines().find_map(|line| line.strip_prefix("sse_disk_events ")).unwrap().parse().unwrap()
}

/// A loud topic does not push out the events of a quiet one.
#[test]
fn it_keeps_as_much_of_each_topic_as_it_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let mut hub = Hub::start(&["--data", data, "--topic-history", "100,1MiB"]);
    let ids = ["quiet", "loud"].map(|topic| hub.publish(topic, "first"));
    hub.publish("quiet", "second");
    let lines: String = (0..1000).map(|number| format!("{{\"data\":\"{number}\"}}\n")).collect();
    hub.post("/topics/loud", &["Content-Type: application/jsonl"], lines);
    hub.publish("loud", "last");
    // It evicts what its subscribers could read from memory.
    let begun = Instant::now();
    while kept(&hub) >= 400 {
        assert!(begun.elapsed() < PATIENCE, "the log still has {} events", kept(&hub));
        thread::sleep(Duration::from_millis(10));
    }
    hub.program.kill();

    let mut hub = Hub::start(&["--data", data, "--topic-history", "100,1MiB"]);
    let resume = |hub: &Hub, topic: &str, id: &str| {
        Stream::open(hub, &format!("/topics/{topic}"), &[&format!("Last-Event-ID: {id}")]).event()
    };
    assert!(resume(&hub, "quiet", &ids[0]).contains("data: second"));
    assert_eq!(resume(&hub, "loud", &ids[1]), r#"event: gap|data: {"missed":null}"#);
    hub.program.kill();

    let lines = |arguments: &[&str]| {
        let output = run(&[&["log", data], arguments].concat());
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let listed = lines(&[]);
    assert!(listed.iter().any(|line| line.ends_with(" loud") && line.contains(" 10")), "{listed:#?}");
    let loud = lines(&["loud", "--since", &format!("id:{}", ids[1])]);
    assert!(loud[0].contains("gap") && loud.last().unwrap().contains("last"), "{loud:#?}");
    assert!((101..=107).contains(&loud.len()), "{}", loud.len());
    assert_eq!(lines(&["quiet", "--since", &format!("id:{}", ids[0])]).len(), 1);
    let checked = lines(&["--check"]);
    assert!(checked.last().unwrap().contains("no fault") || checked.len() == 1, "{checked:#?}");
}

#[test]
fn a_directory_that_can_not_be_used_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let serve = |arguments: &[&str]| run(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
    let data = file.to_str().unwrap();
    assert_fails(&serve(&["--data", data]), 1, &format!("--data: {data} is not a directory"));
    assert_fails(
        &serve(&["--data", data, "--redis", "redis://localhost"]),
        2,
        "give --data or --redis, not both",
    );
}

#[test]
fn a_hub_waits_for_the_one_that_it_replaces() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = start(directory.path());
    let data = directory.path().to_str().unwrap();
    let mut second = Program::start(sse(&["serve", "--listen", "127.0.0.1:0", "--data", data]));
    second.notice("waiting for the directory of --data, which another process has open");
    first.publish("news", "1");
    first.program.kill();
    assert!(second.line().contains("http://"));
}

/// What the threads of the test share.
struct Stage {
    /// Of the hub that runs.
    address: Mutex<String>,
    published: AtomicUsize,
    is_over: AtomicBool,
}

#[test]
fn every_client_sees_everything_once_though_the_hub_is_killed() {
    let kills = std::env::var("SSE_HUB_KILLS").map_or(6, |kills| kills.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut hub = start(directory.path());
    let (_, id) = Stream::at_the_end(&hub, "/topics/news");
    let stage = Stage {
        address: Mutex::new(hub.address.clone()),
        published: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let stage = &stage;
        let subscribers: Vec<_> =
            (0..SUBSCRIBERS).map(|_| scope.spawn(|| subscriber(stage, id.clone()))).collect();
        let publishers: Vec<_> =
            (0..PUBLISHERS).map(|number| scope.spawn(move || publisher(stage, number))).collect();
        for _ in 0..kills {
            // At any moment while they publish.
            let until = stage.published.load(Ordering::Relaxed) + fastrand::usize(1..100);
            let begun = Instant::now();
            while stage.published.load(Ordering::Relaxed) < until {
                assert!(begun.elapsed() < PATIENCE, "nothing is published");
                thread::sleep(Duration::from_millis(1));
            }
            hub.program.kill();
            hub = start(directory.path());
            stage.address.lock().unwrap().clone_from(&hub.address);
        }
        stage.is_over.store(true, Ordering::Relaxed);
        let stored: Vec<String> = publishers.into_iter().flat_map(|it| it.join().unwrap()).collect();
        hub.publish("news", "end");
        let seen: Vec<_> = subscribers.into_iter().map(|it| it.join().unwrap()).collect();
        check(&stored, &seen);
    });
}

fn check(stored: &[String], seen: &[Vec<String>]) {
    for other in &seen[1..] {
        assert_eq!(other, &seen[0], "all see the same, in the same order");
    }
    let there: HashSet<_> = seen[0].iter().collect();
    assert_eq!(there.len(), seen[0].len(), "an event came twice");
    let lost: Vec<_> = stored.iter().filter(|event| !there.contains(event)).collect();
    assert!(lost.is_empty(), "{lost:?} were stored and are lost");
    for publisher in 0..PUBLISHERS {
        let of_publisher = seen[0].iter().filter_map(|event| event.split_once(' '));
        let of_publisher = of_publisher.filter(|(number, _)| *number == publisher.to_string());
        let numbers: Vec<usize> = of_publisher.map(|(_, number)| number.parse().unwrap()).collect();
        assert!(numbers.is_sorted(), "{numbers:?}");
    }
}

/// Publishes one event after the other, each once. Returns those that the hub has confirmed.
fn publisher(stage: &Stage, publisher: usize) -> Vec<String> {
    let mut stored = Vec::new();
    let mut number = 0;
    while !stage.is_over.load(Ordering::Relaxed) {
        number += 1;
        let event = format!("{publisher} {number}");
        let mut answer = String::new();
        let asked = connect(stage, "POST", &[], &event).and_then(|mut hub| hub.read_to_string(&mut answer));
        if asked.is_ok() && answer.contains("\"published\":1") {
            stored.push(event);
            stage.published.fetch_add(1, Ordering::Relaxed);
        } else {
            thread::sleep(Duration::from_millis(2));
        }
    }
    stored
}

/// Reads until the end of the story, over as many connections as it takes.
fn subscriber(stage: &Stage, mut last: String) -> Vec<String> {
    let mut seen = Vec::new();
    let begun = Instant::now();
    loop {
        assert!(begun.elapsed() < 20 * PATIENCE, "there is no end");
        match read(stage, &mut last, &mut seen) {
            Ok(true) => return seen,
            Ok(false) | Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

/// Reads one connection. Returns whether the end of the story has come.
fn read(stage: &Stage, last: &mut String, seen: &mut Vec<String>) -> io::Result<bool> {
    let header = format!("Last-Event-ID: {last}\r\n");
    let mut lines = BufReader::new(connect(stage, "GET", &[&header], "")?);
    let (mut data, mut id) = (None, None);
    loop {
        let mut line = String::new();
        // A line that was cut off does not count.
        if lines.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            return Ok(false);
        }
        if let Some(value) = line.strip_prefix("data: ") {
            data = Some(value.trim_end().to_owned());
        } else if let Some(value) = line.strip_prefix("id: ") {
            id = Some(value.trim_end().to_owned());
        } else if line == "\n" {
            if let Some(id) = id.take() {
                *last = id;
            }
            let Some(data) = data.take() else { continue };
            if data == "end" {
                return Ok(true);
            }
            seen.push(data);
        }
        assert!(!line.starts_with("event: gap"), "a gap after {seen:?}");
    }
}

fn connect(stage: &Stage, method: &str, headers: &[&str], body: &str) -> io::Result<TcpStream> {
    let address = stage.address.lock().unwrap().clone();
    let mut hub = TcpStream::connect(&address)?;
    hub.set_read_timeout(Some(PATIENCE))?;
    let head = format!("{method} /topics/news HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    let length = format!("Content-Length: {}\r\n\r\n", body.len());
    hub.write_all([&head, &headers.concat(), &length, body].concat().as_bytes())?;
    Ok(hub)
}
