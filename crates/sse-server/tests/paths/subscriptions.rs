//! Subscriptions of every kind.

use std::thread;
use std::time::Duration;

use sse_server::{LagPolicy, Message, Topics};

use crate::server::{Connection, Settings, WAYS, publish, quiet, until};

/// Streams of several topics, with filters, with snapshots, from the start, from an id.
#[test]
fn every_kind_of_subscription_is_served() {
    for way in WAYS {
        let topics = Topics::builder().route(quiet()).build();
        let (a, b) = (topics.route("a").unwrap(), topics.route("b").unwrap());
        publish(&a, "a0");
        let shared = topics.clone();
        let server = Settings::of(way).start(move |request| {
            let a = shared.route("a").unwrap();
            match request.uri().path() {
                "/both" => shared.subscribe(request, ["a", "b"]).respond(),
                "/filter" => a.subscribe(request).filter(|event| event.data() != "a1").respond(),
                "/snapshot" => a.subscribe(request).snapshot(|| [Message::new("state")]).respond(),
                "/start" => a.subscribe(request).from_start().respond(),
                _ => a.respond(request),
            }
        });
        let open =
            |path: &str| Connection::open(server.address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        let mut streams = ["/both", "/filter", "/snapshot", "/start"].map(open);
        for stream in &mut streams {
            stream.read_until("\n\n\r\n");
        }
        until("all are subscribed", || a.subscribers() == 4);
        publish(&a, "a1");
        publish(&b, "b1");
        publish(&a, "a2");
        let [both, filter, snapshot, start] = &mut streams;
        for data in ["a1", "b1", "a2"] {
            both.read_until(&format!("data: {data}\n"));
        }
        assert!(!filter.read_until("data: a2\n").contains("a1"), "{way:?}");
        snapshot.read_until("data: a1\n");
        snapshot.read_until("data: a2\n");
        start.read_until("data: a0\n");
        start.read_until("data: a1\n");
        start.read_until("data: a2\n");
        assert_eq!(a.stats().subscribers, 4);
    }
}

/// A message that has outlived its age, because it is the latest of its key, reaches clients that come back, after one
/// gap event.
#[test]
fn the_latest_message_of_a_key_is_kept_whatever_its_age() {
    for way in WAYS {
        let age = Duration::from_millis(50);
        let route = quiet().lag_policy(LagPolicy::LatestPerKey).history_age(age).build();
        let shared = route.clone();
        let server = Settings::of(way).start(move |request| match request.uri().path() {
            "/start" => shared.subscribe(request).from_start().respond(),
            _ => shared.respond(request),
        });
        let mut first = Connection::get(server.address);
        let opening = first.read_until("\n\n\r\n");
        let id = opening.split("id: ").nth(1).unwrap().lines().next().unwrap().to_owned();
        route.publish_keyed("a", &Message::new("state")).unwrap();
        publish(&route, "gone");
        first.read_until("data: gone\n");
        drop(first);
        until("the subscriber is disconnected", || route.subscribers() == 0);
        thread::sleep(2 * age);
        for (path, header, gaps) in
            [("/", format!("Last-Event-ID: {id}\r\n"), 1), ("/start", String::new(), 0)]
        {
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{header}\r\n");
            let mut stream = Connection::open(server.address, &request);
            let mut seen = stream.read_until("data: state\n");
            publish(&route, "more");
            seen += &stream.read_until("data: more\n");
            assert_eq!(seen.matches("event: gap").count(), gaps, "{way:?}: {seen}");
        }
    }
}

/// A replay shares the message with other subscribers, without a copy.
#[test]
#[cfg(target_os = "linux")]
fn stalled_replays_share_a_message() {
    for way in WAYS {
        let route = quiet().build();
        publish(&route, &"x".repeat(8 << 20));
        let shared = route.clone();
        let server = Settings::of(way).start(move |request| shared.subscribe(request).from_start().respond());
        let before = resident();
        let request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let streams: Vec<_> = (0..40).map(|_| Connection::open(server.address, request)).collect();
        until("all are subscribed", || route.subscribers() == 40);
        // By then, each socket is full.
        thread::sleep(Duration::from_millis(300));
        let grown = resident().saturating_sub(before) >> 20;
        assert!(grown < 100, "{way:?}: {grown} MiB");
        drop(streams);
    }
}

#[cfg(target_os = "linux")]
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
