//! What a hub keeps, and how it is read: the bound of its memory, and the topic of an event.

mod common;

use std::fs;

use common::{Hub, Redis, Stream, assert_answers};

const JSON_LINES: &str = "Content-Type: application/x-ndjson";

/// How many bytes of memory a program has.
fn resident(hub: &Hub) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", hub.program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn all_histories_together_take_the_memory_that_they_may() {
    const MAX: usize = 16 << 20;

    /// Publishes some times the bound to many topics, in events of this size.
    #[track_caller]
    fn check(size: usize, have_ids: bool) {
        let hub = Hub::start(&["--max-memory", "16MiB", "--history", "1000000,16MiB"]);
        let begun = resident(&hub);
        let data = "x".repeat(size);
        let lines = (256 << 10) / (size + 20);
        for batch in 0..3 * MAX / (lines * (size + 300)) {
            let line = |number: usize| {
                let id = if have_ids { format!("\"id\":\"{batch}-{number}\",") } else { String::new() };
                format!("{{{id}\"data\":\"{data}\"}}\n")
            };
            let body: String = (0..lines).map(line).collect();
            let answer = hub.post(&format!("/topics/{}", batch % 500), &[JSON_LINES], &body);
            assert_answers(&answer, 200, "\"published\":");
        }
        let grown = resident(&hub) - begun;
        assert!((MAX / 2..MAX * 3 / 2).contains(&grown), "{size}: {grown}");
    }

    check(50, true);
    check(50, false);
    check(20_000, false);
}

#[test]
fn the_topic_of_an_event_is_seen_where_it_is_asked_for() {
    #[track_caller]
    fn check(hub: &Hub, path: &str, headers: &[&str]) {
        let mut plain = Stream::open(hub, &path.replace("&envelope=json", ""), &[]);
        let mut stream = Stream::open(hub, path, headers);
        plain.block();
        stream.block();
        let id = hub.publish("a", "two\nlines");
        let block = stream.block();
        let data = format!(r#"{{"topic":"a","type":"message","id":"{id}","data":"two\nlines"}}"#);
        assert_eq!(block, format!("data: {data}\nid: {id}\n"));
        assert_eq!(plain.block(), format!("data: two\ndata: lines\nid: {id}\n"));
        hub.post("/topics/b?type=price", &[], "7");
        let block = stream.block();
        assert!(
            block.starts_with("event: price\ndata: {\"topic\":\"b\",\"type\":\"price\",\"id\":\""),
            "{block}"
        );
        plain.block();
    }

    let redis = Redis::start();
    for arguments in [&[][..], &["--redis", &redis.url]] {
        let hub = Hub::start(arguments);
        check(&hub, "/topics?topic=a&topic=b&envelope=json", &[]);
        check(&hub, "/topics?topic=a&topic=b", &["Sse-Envelope: json"]);
    }
    let hub = Hub::start(&["--history", "1"]);
    let gap = |path: &str| {
        let mut stream = Stream::open(&hub, path, &["Last-Event-ID: unknown"]);
        stream.event()
    };
    let data = |topic: &str| {
        let data = gap(&format!("/topics{topic}envelope=json"));
        let fields = data.strip_prefix("event: gap|data: ").unwrap_or_else(|| panic!("{data}"));
        let mut json: serde_json::Value = serde_json::from_str(fields).unwrap();
        json.as_object_mut().unwrap().remove("id").expect("its end is known");
        json.to_string()
    };
    let told = r#""data":"{\"missed\":null}""#;
    assert_eq!(data("/a?"), format!("{{{told},\"topic\":\"a\",\"type\":\"gap\"}}"));
    assert_eq!(data("?topic=a&topic=b&"), format!("{{{told},\"type\":\"gap\"}}"));
    let head = hub.request("HEAD", "/topics/a?envelope=json", &[], "");
    assert_answers(&head, 200, "\r\nsse-envelope: json\r\n");
    assert_answers(&hub.get("/topics/a?envelope=xml", &[]), 400, "there is no envelope \"xml\"; write");
    assert_answers(&hub.get("/topics?topic=a", &["Sse-Envelope: 1"]), 400, "there is no envelope");
}
