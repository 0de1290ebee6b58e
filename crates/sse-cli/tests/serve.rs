//! `sse serve` as a process, over sockets.

mod common;

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};

use common::{Hub, Program, Redis, Stream, assert_answers, assert_fails, run, sse, write};

const JSON_LINES: &str = "Content-Type: application/x-ndjson";

#[test]
fn what_is_posted_goes_to_all_subscribers() {
    let hub = Hub::start(&[]);
    let (mut one, _) = Stream::at_the_end(&hub, "/topics/news");
    let (mut other, _) = Stream::at_the_end(&hub, "/topics/news");
    hub.publish("news", "Hello");
    hub.post("/topics/news?type=price&id=7", &[], "two\nlines");
    hub.post("/topics/news", &["Event-Type: weather"], "☔");
    for stream in [&mut one, &mut other] {
        assert_eq!(stream.event(), "data: Hello");
        assert_eq!(stream.block(), "event: price\ndata: two\ndata: lines\nid: 7\n");
        assert_eq!(stream.event(), "event: weather|data: ☔");
    }
}

#[test]
fn one_id_resumes_several_topics_exactly() {
    let hub = Hub::start(&[]);
    let path = "/topics?topic=a&topic=b%2Fc";
    let (mut stream, _) = Stream::at_the_end(&hub, path);
    hub.publish("a", "1");
    let id = hub.publish("b/c", "2");
    assert_eq!([stream.event(), stream.event()], ["data: 1", "data: 2"]);
    drop(stream);
    hub.publish("other", "not asked for");
    hub.publish("b%2Fc", "3");
    hub.publish("a", "4");
    let mut stream = Stream::open(&hub, path, &[&format!("Last-Event-ID: {id}")]);
    assert_eq!([stream.event(), stream.event()], ["data: 3", "data: 4"]);
}

#[test]
fn a_stream_may_begin_with_the_last_events() {
    let hub = Hub::start(&[]);
    for (topic, data) in [("a", "1"), ("b", "2"), ("other", "3"), ("a", "4")] {
        hub.publish(topic, data);
    }
    let check = |path: &str, expected: &[&str]| {
        let mut stream = Stream::open(&hub, path, &[]);
        hub.publish("a", "live");
        for data in expected {
            assert_eq!(stream.event(), format!("data: {data}"), "{path}");
        }
    };
    check("/topics?topic=a&topic=b&last=2", &["2", "4", "live"]);
    check("/topics/a?last=2", &["4", "live", "live"]);
    check("/topics/a?last=0", &["live"]);
    check("/topics/b?last=20", &["2"]);
    assert_answers(&hub.get("/topics/a?last=many", &[]), 400, "write a number of events, as last=20");
}

#[test]
fn a_batch_is_published_whole_or_not_at_all() {
    let hub = Hub::start(&[]);
    let (mut stream, _) = Stream::at_the_end(&hub, "/topics/news");
    let wrong = "{\"data\":\"1\"}\n{\"data\":\"2\"\n{\"data\":\"3\"}\n";
    assert_answers(&hub.post("/topics/news", &[JSON_LINES], wrong), 400, "line 2 is no event: ");
    let right = "{\"data\":\"4\"}\n{\"type\":\"price\",\"data\":{\"tea\":1250}}\n";
    assert_answers(&hub.post("/topics/news", &[JSON_LINES], right), 200, r#"{"published":2,"id":""#);
    assert_eq!([stream.event(), stream.event()], ["data: 4", r#"event: price|data: {"tea":1250}"#]);
}

#[test]
fn an_id_names_one_event_of_a_topic() {
    let hub = Hub::start(&[]);
    let post = |query: &str, data: &str| hub.post(&format!("/topics/a?{query}"), &[], data);
    assert_answers(&post("id=7&type=price", "1250"), 200, r#"{"published":1,"id":"7"}"#);
    assert_answers(&post("id=7&type=price", "1250"), 200, r#"{"published":0,"repeated":1,"id":"7"}"#);
    for other in [post("id=7&type=price", "1300"), post("id=7", "1250")] {
        assert_answers(&other, 409, "\r\nsse-refusal: id-taken\r\n");
        assert_answers(&other, 409, "another event of this topic; give each event an id of its own\n");
    }
    for id in ["31043490a327-6", "+7", "7%01", &"7".repeat(1025)] {
        assert_answers(&post(&format!("id={id}"), ""), 400, "\r\nsse-refusal: invalid-id\r\n");
    }
    assert_answers(&hub.post("/topics/b?id=7", &[], "in another topic"), 200, r#""published":1"#);
    assert_answers(&hub.get("/metrics", &[]), 200, "\nsse_repeated_total{topic=\"a\"} 1\n");
}

#[test]
fn a_batch_with_a_wrong_id_is_not_published_and_repeats_are_counted() {
    let hub = Hub::start(&[]);
    let (mut stream, _) = Stream::at_the_end(&hub, "/topics/a");
    let post = |lines: &str| hub.post("/topics/a", &[JSON_LINES], lines);
    let two = "{\"id\":\"1\",\"data\":\"one\"}\n{\"id\":\"2\",\"data\":\"two\"}\n";
    assert_answers(&post(two), 200, r#"{"published":2,"id":"2"}"#);
    let taken = post(&format!("{{\"data\":\"never\"}}\n{}", two.replace("two", "zwei")));
    assert_answers(
        &taken,
        409,
        "\r\n\r\nnothing of the batch was published: the id is that of another event",
    );
    let invalid =
        post(&format!("{two}{{\"data\":\"never\"}}\n{{\"id\":\"00000000000e-1\",\"data\":\"\"}}\n"));
    assert_answers(&invalid, 400, "nothing of the batch was published: the id has the form of the ids");
    let within = post("{\"id\":\"3\",\"data\":\"never\"}\n{\"id\":\"3\",\"data\":\"nie\"}\n");
    assert_answers(&within, 409, "nothing of the batch was published");
    let three = post(&format!("{two}{{\"id\":\"3\",\"data\":\"three\"}}\n"));
    assert_answers(&three, 200, r#"{"published":1,"repeated":2,"id":"3"}"#);
    assert_eq!([stream.event(), stream.event(), stream.event()], ["data: one", "data: two", "data: three"]);
}

#[test]
fn a_batch_that_no_subscriber_could_get_whole_is_refused() {
    // Each line ending of the data becomes a line of the stream, which is longer.
    let lines = format!("{{\"data\":\"{}\"}}\n", "\\n".repeat(1000)).repeat(500);
    let hub = Hub::start(&["--history", "10"]);
    let refused = hub.post("/topics/a", &[JSON_LINES], &lines);
    assert_answers(&refused, 413, "\r\nsse-refusal: batch-too-large\r\n");
    assert_answers(&refused, 413, "nothing of the batch was published: it is too large");
    assert_answers(&hub.get("/metrics", &[]), 200, "\nsse_published_total{topic=\"other\"} 0\n");
    let hub = Hub::start(&["--history", "10", "--max-body", "4MiB"]);
    assert_answers(&hub.post("/topics/a", &[JSON_LINES], &lines), 200, r#"{"published":500,"#);
}

#[test]
fn a_body_over_the_limit_is_refused_however_it_comes() {
    let hub = Hub::start(&["--max-body", "1KiB"]);
    assert_answers(&hub.post("/topics/news", &[], [b'a'; 1024]), 200, r#""published":1"#);
    let text = "the body is larger than 1024 bytes; send smaller batches, or raise --max-body\n";
    assert_answers(&hub.post("/topics/news", &[], [b'a'; 1025]), 413, text);
    // Its length is not told ahead.
    let mut stream = TcpStream::connect(&hub.address).unwrap();
    let head = format!("POST /topics/a HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", hub.address);
    let body = format!("Transfer-Encoding: chunked\r\n\r\n401\r\n{}\r\n0\r\n\r\n", "a".repeat(1025));
    std::io::Write::write_all(&mut stream, (head + &body).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_answers(&answer, 413, text);
}

#[test]
fn a_client_that_sends_far_too_much_still_gets_the_answer() {
    let hub = Hub::start(&["--max-body", "1KiB"]);
    // More than the system's buffers take: it is still being sent when the hub knows.
    assert_answers(&hub.post("/topics/news", &[], vec![b'a'; 15 << 20]), 413, "larger than 1024 bytes");
    // A client that sends `Expect` gets the answer at once, and sends nothing.
    let mut stream = TcpStream::connect(&hub.address).unwrap();
    let head = format!("POST /topics/a HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", hub.address);
    let expects = "Expect: 100-continue\r\nContent-Length: 15000000\r\n\r\n";
    std::io::Write::write_all(&mut stream, (head + expects).as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_answers(&answer, 413, "larger than 1024 bytes");
}

#[test]
fn what_is_wrong_with_a_request_is_told() {
    let hub = Hub::start(&[]);
    assert_answers(&hub.post("/topics/a%0Ab", &[], ""), 400, r#"name "a\nb" has control characters"#);
    assert_answers(&hub.get("/topics/a%07", &[]), 400, "control characters");
    assert_answers(&hub.post(&format!("/topics/{}", "a".repeat(201)), &[], ""), 400, "has 201 bytes; 200");
    assert_answers(&hub.get("/topics/%FF", &[]), 400, "Invalid UTF-8");
    assert_answers(&hub.get("/topics", &[]), 400, "no topic is named; ask for /topics/NAME");
    assert_answers(&hub.post("/topics/a", &[], b"\xff"), 400, "the body is not UTF-8 from byte 0 on");
    assert_answers(&hub.post("/topics/a?type=a%0Ab", &[], ""), 400, "the type: ");
    assert_answers(&hub.get("/elsewhere", &[]), 404, "topics are at /topics/NAME");
    let not_allowed = hub.request("PUT", "/topics/a", &[], "");
    assert_answers(&not_allowed, 405, "allow: GET,HEAD,POST");
    assert_answers(&not_allowed, 405, "topics accept GET and POST, and other paths accept GET\n");
    let key = hub.post("/topics/a", &[JSON_LINES], "{\"a\\nb\\u001b\":1}");
    assert_answers(&key, 400, r"unknown field `a\nb\u{1b}`");
}

#[test]
fn any_name_that_can_be_seen_is_a_topic() {
    let hub = Hub::start(&[]);
    for name in ["caf%C3%A9%20au%20lait", "%F0%9F%99%82", "a/b/c", "..", "a%22%5C", "%2Ftopics"] {
        let (mut stream, _) = Stream::at_the_end(&hub, &format!("/topics/{name}"));
        hub.publish(name, "here");
        assert_eq!(stream.event(), "data: here", "{name}");
    }
    let metrics = hub.get("/metrics", &[]);
    assert_answers(&metrics, 200, "sse_published_total{topic=\"a\\\"\\\\\"} 1\n");
    assert_answers(&metrics, 200, "sse_published_total{topic=\"café au lait\"} 1\n");
}

#[test]
fn a_token_gives_its_rights() {
    let folder = tempfile::tempdir().unwrap();
    let rights = "publish publisher-0123456789\nsubscribe subscriber-0123456789\n";
    let hub = Hub::start(&["--token-file", &write(&folder, "tokens", rights)]);
    let (publisher, subscriber) =
        ("Authorization: Bearer publisher-0123456789", "Authorization: Bearer subscriber-0123456789");

    let unknown = "Authorization: Bearer nobody-0123456789";
    let (without, invalid) =
        ("www-authenticate: Bearer\r\n", "www-authenticate: Bearer error=\"invalid_token\"\r\n");
    for (headers, unknown) in [(&[][..], without), (&[unknown], invalid)] {
        assert_answers(&hub.post("/topics/a", headers, "1"), 401, unknown);
        for path in ["/topics/a", "/topics?topic=a", "/status", "/metrics"] {
            assert_answers(&hub.get(path, headers), 401, unknown);
        }
    }
    assert_answers(&hub.post("/topics/a", &[subscriber], "1"), 403, "no right to publish to the topic a\n");
    assert_answers(&hub.get("/topics/a", &[publisher]), 403, "no right to subscribe to the topic a\n");

    let mut stream = Stream::open(&hub, "/topics/a?access_token=subscriber-0123456789", &[]);
    stream.block();
    assert_answers(&hub.post("/topics/a", &[publisher], "2"), 200, r#"{"published":1"#);
    assert_eq!(stream.event(), "data: 2");
    assert_answers(&hub.get("/metrics", &[subscriber]), 200, "sse_published_total{topic=\"a\"} 1\n");
    for open in ["/", "/page.js", "/page.css", "/healthz"] {
        assert_answers(&hub.get(open, &[]), 200, "");
    }
}

#[test]
fn pages_of_other_origins_must_be_allowed() {
    let hub = Hub::start(&["--cors", "https://app.example.com"]);
    let (ours, allowed, other) = (
        format!("Origin: http://{}", hub.address),
        "Origin: https://app.example.com",
        "Origin: https://evil.example",
    );
    assert_answers(&hub.post("/topics/a", &[&ours], "1"), 200, "");
    let answer = hub.post("/topics/a", &[allowed], "2");
    assert_answers(&answer, 200, "access-control-allow-origin: https://app.example.com\r\n");
    let answer = hub.post("/topics/a", &[other], "3");
    assert_answers(&answer, 403, "pages of the origin https://evil.example may not use this hub");
    assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    // What a browser asks before it sends JSON or an id.
    let asks =
        ["Access-Control-Request-Method: POST", "Access-Control-Request-Headers: content-type,event-id"];
    let answer = hub.request("OPTIONS", "/topics/a", &[allowed, asks[0], asks[1]], "");
    assert_answers(&answer, 200, "access-control-allow-headers: ");
    assert_answers(&answer, 200, "event-id");
    // A page whose own host name points to this machine.
    assert_answers(
        &hub.post("/topics/a", &["Host: evil.example"], "4"),
        403,
        "without tokens, the hub answers",
    );
    assert_answers(&hub.get("/metrics", &[]), 200, "sse_published_total{topic=\"a\"} 2\n");
}

#[test]
fn the_hub_sends_its_numbers() {
    let hub = Hub::start(&[]);
    assert_answers(&hub.get("/healthz", &[]), 200, "\r\n\r\nok\n");
    let (mut news, _) = Stream::at_the_end(&hub, "/topics/news");
    hub.publish("news", "1");
    news.event();
    let mut status = Stream::open(&hub, "/status", &[]);
    let first = status.event();
    assert!(first.starts_with(r#"event: status|data: {"version":"0.1.0","uptime":"#), "{first}");
    let counts = r#""published":1,"delivered":1,"gaps":0,"lagged":0,"cut":0,"refused":0,"evicted":0"#;
    let topic =
        r#""topics_total":1,"topics":[{"name":"news","subscribers":1,"catching_up":0,"history":1,"memory":"#;
    assert!(first.contains(topic), "{first}");
    assert!(first.contains(r#","max_memory":268435456,"total":{"#), "{first}");
    assert_eq!(first.matches(counts).count(), 2, "{first}");
    assert!(first.ends_with(r#"}],"log":null}"#), "{first}");
    // Once, as JSON, and only for the topics that are searched for.
    hub.publish("prices/tea", "2");
    let once = hub.get("/status?search=PRICES", &["Accept: application/json"]);
    assert_answers(&once, 200, r#""topics_total":2,"topics":[{"name":"prices/tea","subscribers":0,"#);
    assert!(!once.contains(r#""name":"news""#), "{once}");
    drop(news);
    while !status.event().contains(r#""name":"news","subscribers":0"#) {}
    let metrics = hub.get("/metrics", &[]);
    assert_answers(&metrics, 200, "content-type: text/plain; version=0.0.4; charset=utf-8\r\n");
    assert_answers(&metrics, 200, "# TYPE sse_delivered_total counter\n");
    assert_answers(&metrics, 200, "\nsse_delivered_total{topic=\"news\"} 1\n");
    // The stream of the status itself.
    assert_answers(&metrics, 200, "\nsse_subscribers 1\n");
}

#[test]
fn subscribers_and_topics_are_bounded() {
    let hub = Hub::start(&["--max-subscribers", "2", "--max-topics", "2"]);
    let one = Stream::open(&hub, "/topics/a", &[]);
    let _other = Stream::open(&hub, "/topics?topic=a&topic=b", &[]);
    let answer = hub.get("/topics/a", &[]);
    assert_answers(&answer, 503, "there are too many subscribers");
    assert_answers(&answer, 503, "retry-after: ");
    // Names that subscribers have invented don't make a publisher wait.
    assert_answers(&hub.post("/topics/c", &[], "1"), 200, "\"id\"");
    hub.publish("a", "1");
    hub.publish("b", "1");
    assert_answers(&hub.post("/topics/d", &[], ""), 503, "there are too many topics in use");
    drop(one);
    // The place is free when the hub has noticed.
    while !hub.get("/metrics", &[]).contains("\nsse_subscribers 1\n") {}
    Stream::open(&hub, "/topics/b", &[]);
}

#[test]
fn a_silent_stream_has_heartbeats() {
    let hub = Hub::start(&["--heartbeat", "20ms"]);
    let mut stream = Stream::open(&hub, "/topics/a", &[]);
    stream.block();
    assert_eq!(stream.block(), ":\n");
}

#[test]
fn the_history_is_as_long_as_it_is_set() {
    let hub = Hub::start(&["--history", "2"]);
    let id = hub.publish("a", "0");
    for data in ["1", "2", "3"] {
        hub.publish("a", data);
    }
    let mut stream = Stream::open(&hub, "/topics/a", &[&format!("Last-Event-ID: {id}")]);
    assert_eq!(stream.event(), r#"event: gap|data: {"missed":null}"#);
    assert_eq!([stream.event(), stream.event()], ["data: 2", "data: 3"]);
}

#[test]
fn hubs_on_one_redis_are_one() {
    let redis = Redis::start();
    let hub = || Hub::start(&["--redis", &redis.url, "--history", "1000,1h"]);
    let (mut one, other) = (hub(), hub());
    let (mut stream, _) = Stream::at_the_end(&one, "/topics/news");
    let id = other.publish("news", "1");
    assert_eq!(stream.event(), "data: 1");
    one.program.kill();
    other.post("/topics/news", &[JSON_LINES], "{\"data\":\"2\"}\n{\"data\":\"3\"}\n");
    // A hub that was not there when they were published.
    for hub in [other, hub()] {
        let mut stream = Stream::open(&hub, "/topics/news", &[&format!("Last-Event-ID: {id}")]);
        assert_eq!([stream.event(), stream.event()], ["data: 2", "data: 3"]);
        assert_answers(&hub.get("/metrics", &[]), 200, "\nsse_log_following 1\n");
        assert_answers(&hub.post("/topics/news?id=7", &[], ""), 400, "gives the ids; leave the id out");
    }
}

#[test]
fn a_batch_is_one_entry_of_redis_or_none() {
    let redis = Redis::start();
    let hub = Hub::start(&["--redis", &redis.url]);
    let (mut stream, _) = Stream::at_the_end(&hub, "/topics/a");
    let lines = |count: usize| "{\"data\":\"\"}\n".repeat(count);
    let refused = hub.post("/topics/a", &[JSON_LINES], lines(4097));
    assert_answers(&refused, 413, "\r\nsse-refusal: batch-too-large\r\n");
    let with_id = hub.post("/topics/a", &[JSON_LINES], "{\"data\":\"\"}\n{\"id\":\"7\",\"data\":\"\"}\n");
    assert_answers(&with_id, 400, "\r\nsse-refusal: own-id\r\n");
    assert_answers(&with_id, 400, "nothing of the batch was published: the log of this hub");
    hub.publish("a", "first");
    assert_eq!(stream.event(), "data: first");
    assert_answers(&hub.post("/topics/a", &[JSON_LINES], lines(4096)), 200, r#"{"published":4096,"id":""#);
}

#[test]
fn a_flag_overrides_the_environment_and_that_the_file() {
    #[track_caller]
    fn check(flag: &[&str], variable: Option<&str>, file: &str, limit: usize) {
        let folder = tempfile::tempdir().unwrap();
        let file = write(&folder, "sse.toml", file);
        let mut command = sse(&["serve", "--listen", "127.0.0.1:0", "--config", &file]);
        command.envs(variable.map(|value| ("SSE_MAX_BODY", value)));
        let hub = Hub::start_with(command, flag);
        assert_answers(&hub.post("/topics/a", &[], [b'a'; 999]), 413, &format!("larger than {limit} bytes"));
    }

    let file = "max-body = 3\nlisten = '127.0.0.1:1'\n";
    check(&["--max-body", "1"], Some("2"), file, 1);
    check(&[], Some("2"), file, 2);
    check(&[], None, file, 3);
}

#[test]
fn it_ends_streams_whole_when_it_is_told_to() {
    for signal in ["TERM", "INT"] {
        let mut hub = Hub::start(&[]);
        let (mut stream, _) = Stream::at_the_end(&hub, "/topics/a");
        hub.publish("a", "last");
        hub.program.signal(signal);
        assert_eq!(stream.event(), "data: last");
        assert!(stream.rest().ends_with("0\r\n\r\n"));
        assert!(hub.program.end().success());
    }
}

#[test]
fn a_subscriber_that_reads_nothing_does_not_hold_the_end_up() {
    let mut hub = Hub::start(&["--grace", "50ms", "--max-body", "16MiB"]);
    let (_stream, _) = Stream::at_the_end(&hub, "/topics/a");
    hub.post("/topics/a", &[], vec![b'a'; 16 << 20]);
    hub.program.signal("TERM");
    assert!(hub.program.end().success());
}

#[test]
fn it_can_be_ended_while_it_waits_for_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    assert!(std::process::Command::new("mkfifo").arg(&file).status().unwrap().success());
    let mut program = Program::start(sse(&["serve", "--token-file", file.to_str().unwrap()]));
    // It is open for writing when the hub reads it.
    let _writer = fs::File::options().write(true).open(&file).unwrap();
    program.signal("TERM");
    program.end();
}

#[test]
fn it_ends_within_its_grace_though_redis_hangs_and_says_what_is_lost() {
    let redis = Redis::start();
    let mut hub = Hub::start(&["--redis", &redis.url, "--grace", "300ms"]);
    hub.publish("a", "1");
    redis.signal("STOP");
    let _stream = hub.send("POST", "/topics/a", &[], "2");
    while !hub.get("/metrics", &[]).contains("\nsse_log_queued 1\n") {}
    hub.program.signal("TERM");
    let begun = std::time::Instant::now();
    assert_eq!(hub.program.end().code(), Some(1));
    // The log gives up after ten seconds by itself.
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    hub.program.notice("sse: Redis did not take all events in time");
}

#[test]
fn it_can_be_ended_while_it_waits_for_redis() {
    let redis = "redis+unix:///nowhere/socket";
    let mut program = Program::start(sse(&["serve", "--listen", "127.0.0.1:0", "--redis", redis]));
    program.notice("waiting for Redis");
    program.signal("TERM");
    assert!(program.end().success());
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text =
        format!("{address} is in use by another program; end it, or choose another port with --listen");
    assert_fails(&run(&["serve", "--listen", &address]), 1, &text);
}

#[test]
fn without_tokens_it_listens_on_this_machine_only() {
    let text = "0.0.0.0:0 can be reached from other machines, and everybody could publish: give --token-file";
    assert_fails(&run(&["serve", "--listen", "0.0.0.0:0"]), 2, text);
    assert_fails(&run(&["serve", "--listen", "[::]:0"]), 2, "can be reached from other machines");
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "tokens", "publish *\nsubscribe *\n");
    let command = sse(&["serve", "--listen", "0.0.0.0:0", "--token-file", &file]);
    let mut program = Program::start(command);
    program.line();
    assert_eq!([program.line(), program.line(), program.line()][2], "Everybody may publish and subscribe.");
}

#[test]
fn wrong_settings_are_told_in_one_line() {
    #[track_caller]
    fn check(arguments: &[&str], text: &str) {
        let mut command = sse(&[&["serve"], arguments].concat());
        // Another program may have the default port.
        assert_fails(&command.env("SSE_LISTEN", "127.0.0.1:0").output().unwrap(), 2, text);
    }

    let folder = tempfile::tempdir().unwrap();
    let file = |name, text| write(&folder, name, text);
    check(&["--listen", "8080"], "`8080` is not an address to listen on");
    check(&["--heartbeat", "15"], "write a time as 15s, 1m30s or 250ms, or as off");
    check(
        &["--history", "1000,long"],
        "write a number of events, an age, a size, or several: 1000,10m,16MiB",
    );
    check(&["--max-memory", "1MB"], "--max-memory must be at least 1048576 bytes");
    check(&["--max-memory", "8MiB", "--max-body", "9MiB"], "--max-memory must be at least 9437184 bytes");
    check(&["--max-body", "big"], "write a size as 65536, 64KiB or 1MiB");
    check(&["--cors", "app.example.com"], "write an origin as https://app.example.com");
    check(
        &["--hartbeat", "15s"],
        "unexpected argument '--hartbeat' found; tip: a similar argument exists: '--heartbeat'",
    );
    check(&["--max-topics", "0"], "0 is not in 1..");
    check(&["--max-subscribers", "0"], "0 is not in 1..");
    for filter in ["inof", "", "info,debgu"] {
        check(&["--log", filter], "write a level, error, warn, info, debug or trace, or TARGET=LEVEL");
    }
    check(&["--trusted-proxy", "proxy.example"], "write an address or a network as 10.0.0.5, 10.0.0.0/8");
    check(&["--trusted-proxy", "10.0.0.5"], "everybody could publish through it: give --token-file");
    check(&["--token-file", "/nowhere/tokens"], "--token-file /nowhere/tokens: No such file");
    check(
        &["--token-file", &file("tokens", "publish *\n")],
        "nobody could subscribe: add a line `subscribe TOKEN`",
    );
    check(
        &["--config", "/nowhere/sse.toml"],
        "--config /nowhere/sse.toml: the settings can't be read: No such file",
    );
    check(&["--config", &file("a.toml", "listen = 1\nlisten")], "a.toml: line 2: ");
    check(
        &["--config", &file("b.toml", "port = 80")],
        "b.toml: there is no setting `port`; there are listen, ",
    );
    check(
        &["--config", &file("c.toml", "heartbeat = 'often'")],
        "c.toml: invalid value 'often' for '--heartbeat",
    );
    check(&["--redis", "http://localhost"], "--redis: the address of Redis can't be used");
    check(&["--redis", "redis://localhost", "--namespace", "{}"], "--namespace: the namespace must have");
    check(&["--redis", "redis://localhost", "--history", "1MiB"], "with --redis, --history is a number");
    let data = folder.path().join("data");
    let topics = |history| ["--data", data.to_str().unwrap(), "--topic-history", history];
    check(&topics("24h"), "--topic-history has no age; give it to --history, for all topics");
    check(&topics("0"), "--topic-history must be at least 1");
    check(&["--topic-history", "9"], "--data <DIRECTORY>");
}

#[test]
fn its_help_fits_on_a_screen() {
    let output = run(&["serve", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(help.lines().count() <= 42, "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
}
