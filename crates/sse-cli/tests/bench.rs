//! `sse bench`, as a user runs it: against a hub, and against servers that make mistakes.

mod common;

use std::net::TcpListener;
use std::process::Output;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use common::{Hub, PATIENCE, Program, assert_fails, run, sse};
use serde_json::Value;
use sse_testing::{Answer, Request, Server};

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
    // Each event has its data and its other fields.
    assert!(number("bytes") > 1000.0 * 256.0, "{json}");
}

#[cfg(unix)]
#[test]
fn a_hub_at_a_unix_socket_is_measured_by_the_line_that_it_greets_with() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket").display().to_string();
    let mut hub = Program::start(sse(&["serve", "--listen", &format!("unix:{socket}")]));
    hub.line();
    assert_eq!(hub.line(), format!("  sse listen --unix-socket {socket} http://localhost/topics/news"));
    assert_eq!(
        hub.line(),
        format!("  sse publish --unix-socket {socket} http://localhost/topics/news 'Hello'")
    );
    // More of them at once than the queue of a socket may hold.
    let arguments = ["http://localhost/topics/news", "-n", "300", "--connecting", "300", "--publish", "100"];
    let output = run(&[
        &["bench", "--unix-socket", &socket, "--duration", "500ms", "--json"],
        &arguments[..],
    ]
    .concat());
    assert_numbers(&json(&output, 0), &[("connected", 300), ("published", 50), ("delivered", 15_000)]);
}

#[test]
fn what_is_due_during_a_request_goes_out_in_the_next_one() {
    // A subscriber that connects late must not miss an event.
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
        "publish delay    p50 ",
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
enum Reply {
    /// A stream of the events that are published from now on.
    Stream,
    /// The event is published: to all streams go these texts.
    Publish(Vec<String>),
    /// The same, and then all streams end.
    PublishAndEnd(Vec<String>),
    /// This, and the end of the connection.
    Raw(&'static str),
}

/// A server that does what a test says. The closure gets the number of the request among those of its method.
fn replying(mut reply: impl FnMut(&Request, usize) -> Reply + Send + 'static) -> Server {
    let (mut streams, mut counts) = (Vec::<Sender<Vec<u8>>>::new(), [0, 0]);
    Server::answering(move |request| {
        let count = &mut counts[usize::from(request.method() == "POST")];
        *count += 1;
        let (texts, is_end) = match reply(request, *count - 1) {
            Reply::Raw(text) => return Answer::raw(text),
            Reply::Stream => {
                let (sender, bytes) = mpsc::channel();
                streams.push(sender);
                return Answer::stream(":\n\n").live(bytes);
            }
            Reply::Publish(texts) => (texts, false),
            Reply::PublishAndEnd(texts) => (texts, true),
        };
        for stream in &streams {
            // The subscriber may be gone.
            let _ = stream.send(texts.concat().into_bytes());
        }
        if is_end {
            streams.clear();
        }
        Answer::response("200 OK\r\nContent-Length: 2\r\n\r\n{}").keep_alive()
    })
}

/// The events of a POST, on the wire.
fn events(request: &Request) -> Vec<String> {
    let event = |data: &str| format!("data: {data}\n\n");
    if request.header("content-type").unwrap().starts_with("text/plain") {
        return vec![event(request.body())];
    }
    let lines = request.body().lines().map(|line| serde_json::from_str(line).unwrap());
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
    let server = replying(move |request, _| {
        if request.method() == "GET" {
            return Reply::Stream;
        }
        let events = events(request).into_iter().flat_map(|event| {
            number += 1;
            fault(number - 1, event)
        });
        Reply::Publish(events.collect())
    });
    let output = run(&[
        "bench",
        &server.url("/stream"),
        "-n",
        "2",
        "--publish",
        "100",
        "--duration",
        "100ms",
        "--json",
    ]);
    let json = json(&output, code);
    assert_numbers(&json, &[("published", 10)]);
    assert_numbers(&json, expected);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let (lost, doubled) = (&json["lost"], &json["doubled"]);
    let says = format!("sse: {lost} events were lost, {doubled} were doubled\n");
    assert_eq!(stderr, if code == 0 { "" } else { &says });
}

#[test]
fn a_server_without_mistakes_gets_a_report_without_any() {
    let right = |_, event| vec![event];
    check_faults(right, 0, &[("lost", 0), ("doubled", 0), ("out_of_order", 0), ("delivered", 20)]);
}

#[test]
fn lost_events_are_counted() {
    // Nor does the last one count as still on its way.
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
fn events_after_the_end_of_a_stream_are_lost() {
    let server = replying(|request, number| match request.method() {
        "GET" => Reply::Stream,
        _ if number == 4 => Reply::PublishAndEnd(events(request)),
        _ => Reply::Publish(events(request)),
    });
    let start = Instant::now();
    // One event per request: the next one is due long after.
    let output = run(&[
        "bench",
        &server.url("/stream"),
        "-n",
        "3",
        "--publish",
        "20",
        "--duration",
        "300ms",
        "--json",
    ]);
    let json = json(&output, 5);
    assert_numbers(&json, &[("ended_early", 3), ("published", 6), ("delivered", 15), ("lost", 3)]);
    // The program does not wait for events that can't come.
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn publishing_has_its_own_token_and_no_parameters_of_a_subscriber() {
    let server = replying(|request, _| match request.method() {
        "GET" => Reply::Stream,
        _ => Reply::Publish(events(request)),
    });
    let url = format!("{}?lastEventId=7&a=b", server.url("/stream"));
    let tokens = ["--token", "read", "--publish-token", "write", "-H", "X-A: b"];
    let once = ["-n", "1", "--publish", "1", "--duration", "1s"];
    assert!(sse(&["bench", &url]).args(tokens).args(once).output().unwrap().status.success());
    let requests = server.requests();
    let expected = [
        ("GET", "/stream?lastEventId=7&a=b", Some("Bearer read")),
        ("POST", "/stream?a=b", Some("Bearer write")),
    ];
    let requests = requests.iter();
    let found: Vec<_> =
        requests.map(|request| (request.method(), request.path(), request.header("authorization"))).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_server_that_refuses_all_subscribers_is_reported_with_the_reason() {
    for (answer, code, text) in [
        ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 3, "503 Service Unavailable"),
        (
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
            3,
            "401 Unauthorized (give a token with --token)",
        ),
        ("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nhi", 3, "the content type is text/html"),
        ("SSH-2.0-x\r\n", 3, "something other than HTTP"),
        ("", 1, "closed before an answer"),
    ] {
        let server = replying(move |_, _| Reply::Raw(answer));
        assert_fails(&run(&["bench", &server.url("/stream"), "-n", "3", "--publish", "10"]), code, text);
    }
    // It gives up before thousands of attempts.
    let server = Server::answering(|_| Answer::status(503));
    assert_fails(
        &run(&["bench", &server.url("/stream"), "-n", "3000", "--connecting", "4"]),
        3,
        "503 Service Unavailable",
    );
    assert!(server.requests().len() < 1000);
}

#[test]
fn a_server_that_refuses_some_subscribers_is_measured_with_the_others() {
    let server = replying(|request, number| match request.method() {
        "GET" if number % 3 == 0 => {
            Reply::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        }
        "GET" => Reply::Stream,
        _ => Reply::Publish(events(request)),
    });
    let arguments = ["bench", &server.url("/stream"), "-n", "9", "--publish", "10", "--duration", "300ms"];
    let json = json(&sse(&arguments).arg("--json").output().unwrap(), 0);
    assert_numbers(&json, &[("subscribers", 9), ("connected", 6), ("delivered", 18), ("lost", 0)]);
    assert_numbers(&json["refused"], &[("503 Service Unavailable", 3)]);
    let text = String::from_utf8(run(&arguments).stdout).unwrap();
    assert!(text.contains("connected        6 of 9 in "), "{text}");
    assert!(text.contains("not connected    3: 503 Service Unavailable\n"), "{text}");
}

#[test]
fn a_server_that_accepts_no_event_is_reported_with_the_reason() {
    let server = replying(|request, _| match request.method() {
        "GET" => Reply::Stream,
        _ => Reply::Raw("HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n"),
    });
    let output = run(&["bench", &server.url("/stream"), "-n", "2", "--publish", "10"]);
    assert_fails(&output, 3, "nothing could be published: 405 Method Not Allowed");
}

#[test]
fn a_server_that_stops_accepting_events_is_reported_after_the_rest() {
    let server = replying(|request, number| match request.method() {
        "GET" => Reply::Stream,
        _ if number == 2 => Reply::Raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"),
        _ => Reply::Publish(events(request)),
    });
    let output =
        run(&["bench", &server.url("/stream"), "-n", "2", "--publish", "10", "--duration", "2s", "--json"]);
    let json = json(&output, 3);
    assert_numbers(&json, &[("due", 20), ("published", 2), ("delivered", 4), ("lost", 0)]);
    assert_eq!(json["publish_ended_by"], "503 Service Unavailable");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "sse: the publishing ended early: 503 Service Unavailable\n");
}

#[test]
fn an_interrupt_ends_the_run_with_a_report() {
    let server = replying(|request, _| match request.method() {
        "GET" => Reply::Stream,
        _ => Reply::Publish(events(request)),
    });
    let url = server.url("/stream");
    let arguments = ["bench", &url, "-n", "2", "--publish", "20", "--duration", "1h", "--json"];
    let mut program = Program::start(sse(&arguments));
    // The second is sent when the first has been answered.
    for _ in 0..2 {
        while server.blocking_request().method() == "GET" {}
    }
    program.signal("INT");
    let json: Value = serde_json::from_str(&program.line()).unwrap();
    assert!(program.end().success());
    assert_numbers(&json, &[("due", 72_000), ("lost", 0)]);
    assert!((1..100).contains(&json["published"].as_u64().unwrap()), "{json}");
}

#[test]
fn a_missing_server_is_reported_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}/topics/news");
    assert_fails(&run(&["bench", &url]), 1, &format!("no connection to {free}"));
}

#[test]
fn wrong_arguments_are_told_in_one_line() {
    for (arguments, text) in [
        (&["https://a/", "--cacert", "/nowhere"][..], "--cacert /nowhere: No such file"),
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
