//! A hub whose disk fails: it is full, or its directory is deleted or taken. What clients and operators see.
#![cfg(target_os = "linux")]

mod common;

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use common::{Hub, PATIENCE, Stream, assert_answers, assert_fails, run};
use test_support::SmallDisk;

/// Asks until the answer has this text.
#[track_caller]
fn wait_for(hub: &Hub, path: &str, text: &str) -> String {
    let begun = Instant::now();
    loop {
        let answer = hub.get(path, &[]);
        if answer.contains(text) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{text:?} is not in {answer}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_full_disk_refuses_events_and_keeps_serving() {
    SmallDisk::run("a_full_disk_refuses_events_and_keeps_serving", |disk| fill(&disk));
}

fn fill(disk: &SmallDisk) {
    let hub = Hub::start(&["--data", disk.path().join("log").to_str().unwrap()]);
    let (mut live, opening) = Stream::at_the_end(&hub, "/topics/news");
    let event = |number: usize| format!("{number} {}", "x".repeat(100_000));
    let mut stored = 0;
    let refused = loop {
        assert!(stored < 1000, "the disk is never full");
        let answer = hub.post("/topics/news", &[], event(stored));
        if !answer.starts_with("HTTP/1.1 200 ") {
            break answer;
        }
        stored += 1;
    };
    assert!(stored > 5, "{stored}");
    assert_answers(&refused, 503, "log.db is full; make room on it");
    assert_answers(&refused, 503, "\r\nretry-after: ");

    // Operators see it, and a load balancer.
    assert_answers(
        &hub.get("/readyz", &[]),
        503,
        "events can't be stored: the disk is full; make room on it",
    );
    assert_answers(&hub.get("/healthz", &[]), 200, "ok\n");
    let metrics = hub.get("/metrics", &[]);
    assert!(metrics.contains("\nsse_disk_writable 0\n"), "{metrics}");
    assert!(!metrics.contains("\nsse_disk_failures_total 0\n"), "{metrics}");

    // Connected subscribers have received all events, and new ones get them too.
    let mut late = Stream::open(&hub, "/topics/news", &[&format!("Last-Event-ID: {opening}")]);
    for number in 0..stored {
        let data = format!("data: {}", event(number));
        assert!(live.event() == data && late.event() == data, "{number}");
    }

    // There is room again.
    disk.make_room();
    wait_for(&hub, "/readyz", "\r\n\r\nready\n");
    assert!(hub.get("/metrics", &[]).contains("\nsse_disk_writable 1\n"));
    hub.publish("news", "room");
    assert_eq!([live.event(), late.event()], ["data: room", "data: room"]);
}

#[test]
fn a_hub_whose_directory_was_moved_is_not_ready_until_it_is_back() {
    let directory = tempfile::tempdir().unwrap();
    let [data, elsewhere] = ["data", "elsewhere"].map(|name| directory.path().join(name));
    let hub = Hub::start(&["--data", data.to_str().unwrap()]);
    let (_, opening) = Stream::at_the_end(&hub, "/topics/news");
    let first = hub.publish("news", "1");
    assert_answers(&hub.get("/readyz", &[]), 200, "\r\n\r\nready\n");

    // Nobody has published meanwhile.
    fs::rename(&data, &elsewhere).unwrap();
    let answer = wait_for(&hub, "/readyz", "events can't be stored: the directory was deleted or moved");
    assert_answers(&answer, 503, "move it back, or restart the process");
    assert_answers(&hub.post("/topics/news", &[], "2"), 503, "was deleted or moved while it was in use");
    let mut stream = Stream::open(&hub, "/topics/news", &[&format!("Last-Event-ID: {opening}")]);
    assert_eq!(stream.event(), "data: 1");
    fs::rename(&elsewhere, &data).unwrap();
    wait_for(&hub, "/readyz", "\r\n\r\nready\n");
    hub.publish("news", "3");
    assert_eq!(stream.event(), "data: 3");

    fs::remove_dir_all(&data).unwrap();
    wait_for(&hub, "/readyz", "events can't be stored: the directory was deleted or moved");
    assert!(hub.get("/metrics", &[]).contains("\nsse_disk_writable 0\n"));
    // It has the deleted directory no more, so another hub may begin anew.
    let anew = Hub::start(&["--data", data.to_str().unwrap()]);
    let mut stream = Stream::open(&anew, "/topics/news", &[&format!("Last-Event-ID: {first}")]);
    assert_eq!(stream.event(), r#"event: gap|data: {"missed":null}"#);
}

#[test]
fn events_expire_by_their_age() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let settings = ["--data", data, "--history", "1s"];
    let mut hub = Hub::start(&settings);
    let (_, opening) = Stream::at_the_end(&hub, "/topics/news");
    for number in 0..100 {
        hub.publish("news", &format!("old {number}"));
    }
    // Nobody publishes meanwhile. The newest entry stays without its event: the next one is linked to it.
    wait_for(&hub, "/metrics", "\nsse_disk_events 1\n");
    hub.program.kill();
    let kept = run(&["log", data, "news"]);
    assert_eq!(String::from_utf8_lossy(&kept.stdout).matches("old").count(), 0);
    assert_fails(&kept, 2, "has nothing of the topic news");

    let hub = Hub::start(&settings);
    let mut stream = Stream::open(&hub, "/topics/news", &[&format!("Last-Event-ID: {opening}")]);
    assert_eq!(stream.event(), r#"event: gap|data: {"missed":null}"#);
    hub.publish("news", "new");
    assert_eq!(stream.event(), "data: new");
}

#[test]
fn a_second_hub_gives_up_and_harms_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let hub = Hub::start(&["--data", data]);
    let (mut stream, _) = Stream::at_the_end(&hub, "/topics/news");
    hub.publish("news", "1");
    let begun = Instant::now();
    let second = run(&["serve", "--listen", "127.0.0.1:0", "--data", data]);
    assert!(begun.elapsed() > Duration::from_secs(25), "it waits for the end of the first one");
    // Its first line says that it waits.
    let told = String::from_utf8_lossy(&second.stderr);
    let last = told.lines().last().unwrap();
    assert_eq!(second.status.code(), Some(1), "{told}");
    assert!(
        last.starts_with("sse: --data: ") && last.contains("log.db is in use by another process"),
        "{told}"
    );
    hub.publish("news", "2");
    assert_eq!([stream.event(), stream.event()], ["data: 1", "data: 2"]);
    assert_answers(&hub.get("/readyz", &[]), 200, "\r\n\r\nready\n");
}
