//! What a hub keeps, and how it is read: the bound of its memory, the topic of an event,
//! and the metrics.

mod common;

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

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
        for batch in 0..4 * MAX / (lines * (size + 300)) {
            let line = |number: usize| {
                let id = if have_ids { format!("\"id\":\"{batch}-{number}\",") } else { String::new() };
                format!("{{{id}\"data\":\"{data}\"}}\n")
            };
            let body: String = (0..lines).map(line).collect();
            let answer = hub.post(&format!("/topics/{}", batch % 500), &[JSON_LINES], &body);
            assert_answers(&answer, 200, "\"published\":");
        }
        let grown = resident(&hub) - begun;
        // The allocator keeps more than what is in use.
        assert!((MAX / 2..MAX * 3).contains(&grown), "{size}: {grown}");
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
        let (before, rest) = block.split_once(r#""time":""#).unwrap();
        let (time, after) = rest.split_once("\",").unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
        let data = format!(r#"{{"topic":"a","type":"message","id":"{id}","data":"two\nlines"}}"#);
        assert_eq!(format!("{before}{after}"), format!("data: {data}\nid: {id}\n"));
        assert_eq!(plain.block(), format!("data: two\ndata: lines\nid: {id}\n"));
        hub.post("/topics/b?type=price", &[], "7");
        let block = stream.block();
        assert!(
            block.starts_with("event: price\ndata: {\"topic\":\"b\",\"time\":\"")
                && block.contains("\",\"type\":\"price\",\"id\":\""),
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

/// The metrics of a hub, without the head of the response.
fn metrics(hub: &Hub) -> String {
    let answer = hub.get("/metrics", &[]);
    assert_answers(&answer, 200, "\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n");
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// The sum of a metric over its lines.
fn sum(metrics: &str, name: &str) -> f64 {
    let lines = metrics.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    let values: Vec<f64> = lines.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    assert!(!values.is_empty(), "there is no {name} in {metrics}");
    values.iter().sum()
}

#[test]
fn metrics_are_as_prometheus_wants_them() {
    let redis = Redis::start();
    let hub = Hub::start(&["--redis", &redis.url]);
    hub.publish("a%22%5C", "1");
    drop(Stream::at_the_end(&hub, "/topics?topic=a&topic=b"));
    hub.get("/elsewhere", &[]);
    let program = std::env::var("PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    let mut promtool = Command::new(&program)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask test` installs it"));
    promtool.stdin.take().unwrap().write_all(metrics(&hub).as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn sums_survive_the_topics_and_streams_their_ends() {
    let hub = Hub::start(&["--max-topics", "2", "--max-subscribers", "1"]);
    for (number, topic) in (1u32..).zip(["a", "b", "c", "a", "d"]) {
        hub.publish(topic, "x");
        assert!((sum(&metrics(&hub), "sse_published_total") - f64::from(number)).abs() < 0.5);
    }
    let before = metrics(&hub);
    assert!((sum(&before, "sse_topics") - 2.0).abs() < 0.5, "{before}");
    assert!(before.contains("\nsse_published_total{topic=\"a\"} 2\n"), "{before}");
    let (stream, _) = Stream::at_the_end(&hub, "/topics/a");
    assert_answers(&hub.get("/topics/a", &[]), 503, "too many subscribers");
    drop(stream);
    loop {
        let metrics = metrics(&hub);
        // The end of a stream is counted in the histogram before its subscriber is gone.
        if sum(&metrics, "sse_stream_seconds_count") < 0.5 || sum(&metrics, "sse_subscribers") > 0.5 {
            continue;
        }
        assert!(metrics.contains("\nsse_refusals_total{reason=\"unavailable\"} 1\n"), "{metrics}");
        assert!(metrics.contains("\nsse_responses_total{code=\"200\",method=\"POST\"} 5\n"), "{metrics}");
        for name in ["process_open_fds", "process_resident_memory_bytes", "process_start_time_seconds"] {
            assert!(sum(&metrics, name) > 1.0, "{name}");
        }
        assert!(sum(&metrics, "process_cpu_seconds_total") >= 0.0);
        break;
    }
}

/// A page of events: the values of its headers `Last-Event-ID` and `Sse-More`, and its lines without times.
#[track_caller]
fn page(hub: &Hub, path: &str) -> (String, bool, Vec<String>) {
    let answer = hub.get(path, &["Accept: application/x-ndjson"]);
    assert_answers(&answer, 200, "\r\ncontent-type: application/x-ndjson\r\n");
    assert_answers(&answer, 200, "\r\ncache-control: no-store\r\n");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let next = head.lines().find_map(|line| line.strip_prefix("last-event-id: "));
    let shown = |line: &str| {
        let mut json: serde_json::Value = serde_json::from_str(line).unwrap();
        json.as_object_mut().unwrap().remove("time");
        let [topic, kind, data] = ["topic", "type", "data"].map(|key| json[key].as_str().unwrap_or("-"));
        format!("{topic} {kind} {data}")
    };
    (next.unwrap().to_owned(), head.contains("\r\nsse-more: true"), body.lines().map(shown).collect())
}

#[test]
fn what_is_kept_is_read_page_by_page() {
    let redis = Redis::start();
    for arguments in [&[][..], &["--redis", &redis.url]] {
        let hub = Hub::start(arguments);
        let first = hub.publish("a", "1");
        hub.post("/topics/b?type=price", &[], "two\nlines");
        let last = hub.publish("a", "3");
        // A hub on Redis knows them when they have come back.
        while page(&hub, "/topics?topic=a&topic=b").2.len() < 3 {}
        assert_eq!(page(&hub, "/topics/a"), (last.clone(), false, vec!["a - 1".into(), "a - 3".into()]));
        let all = ["a - 1", "b price two\nlines", "a - 3"].map(str::to_owned);
        assert_eq!(page(&hub, "/topics?topic=a&topic=b"), (last.clone(), false, all.to_vec()));
        let path = "/topics?topic=a&topic=b&limit=2";
        let (next, has_more, lines) = page(&hub, path);
        assert_eq!((has_more, lines), (true, all[..2].to_vec()));
        assert_eq!(page(&hub, &format!("{path}&since={next}")), (last.clone(), false, all[2..].to_vec()));
        assert_eq!(page(&hub, &format!("/topics/a?since={first}")).2, ["a - 3"]);
        assert_eq!(page(&hub, "/topics/a?last=1"), (last.clone(), false, vec!["a - 3".into()]));
        assert_eq!(page(&hub, "/topics?topic=a&topic=b&last=2").2, all[1..]);
        assert_eq!(page(&hub, &format!("/topics/a?since={last}")), (last.clone(), false, vec![]));
        assert_eq!(page(&hub, "/topics/nothing").2, [""; 0]);
        assert_eq!(page(&hub, "/topics/a?since=unknown").2[0], r#"- gap {"missed":null}"#);
        // The request waits for events that are not there yet.
        let polls = hub.send("GET", &format!("/topics/a?poll=30s&since={last}"), &[], "");
        hub.publish("a", "4");
        let answer = std::io::read_to_string(polls).unwrap();
        assert!(answer.contains(r#""data":"4"}"#), "{answer}");
    }
}

#[test]
fn a_page_may_begin_at_a_time_and_says_what_is_gone() {
    let hub = Hub::start(&["--history", "2"]);
    hub.publish("a", "1");
    let answer = hub.get("/topics/a?poll", &[]);
    let time = answer.split_once(r#""time":""#).unwrap().1.split('"').next().unwrap().to_owned();
    assert_eq!(page(&hub, &format!("/topics/a?since={time}")).2, ["a - 1"]);
    assert_eq!(page(&hub, "/topics/a?since=2100-01-01T00:00:00Z").2, [""; 0]);
    let gap = r#"- gap {"missed":null}"#;
    assert_eq!(page(&hub, "/topics/a?since=@0").2, [gap, "a - 1"], "before the hub was there");
    hub.publish("a", "2");
    hub.publish("a", "3");
    assert_eq!(page(&hub, &format!("/topics/a?since={time}")).2, [gap, "a - 2", "a - 3"]);
    assert_eq!(page(&hub, "/topics/a?since=2100-01-01T00:00:00Z").2, [""; 0]);
}

#[test]
fn a_hub_with_a_log_reads_it_from_a_time_on() {
    #[track_caller]
    fn check(hub: &Hub) {
        // More than the hub has in memory.
        let lines: String = (1..=1500).map(|number| format!("{{\"data\":\"{number}\"}}\n")).collect();
        assert_answers(&hub.post("/topics/a", &[JSON_LINES], &lines), 200, "\"published\":1500");
        while !page(hub, "/topics/a?last=1").2.contains(&"a - 1500".to_owned()) {}
        // The next one has a later time.
        let last = hub.get("/topics/a?poll&last=1", &[]);
        let time_of = |answer: &str| Some(answer.split_once(r#""time":""#)?.1.split('"').next()?.to_owned());
        let begun = time_of(&last).unwrap();
        let later = loop {
            hub.publish("b", "between");
            let next = time_of(&hub.get("/topics/b?poll&last=1", &[]));
            if let Some(time) = next.filter(|time| *time != begun) {
                break time;
            }
        };
        hub.publish("a", "1501");
        while page(hub, "/topics/a?last=1").2 != ["a - 1501"] {}

        let (_, has_more, first) = page(hub, "/topics/a?since=@0&limit=2");
        assert_eq!((has_more, first), (true, vec!["a - 1".to_owned(), "a - 2".to_owned()]));
        assert_eq!(page(hub, &format!("/topics/a?since={later}")).2, ["a - 1501"]);
        let all = page(hub, &format!("/topics/a?limit=2000&since={begun}")).2;
        assert!(all.len() > 1 && all.last().unwrap() == "a - 1501", "{}", all.len());
        assert_eq!(page(hub, "/topics/a?since=2100-01-01T00:00:00Z").2, [""; 0]);
    }

    let (redis, folder) = (Redis::start(), tempfile::tempdir().unwrap());
    check(&Hub::start(&["--redis", &redis.url]));
    check(&Hub::start(&["--data", folder.path().to_str().unwrap()]));
}

#[test]
fn a_log_that_has_evicted_events_since_a_time_tells_of_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Hub::start(&["--data", folder.path().to_str().unwrap(), "--history", "2"]);
    let hub = start();
    for number in 1..=5 {
        hub.publish("a", &number.to_string());
    }
    // The memory of this hub has all of them still.
    while !metrics(&hub).contains("\nsse_disk_events 2\n") {}
    drop(hub);
    let lines = page(&start(), "/topics/a?since=@0").2;
    assert_eq!(lines, [r#"- gap {"missed":null}"#, "a - 4", "a - 5"]);
}

#[test]
fn what_can_not_be_read_is_told() {
    let hub = Hub::start(&[]);
    for (query, text) in [
        ("limit=0", "limit=0: write a number"),
        ("since=", "since has no value"),
        ("poll=x", "poll=x: write"),
        ("last=1&since=7", "since and last both say where the page begins"),
        ("lastEventId=7", "a page of lines begins after the event that since=ID names"),
    ] {
        assert_answers(
            &hub.get(&format!("/topics/a?poll&{query}").replace("poll&poll", "poll"), &[]),
            400,
            text,
        );
    }
    assert_answers(&hub.get("/topics/a?poll", &["Last-Event-ID: 7"]), 400, "that since=ID names");
    assert_answers(&hub.get("/topics/a", &["Accept: text/html"]), 406, "accept one of them, or */*\n");
    let head = hub.request("HEAD", "/topics/a?poll", &[], "");
    assert_answers(&head, 200, "content-type: application/x-ndjson\r\n");
}

#[test]
fn pages_go_on_after_ids_that_look_like_times() {
    let hub = Hub::start(&[]);
    for ids in [
        ["2026-01-31T12:00:00Z", "2026-01-31T12:00:01Z"],
        // A time to come would pass over everything.
        ["2099-01-31T12:00:00Z", "2099-01-31T12:00:01Z"],
        ["@1732550000", "@1732550001"],
        ["@first", "@second"],
        ["id:1", "id:2"],
    ] {
        let path = format!("/topics/{}", ids[0]);
        for id in ids {
            assert_answers(&hub.post(&format!("{path}?id={id}"), &[], id), 200, "");
        }
        let (next, has_more, first) = page(&hub, &format!("{path}?limit=1"));
        assert!(has_more);
        let (_, has_more, second) = page(&hub, &format!("{path}?limit=1&since={next}"));
        assert!(!has_more);
        let expected = ids.map(|id| format!("{} - {id}", ids[0]));
        assert_eq!([first, second].concat(), expected);
    }
}
