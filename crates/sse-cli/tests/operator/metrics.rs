//! What `/metrics` tells of connections and of the first events of streams.

#![cfg(unix)]

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use super::common::{Hub, Program, Stream, sse};

/// Sends bytes, and reads until the hub closes the connection.
fn send(mut stream: impl Read + Write, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = String::new();
    // The hub may close the connection before it has read everything.
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn over_unix(socket: &Path, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    send(UnixStream::connect(socket).unwrap(), &request)
}

/// Asks for metrics until all of these lines are there.
#[track_caller]
fn await_lines(metrics: impl Fn() -> String, lines: &[&str]) {
    for _ in 0..2000 {
        let metrics = metrics();
        if lines.iter().all(|line| metrics.contains(&format!("\n{line}\n"))) {
            return;
        }
    }
    panic!("not all of {lines:?} are in {}", metrics());
}

#[test]
fn connections_are_counted_by_transport_and_first_events_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let hub = Hub::start(&["--listen", &format!("unix:{}", socket.display())]);
    let (mut news, _) = Stream::at_the_end(&hub, "/topics/news");
    let (idle, _) = Stream::at_the_end(&hub, "/topics/idle");
    let mut status = Stream::open(&hub, "/status", &[]);
    status.event();
    hub.publish("news", "1");
    hub.publish("news", "2");
    assert_eq!([news.event(), news.event()], ["data: 1", "data: 2"]);
    // None of these has an event.
    hub.request("HEAD", "/topics/news", &[], "");
    hub.get("/topics/news?poll", &[]);
    assert!(send(TcpStream::connect(&hub.address).unwrap(), "no HTTP\r\n\r\n").contains(" 400 "));
    // The request for the metrics is on a connection of its own.
    let lines = [
        "sse_open_connections{transport=\"tcp\"} 3",
        "sse_open_connections{transport=\"unix\"} 1",
        "sse_http_connections_total{transport=\"tcp\",version=\"2\"} 0",
        "sse_dropped_connections_total{reason=\"malformed\"} 1",
        "sse_dropped_connections_total{reason=\"slow\"} 0",
        "sse_accept_failures_total 0",
        "sse_first_event_seconds_count 1",
    ];
    await_lines(|| over_unix(&socket, "/metrics"), &lines);
    drop((news, idle, status));
    let lines = ["sse_open_connections{transport=\"tcp\"} 0", "sse_first_event_seconds_count 1"];
    await_lines(|| over_unix(&socket, "/metrics"), &lines);
}

#[test]
fn handshakes_that_fail_are_counted_by_their_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(file("chain"), made.cert.pem()).unwrap();
    fs::write(file("key"), made.signing_key.serialize_pem()).unwrap();
    let (chain, key, socket) = (file("chain"), file("key"), file("socket"));
    let mut command = sse(&["serve", "--listen", "127.0.0.1:0"]);
    command.args(["--listen", &format!("unix:{}", socket.display())]);
    command.arg("--tls-cert").arg(chain).arg("--tls-key").arg(key);
    let mut program = Program::start(command);
    let line = program.line();
    let address = line.split_once("https://").unwrap().1.split('/').next().unwrap();
    let open = || TcpStream::connect(address).unwrap();
    assert!(send(open(), "GET / HTTP/1.1\r\n\r\n").contains("this port speaks https"));
    // Neither TLS nor http.
    send(open(), "\0\0\0\0\x05hello");
    let lines = [
        "sse_failed_handshakes_total{reason=\"failed\"} 1",
        "sse_failed_handshakes_total{reason=\"plain_http\"} 1",
        "sse_failed_handshakes_total{reason=\"replaced\"} 0",
        "sse_failed_handshakes_total{reason=\"slow\"} 0",
        "sse_connections_total{transport=\"tls\"} 0",
    ];
    await_lines(|| over_unix(&socket, "/metrics"), &lines);
}

/// The values of all counters.
fn counters(metrics: &str) -> HashMap<String, f64> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    let values = lines.filter_map(|line| line.rsplit_once(' '));
    let is_counter = |name: &str| ["_total", "_count", "_bucket"].iter().any(|end| name.ends_with(end));
    let values = values.filter(|(name, _)| name.split('{').next().is_some_and(is_counter));
    values.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

/// Publishes an event to a topic, and reads it from a stream that begins with it.
fn publish_and_read(address: &str, topic: &str) {
    let open = || TcpStream::connect(address).unwrap();
    let request = format!(
        "POST /topics/{topic} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx"
    );
    let answer = send(open(), &request);
    assert!(answer.contains("\"published\":1"), "{answer}");
    let mut stream = open();
    let request = format!("GET /topics/{topic}?last=1 HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let stream = BufReader::new(stream);
    assert!(stream.lines().any(|line| line.unwrap() == "data: x"), "the stream has an event");
}

#[test]
fn no_counter_goes_back_while_many_connections_come_and_go() {
    const STREAMS: usize = 50;

    let hub = Hub::start(&["--max-topics", "20"]);
    thread::scope(|scope| {
        let address = &hub.address;
        let work = move |number: usize| {
            for count in 0..STREAMS {
                let topic = format!("{number}-{}", count % 10);
                publish_and_read(address, &topic);
            }
        };
        let working = [0, 1, 2].map(|number| scope.spawn(move || work(number)));
        let mut before = HashMap::new();
        while !working.iter().all(thread::ScopedJoinHandle::is_finished) {
            let now = counters(&hub.get("/metrics", &[]));
            for (name, value) in &before {
                assert!(
                    now.get(name).is_some_and(|now| now >= value),
                    "{name}: {:?} after {value}",
                    now.get(name)
                );
            }
            before = now;
        }
    });
    let streams = format!("sse_first_event_seconds_count {}", 3 * STREAMS);
    // The one is that of the request for the metrics.
    await_lines(|| hub.get("/metrics", &[]), &[&streams, "sse_open_connections{transport=\"tcp\"} 1"]);
}
