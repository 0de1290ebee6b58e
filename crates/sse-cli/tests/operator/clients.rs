//! How clients are told apart, and the limits of each.

use std::net::TcpStream;

use super::HubForAll;
use super::common::{Hub, Stream, assert_answers};
use super::nginx::Nginx;

const BATCH: &str = "Content-Type: application/x-ndjson";

/// The seconds that an answer tells to wait.
fn retry_after(answer: &str) -> u64 {
    let value = answer.split("\r\nretry-after: ").nth(1).unwrap_or_else(|| panic!("{answer}"));
    value.split("\r\n").next().unwrap().parse().unwrap()
}

#[test]
fn a_client_has_no_more_streams_than_its_share() {
    let hub = Hub::start(&["--max-per-client", "2"]);
    let one = Stream::open(&hub, "/topics/a", &[]);
    let _status = Stream::open(&hub, "/status", &[]);
    for path in ["/topics/a", "/topics?topic=b", "/status"] {
        let answer = hub.get(path, &[]);
        assert_answers(&answer, 429, "this client has 2 streams, which is the limit; end one, or");
        assert_eq!(retry_after(&answer), 10);
    }
    assert_answers(&hub.post("/topics/a", &[], "1"), 200, "");
    drop(one);
    // The place is free when the hub has noticed.
    while !hub.get("/metrics", &[]).contains("\nsse_subscribers 1\n") {}
    Stream::open(&hub, "/topics/a", &[]);
}

#[test]
fn a_few_streams_of_one_client_do_not_hold_all_topics() {
    let hub =
        HubForAll::start(&["--max-per-client", "10", "--max-topics", "150", "--trusted-proxy", "127.0.0.1"]);
    let path = |from: usize| {
        let topics = (from..from + 100).map(|number| format!("topic=invented-{number}"));
        format!("/topics?{}", topics.collect::<Vec<_>>().join("&"))
    };
    let _stream = Stream::open(&hub, &path(0), &[]);
    let answer = hub.get(&path(100), &[]);
    assert_answers(
        &answer,
        429,
        "the streams of one client may have 100 topics together; end one, or ask for fewer",
    );
    // There is room for another client's.
    Stream::open(&hub, "/topics/of-another", &["X-Forwarded-For: 203.0.113.7"]);
}

#[test]
fn a_trusted_proxy_names_the_client() {
    let hub = HubForAll::start(&["--max-per-client", "1", "--trusted-proxy", "127.0.0.1,10.0.0.0/8"]);
    let _one = Stream::open(&hub, "/topics/a", &["X-Forwarded-For: 203.0.113.7, 10.0.0.2"]);
    let _two = Stream::open(&hub, "/topics/a", &["Forwarded: for=203.0.113.8"]);
    let _three = Stream::open(&hub, "/topics/a", &["X-Forwarded-For: 2001:db8::1"]);
    for same in [
        "X-Forwarded-For: 203.0.113.7",
        "X-Forwarded-For: 9.9.9.9, 203.0.113.7",
        "Forwarded: for=\"203.0.113.8:4711\";proto=https",
        // A client with one IPv6 address has all of its network.
        "Forwarded: for=\"[2001:db8::2]\"",
    ] {
        assert_answers(&hub.get("/topics/a", &[same]), 429, "this client has 1 streams");
    }
    // An address that can't be read counts as the proxy's.
    let _garbage = Stream::open(&hub, "/topics/a", &["X-Forwarded-For: <script>"]);
    for same in ["X-Forwarded-For: unknown", "Forwarded: for=\"", "Accept: */*"] {
        assert_answers(&hub.get("/topics/a", &[same]), 429, "this client has 1 streams");
    }
}

#[test]
fn no_other_program_names_the_client() {
    let hub = HubForAll::start(&["--max-per-client", "1", "--trusted-proxy", "10.0.0.1"]);
    let _one = Stream::open(&hub, "/topics/a", &["X-Forwarded-For: 203.0.113.7"]);
    assert_answers(
        &hub.get("/topics/a", &["X-Forwarded-For: 203.0.113.8"]),
        429,
        "this client has 1 streams",
    );
}

#[test]
fn behind_nginx_each_client_has_its_share_whatever_it_claims() {
    let hub = HubForAll::start(&["--max-per-client", "1", "--trusted-proxy", "127.0.0.1"]);
    let lines =
        "location / { proxy_pass http://HUB; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }";
    let nginx = Nginx::start(&hub.address, lines);
    let proxied = |from: [u8; 4]| super::proxy::Client { nginx: &nginx, from };
    // Linux has all of 127.0.0.0/8; only one of these addresses is the proxy's.
    let _stream: TcpStream = proxied([127, 0, 0, 7]).subscribe("/topics/a", &[]);
    let claim = ["X-Forwarded-For: 203.0.113.7"];
    assert_answers(&proxied([127, 0, 0, 7]).get("/topics/a", &claim), 429, "this client has 1 streams");
    let _other: TcpStream = proxied([127, 0, 0, 8]).subscribe("/topics/a", &claim);
}

#[test]
fn a_client_publishes_no_faster_than_it_may() {
    let hub = HubForAll::start(&["--publish-rate", "3/1h", "--trusted-proxy", "127.0.0.1"]);
    let lines = |count: usize| "{\"data\":\"\"}\n".repeat(count);
    let large = hub.post("/topics/a", &[BATCH], lines(4));
    assert_answers(&large, 413, "\r\nsse-refusal: batch-too-large\r\n");
    assert_answers(
        &large,
        413,
        "a client may publish 3 events within 3600s, and this batch has more; send smaller",
    );
    assert_answers(&hub.post("/topics/a", &[BATCH], lines(2)), 200, r#"{"published":2"#);
    let later = hub.post("/topics/a", &[], "3");
    assert_answers(&later, 429, "a client may publish 3 events within 3600s; send these again later");
    assert!((1100..=1200).contains(&retry_after(&later)), "{later}");
    assert_answers(&hub.post("/topics/a", &["X-Forwarded-For: 203.0.113.7"], "1"), 200, "");
    assert_answers(&hub.get("/metrics", &[]), 200, "sse_published_total{topic=\"a\"} 3\n");
}
