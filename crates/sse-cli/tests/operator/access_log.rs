//! What the hub logs of each request, and the rate of repeated lines.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};

use super::HubForAll;
use super::common::{Hub, Program, Stream, assert_answers, write};

/// The next line of the access log for this path; other lines are passed over, but all are JSON.
#[track_caller]
fn entry(program: &mut Program, path: &str) -> Value {
    loop {
        let line = program.stderr.next().expect("it ended").unwrap();
        let entry: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if entry["log"] == "access" && entry["path"] == path {
            return entry;
        }
    }
}

/// Checks some values of a line.
#[track_caller]
fn check(entry: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&entry[name], value, "{name} of {entry}");
    }
}

#[test]
fn each_request_is_a_line_of_json() {
    let mut hub = Hub::start(&["--access-log", "json"]);
    hub.publish("a", "1");
    let line = entry(&mut hub.program, "/topics/a");
    check(
        &line,
        &json!({
            "client": "127.0.0.1", "user": null, "method": "POST", "http": "1.1", "right": "publish", "status": 200,
            "events": 1, "end": null,
        }),
    );
    assert!(line["duration"].as_f64().unwrap() < 30.0 && line["bytes"].as_u64().unwrap() > 10, "{line}");
    assert!(line["time"].as_str().unwrap().ends_with('Z'), "{line}");
    for (path, headers, status) in [
        ("/nowhere", &[][..], 404),
        ("/topics/b", &["Host: evil.example"], 403),
        ("/topics/c?topic", &["Sec-Fetch-Site: cross-site"], 403),
        ("/healthz", &["Host: a", "Host: b"], 400),
    ] {
        hub.get(path, headers);
        check(&entry(&mut hub.program, path), &json!({"method": "GET", "status": status, "events": 0}));
    }
    hub.request("PUT", "/metrics", &[], "");
    check(&entry(&mut hub.program, "/metrics"), &json!({"method": "PUT", "status": 405}));
}

#[test]
fn a_stream_is_a_line_when_it_has_ended() {
    let mut hub = Hub::start(&["--access-log", "json", "--max-subscribers", "2"]);
    let (mut stream, _) = Stream::at_the_end(&hub, "/topics/a");
    let (other, _) = Stream::at_the_end(&hub, "/topics?topic=a&topic=b");
    hub.publish("a", "1");
    hub.publish("a", "22");
    assert_eq!([stream.event(), stream.event()], ["data: 1", "data: 22"]);
    assert_answers(&hub.get("/topics/a?full", &[]), 503, "");
    check(
        &entry(&mut hub.program, "/topics/a?full"),
        &json!({"status": 503, "right": "subscribe", "end": null}),
    );
    drop(stream);
    let line = entry(&mut hub.program, "/topics/a");
    check(
        &line,
        &json!({"method": "GET", "status": 200, "right": "subscribe", "events": 2, "end": "client-gone"}),
    );
    assert!(line["bytes"].as_u64().unwrap() > "data: 1\n\ndata: 22\n\n".len() as u64, "{line}");
    hub.program.signal("TERM");
    check(&entry(&mut hub.program, "/topics?topic=a&topic=b"), &json!({"status": 200, "end": "shutdown"}));
    drop(other);
    assert!(hub.program.end().success());
}

#[test]
fn the_user_and_the_end_of_a_right_are_logged_without_the_token() {
    const SECRET: &str = "subscriber-0123456789";
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "tokens", format!("publish *\nsubscribe {SECRET} a user=anna\n"));
    let arguments = ["--access-log", "json", "--trusted-proxy", "127.0.0.1", "--token-file"];
    let mut hub = Hub::start(&[&arguments[..], &[&*file]].concat());
    let proxied = "X-Forwarded-For: 203.0.113.7";
    hub.get("/topics/a?access_token=wrong-0123456789", &[proxied]);
    let redacted = "/topics/a?access_token=[redacted]";
    check(
        &entry(&mut hub.program, redacted),
        &json!({"client": "203.0.113.7", "status": 401, "right": "subscribe"}),
    );
    let _stream = Stream::open(&hub, &format!("/topics/a?access%5Ftoken={SECRET}"), &[proxied]);
    fs::write(&file, "publish *\nsubscribe another-0123456789\n").unwrap();
    hub.program.signal("HUP");
    let line = entry(&mut hub.program, "/topics/a?access%5Ftoken=[redacted]");
    check(&line, &json!({"client": "203.0.113.7", "user": "anna", "status": 200, "end": "right-revoked"}));
}

#[test]
fn as_text_a_request_is_one_line_whatever_it_holds() {
    let mut hub = HubForAll::start(&["--access-log", "text", "--trusted-proxy", "127.0.0.1"]);
    hub.post("/topics/a%0Ab?authorization=s3cret&type=%1B%5B31m", &["X-Forwarded-For: 2001:db8::1"], "1");
    let line = hub.program.notice(" access ");
    let fields = "access client=2001:db8::1 user=- method=POST path=\"/topics/a%0Ab?authorization=[redacted]&type=%1B%5B31m\" \
                  http=1.1 right=- status=400 duration=";
    assert!(line.contains(&fields.replace('"', "")), "{line}");
    assert!(line.contains(" events=0 bytes=") && line.ends_with(" end=-"), "{line}");
}

#[test]
fn without_the_access_log_refusals_are_told_at_a_rate() {
    let mut hub = Hub::start(&[]);
    hub.post("/topics/a?token=s3cret", &[], "1");
    let line = hub.program.notice("a request was refused");
    assert!(line.contains("path=\"/topics/a?token=[redacted]\" status=400"), "{line}");
    for _ in 0..100 {
        hub.get("/nowhere", &[]);
    }
    hub.program.signal("TERM");
    let lines: Vec<_> = hub.program.stderr.by_ref().map(Result::unwrap).collect();
    let refused = lines.iter().filter(|line| line.contains("/nowhere")).count();
    assert_eq!(refused, 9, "{lines:?}");
    let left_out = "more lines of one kind were left out lines=91 like=\"a request was refused\"";
    assert!(lines.iter().any(|line| line.contains(left_out)), "{lines:?}");
}

#[test]
fn a_limit_of_open_files_is_told() {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 40; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sse")]);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    let mut hub = Hub::start_with(command, &[]);
    let _connections: Vec<_> = (0..60).map(|_| TcpStream::connect(&hub.address).unwrap()).collect();
    hub.program
        .notice("no connection can be accepted: raise the limit of open files, or allow fewer subscribers");
}
