//! `sse bench`, as a user runs it: against a hub, and against servers that make mistakes.

mod common;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Output;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{Hub, PATIENCE, Program, assert_fails, run, sse};
use serde_json::Value;

/// The JSON of a run.
#[track_caller]
fn json(output: &Output, code: i32) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Asserts that the JSON has these numbers.
#[track_caller]
fn assert_numbers(json: &Value, expected: &[(&str, u64)]) {
    for (name, expected) in expected {
        assert_eq!(json[*name].as_u64(), Some(*expected), "{name}: {json}");
    }
}

#[test]
fn all_subscribers_of_a_hub_get_all_events_once_and_in_order() {
    let hub = Hub::start(&[]);
    let url = hub.url("/topics/news");
    let json =
        json(&run(&["bench", &url, "-n", "20", "--publish", "100", "--duration", "500ms", "--json"]), 0);
    let expected =
        [("subscribers", 20), ("connected", 20), ("due", 50), ("published", 50), ("delivered", 1000)];
    assert_numbers(&json, &expected);
    assert_numbers(
        &json,
        &[("lost", 0), ("doubled", 0), ("out_of_order", 0), ("gap_events", 0), ("events", 1000)],
    );
    assert_numbers(&json, &[("events_per_subscriber_min", 50), ("events_per_subscriber_max", 50)]);
    assert_numbers(&json, &[("ended_early", 0), ("events_of_others", 0)]);
    let number = |name: &str| json[name].as_f64().unwrap();
    let latencies = ["latency_p50_s", "latency_p90_s", "latency_p99_s", "latency_p999_s", "latency_max_s"];
    let latencies = latencies.map(number);
    assert!(latencies.is_sorted() && latencies[0] > 0.0 && latencies[4] < PATIENCE.as_secs_f64(), "{json}");
    let counts =
        json["latency_histogram"].as_array().unwrap().iter().map(|row| row["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 1000);
    assert!(number("cpu_s") > 0.0 && number("duration_s") > 0.4, "{json}");
    // Each has its data and what is around it.
    assert!(number("bytes") > 1000.0 * 256.0, "{json}");
}

#[test]
fn what_is_due_during_a_request_goes_out_in_the_next_one() {
    // Who is late shall not miss anything.
    let hub = Hub::start(&["--history", "10000"]);
    let url = hub.url("/topics/news");
    let rate = ["--publish", "50000", "--size", "10", "--duration", "100ms"];
    let json = json(&sse(&["bench", &url, "-n", "2", "--json"]).args(rate).output().unwrap(), 0);
    assert_numbers(&json, &[("published", 5000), ("delivered", 10_000), ("lost", 0), ("out_of_order", 0)]);
    assert!(json["publish_requests"].as_u64().unwrap() < 2500, "{json}");
}

#[test]
fn what_others_publish_is_counted_and_no_more_is_said_of_it_than_is_known() {
    let hub = Hub::start(&[]);
    // An event each second.
    let arguments = ["bench", &hub.url("/status"), "-n", "3", "--duration", "2500ms"];
    let json = json(&sse(&arguments).arg("--json").output().unwrap(), 0);
    let events = json["events"].as_u64().unwrap();
    assert!((3..=9).contains(&events), "{json}");
    assert_numbers(&json, &[("events_of_others", events)]);
    assert_eq!((json.get("lost"), json.get("latency_p50_s")), (None, None));

    let text = String::from_utf8(run(&["bench", &hub.url("/status"), "-n", "1", "--duration", "0s"]).stdout)
        .unwrap();
    assert!(text.contains("lost, doubled    not known: "), "{text}");
}

#[test]
fn a_report_has_a_row_for_each_number_and_a_histogram() {
    let hub = Hub::start(&[]);
    let url = hub.url("/topics/news");
    let output = run(&["bench", &url, "-n", "3", "--publish", "100", "--duration", "100ms"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
    for row in [
        "connected        3 of 3 in ",
        "connect time     p50 ",
        "published        10 events in ",
        "behind schedule  p50 ",
        "delivered        30 events in ",
        "per subscriber   10 to 10 events",
        "lost             0\n",
        "doubled          0\n",
        "out of order     0\n",
        "latency          p50 ",
        "own CPU time     ",
        "latency histogram\n",
    ] {
        assert!(text.contains(row), "{row:?} is not in\n{text}");
    }
    let (_, histogram) = text.split_once("latency histogram\n").unwrap();
    assert!(histogram.lines().count() <= 12 && histogram.contains('█') && histogram.contains(" %"), "{text}");
}

/// What a server does with a request.
enum Answer {
    /// An event stream, of what is published from now on.
    Stream,
    /// The event is published: to all streams go these texts.
    Publish(Vec<String>),
    /// The same, and then all streams end.
    PublishAndEnd(Vec<String>),
    /// This, and the end of the connection.
    Raw(&'static str),
}

struct Request {
    /// As `GET /path`.
    line: String,
    headers: HashMap<String, String>,
    body: String,
}

impl Request {
    fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or_default()
    }
}

/// A server that does what a test says.
struct Server {
    address: String,
}

impl Server {
    /// The closure is asked with the number of the request among those of its method.
    fn start(answer: impl FnMut(&Request, usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (answer, streams) = (Arc::new(Mutex::new((answer, [0, 0]))), Arc::new(Mutex::new(Vec::new())));
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (answer, streams) = (answer.clone(), streams.clone());
                thread::spawn(move || {
                    let mut reader = BufReader::new(connection.unwrap());
                    while let Some(request) = read_request(&mut reader) {
                        let answer = {
                            let (answer, counts) = &mut *answer.lock().unwrap();
                            let count = &mut counts[usize::from(request.method() == "POST")];
                            *count += 1;
                            answer(&request, *count - 1)
                        };
                        if !serve(reader.get_mut(), answer, &mut streams.lock().unwrap()) {
                            return;
                        }
                    }
                });
            }
        });
        Self { address }
    }

    fn url(&self) -> String {
        format!("http://{}/stream", self.address)
    }
}

/// Returns whether more requests may follow.
fn serve(connection: &mut TcpStream, answer: Answer, streams: &mut Vec<TcpStream>) -> bool {
    match answer {
        Answer::Raw(text) => {
            let _ = connection.write_all(text.as_bytes());
            let _ = connection.shutdown(Shutdown::Write);
            return false;
        }
        Answer::Stream => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n:\n\n";
            let mut stream = connection.try_clone().unwrap();
            // Before the head, so that it gets all that is published behind it.
            stream.write_all(head.as_bytes()).unwrap();
            streams.push(stream);
            return true;
        }
        Answer::Publish(texts) => {
            for stream in streams {
                let _ = stream.write_all(texts.concat().as_bytes());
            }
        }
        Answer::PublishAndEnd(texts) => {
            for mut stream in streams.drain(..) {
                let _ = stream.write_all(texts.concat().as_bytes());
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
    let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    true
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let line = lines.next()?;
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_ascii_lowercase(), value.to_owned()))
    });
    let headers: HashMap<_, _> = headers.collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line, headers, body: String::from_utf8(body).unwrap() })
}

/// The events of a POST, on the wire.
fn events(request: &Request) -> Vec<String> {
    let event = |data: &str| format!("data: {data}\n\n");
    if request.headers["content-type"].starts_with("text/plain") {
        return vec![event(&request.body)];
    }
    let lines = request.body.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.map(|line: Value| event(line["data"].as_str().unwrap())).collect()
}

/// Two subscribers and ten events, on their way through this closure; what counts must be so.
#[track_caller]
fn check_faults(
    mut fault: impl FnMut(usize, String) -> Vec<String> + Send + 'static,
    code: i32,
    expected: &[(&str, u64)],
) {
    let mut number = 0;
    let server = Server::start(move |request, _| {
        if request.method() == "GET" {
            return Answer::Stream;
        }
        let events = events(request).into_iter().flat_map(|event| {
            number += 1;
            fault(number - 1, event)
        });
        Answer::Publish(events.collect())
    });
    let output =
        run(&["bench", &server.url(), "-n", "2", "--publish", "100", "--duration", "100ms", "--json"]);
    let json = json(&output, code);
    assert_numbers(&json, &[("published", 10)]);
    assert_numbers(&json, expected);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let (lost, doubled) = (&json["lost"], &json["doubled"]);
    let says = format!("sse: {lost} events were lost, {doubled} were doubled\n");
    assert_eq!(stderr, if code == 0 { "" } else { &says });
}

#[test]
fn a_server_that_makes_no_mistakes_is_not_said_to_make_any() {
    let right = |_, event| vec![event];
    check_faults(right, 0, &[("lost", 0), ("doubled", 0), ("out_of_order", 0), ("delivered", 20)]);
}

#[test]
fn lost_events_are_counted() {
    // Nor is the last one taken for one that is still on its way.
    let lossy = |number, event| if matches!(number, 3 | 4 | 9) { vec![] } else { vec![event] };
    check_faults(lossy, 5, &[("lost", 6), ("doubled", 0), ("out_of_order", 0), ("delivered", 14)]);
}

#[test]
fn doubled_events_are_counted() {
    let doubling = |number, event: String| vec![event; if number == 2 { 3 } else { 1 }];
    check_faults(doubling, 5, &[("lost", 0), ("doubled", 4), ("out_of_order", 0), ("delivered", 24)]);
}

#[test]
fn events_out_of_order_are_counted() {
    let mut held = None;
    let reordering = move |number, event| {
        if number == 3 {
            held = Some(event);
            return vec![];
        }
        [event].into_iter().chain(held.take()).collect()
    };
    check_faults(reordering, 0, &[("lost", 0), ("doubled", 0), ("out_of_order", 2), ("delivered", 20)]);
}

#[test]
fn gaps_and_events_of_others_are_counted_apart() {
    let talking = |number, event: String| match number {
        3 => vec!["event: gap\ndata: 3\n\n".to_owned(), event, "data: else\n\n: nothing\n\n".to_owned()],
        _ => vec![event],
    };
    let expected =
        [("gap_events", 2), ("events_of_others", 2), ("delivered", 20), ("events", 22), ("lost", 0)];
    check_faults(talking, 0, &expected);
}

#[test]
fn what_a_stream_that_has_ended_no_more_gets_is_lost() {
    let server = Server::start(|request, number| match request.method() {
        "GET" => Answer::Stream,
        _ if number == 4 => Answer::PublishAndEnd(events(request)),
        _ => Answer::Publish(events(request)),
    });
    let start = Instant::now();
    // One event per request: the next one is due long after.
    let output =
        run(&["bench", &server.url(), "-n", "3", "--publish", "20", "--duration", "300ms", "--json"]);
    let json = json(&output, 5);
    assert_numbers(&json, &[("ended_early", 3), ("published", 6), ("delivered", 15), ("lost", 3)]);
    // Nothing is waited for that can't come.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn publishing_has_its_own_token_and_nothing_that_only_a_subscriber_says() {
    let (sender, requests): (Sender<(String, String)>, Receiver<_>) = mpsc::channel();
    let server = Server::start(move |request, _| {
        let token = request.headers.get("authorization").cloned().unwrap_or_default();
        sender.send((request.line.clone(), token)).unwrap();
        match request.method() {
            "GET" => Answer::Stream,
            _ => Answer::Publish(events(request)),
        }
    });
    let url = format!("{}?lastEventId=7&a=b", server.url());
    let tokens = ["--token", "read", "--publish-token", "write", "-H", "X-A: b"];
    let once = ["-n", "1", "--publish", "1", "--duration", "1s"];
    assert!(sse(&["bench", &url]).args(tokens).args(once).output().unwrap().status.success());
    let requests: Vec<_> = requests.try_iter().collect();
    let expected = [
        ("GET /stream?lastEventId=7&a=b HTTP/1.1", "Bearer read"),
        ("POST /stream?a=b HTTP/1.1", "Bearer write"),
    ];
    let found: Vec<_> = requests.iter().map(|(line, token)| (line.as_str(), token.as_str())).collect();
    assert_eq!(found, expected);
}

#[test]
fn who_refuses_all_subscribers_is_told_with_the_reason() {
    for (answer, code, text) in [
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 3, "503 Service Unavailable"),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            3,
            "401 Unauthorized (give a token with --token)",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhi", 3, "the content type is text/html"),
        ("SSH-2.0-x\r\n", 3, "what is no HTTP"),
        ("", 1, "closed before an answer"),
    ] {
        let server = Server::start(move |_, _| Answer::Raw(answer));
        assert_fails(&run(&["bench", &server.url(), "-n", "3", "--publish", "10"]), code, text);
    }
    // It does not try thousands in vain.
    let (sender, requests) = mpsc::channel();
    let server = Server::start(move |_, _| {
        sender.send(()).unwrap();
        Answer::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
    });
    assert_fails(
        &run(&["bench", &server.url(), "-n", "3000", "--connecting", "4"]),
        3,
        "503 Service Unavailable",
    );
    assert!(requests.try_iter().count() < 1000);
}

#[test]
fn who_refuses_some_subscribers_is_measured_with_the_others() {
    let server = Server::start(|request, number| match request.method() {
        "GET" if number % 3 == 0 => {
            Answer::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        }
        "GET" => Answer::Stream,
        _ => Answer::Publish(events(request)),
    });
    let arguments = ["bench", &server.url(), "-n", "9", "--publish", "10", "--duration", "300ms"];
    let json = json(&sse(&arguments).arg("--json").output().unwrap(), 0);
    assert_numbers(&json, &[("subscribers", 9), ("connected", 6), ("delivered", 18), ("lost", 0)]);
    assert_numbers(&json["refused"], &[("503 Service Unavailable", 3)]);
    let text = String::from_utf8(run(&arguments).stdout).unwrap();
    assert!(text.contains("connected        6 of 9 in "), "{text}");
    assert!(text.contains("not connected    3: 503 Service Unavailable\n"), "{text}");
}

#[test]
fn who_takes_nothing_that_is_published_is_told_with_the_reason() {
    let server = Server::start(|request, _| match request.method() {
        "GET" => Answer::Stream,
        _ => Answer::Raw("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"),
    });
    let output = run(&["bench", &server.url(), "-n", "2", "--publish", "10"]);
    assert_fails(&output, 3, "nothing could be published: 405 Method Not Allowed");
}

#[test]
fn who_takes_no_more_of_what_is_published_is_told_behind_the_report_of_the_rest() {
    let server = Server::start(|request, number| match request.method() {
        "GET" => Answer::Stream,
        _ if number == 2 => Answer::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        _ => Answer::Publish(events(request)),
    });
    let output = run(&["bench", &server.url(), "-n", "2", "--publish", "10", "--duration", "2s", "--json"]);
    let json = json(&output, 3);
    assert_numbers(&json, &[("due", 20), ("published", 2), ("delivered", 4), ("lost", 0)]);
    assert_eq!(json["publish_ended_by"], "503 Service Unavailable");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "sse: the publishing ended early: 503 Service Unavailable\n");
}

#[test]
fn an_interrupt_ends_the_run_with_a_report() {
    let (sender, published) = mpsc::channel();
    let server = Server::start(move |request, _| {
        if request.method() == "GET" {
            return Answer::Stream;
        }
        // The test may have seen enough.
        let _ = sender.send(());
        Answer::Publish(events(request))
    });
    let url = server.url();
    let arguments = ["bench", &url, "-n", "2", "--publish", "20", "--duration", "1h", "--json"];
    let mut program = Program::start(sse(&arguments));
    // The second is sent when the first has been answered.
    for _ in 0..2 {
        published.recv_timeout(PATIENCE).unwrap();
    }
    program.signal("INT");
    let json: Value = serde_json::from_str(&program.line()).unwrap();
    assert!(program.end().success());
    assert_numbers(&json, &[("due", 72_000), ("lost", 0)]);
    assert!((1..100).contains(&json["published"].as_u64().unwrap()), "{json}");
}

#[test]
fn nobody_there_is_told_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}/topics/news");
    assert_fails(&run(&["bench", &url]), 1, &format!("no connection to {free}"));
}

#[test]
fn wrong_arguments_are_told_in_one_line() {
    for (arguments, text) in [
        (&["https://127.0.0.1/topics/news"][..], "plain http only"),
        (&["http://me:secret@127.0.0.1/"], "-H 'Authorization: "),
        (&["127.0.0.1:1", "-n", "0"], "0"),
        (&["127.0.0.1:1", "--publish", "0"], "events per second"),
        (&["127.0.0.1:1", "--size", "10"], "--publish"),
        (&["127.0.0.1:1", "--publish", "1", "--publish-token", "a\nb"], "the token has characters"),
    ] {
        assert_fails(&sse(&["bench"]).args(arguments).output().unwrap(), 2, text);
    }
}

#[cfg(unix)]
#[test]
fn more_subscribers_than_open_files_are_refused_before_any_is_opened() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let program = env!("CARGO_BIN_EXE_sse");
    let shell = format!("ulimit -n 100; exec {program} bench {url} -n 37");
    let output = std::process::Command::new("sh").args(["-c", &shell]).output().unwrap();
    assert_fails(
        &output,
        2,
        "37 subscribers need 101 open files, and 100 are allowed: raise the limit with `ulimit -n 101`",
    );
    assert!(listener.accept().is_err());
}
