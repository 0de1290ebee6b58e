//! What `sse listen` prints for each event.

use super::common::{Program, run, sse};
use super::{STREAM, check, lines, of_answers, of_streams, without_times};

#[test]
fn events_are_printed_in_the_form_that_is_asked_for() {
    let stream = "event: price\nid: 7\ndata: {\"tea\":1250}\n\ndata: two\ndata: lines\n\n: comment\n\n";
    let json =
        "{\"type\":\"price\",\"id\":\"7\",\"data\":\"{\\\"tea\\\":1250}\"}\n{\"data\":\"two\\nlines\"}\n";
    check(stream, &["-n", "2", "--json"], json);
    check(stream, &["-n", "2", "--data"], "{\"tea\":1250}\ntwo\nlines\n");
    let server = of_streams(&[stream]);
    let mut program = Program::start(sse(&["listen", &server.url("/")]));
    let line = program.line();
    let (time, event) = line.split_once("  ").unwrap();
    assert_eq!(event, "price  7  {\"tea\":1250}");
    assert!(time.len() == 8 && time.split(':').all(|part| part.parse::<u8>().is_ok()), "{time}");
    assert_eq!(lines(&mut program, 3), ["message  7", "two", "lines"]);
}

/// Several LLM servers end their answers so, and no client asks them again.
#[test]
fn the_last_event_of_an_answer_needs_no_empty_line() {
    for (end, id) in [("data: 2", ""), ("id: 7\ndata: 2\n", "\"id\":\"7\",")] {
        let server = of_streams(&[&format!("data: 1\n\n{end}"), ""]);
        let output = run(&["listen", &server.url("/"), "-d", "{}", "--json"]);
        let expected = format!("{{\"data\":\"1\"}}\n{{{id}\"data\":\"2\"}}\n");
        assert_eq!(without_times(&output.stdout), expected);
    }
}

#[test]
fn no_server_can_steer_the_terminal() {
    let server = of_streams(&["event: \x1b[31m\nid: \x07\ndata: \x1b]0;title\x07\n\n"]);
    let mut program = Program::start(sse(&["listen", &server.url("/")]));
    assert_eq!(lines(&mut program, 1), ["\\u{1b}[31m  \\u{7}  \\u{1b}]0;title\\u{7}"]);
}

#[test]
fn no_server_can_steer_the_terminal_by_an_error() {
    #[track_caller]
    fn check(answer: &str, arguments: &[&str], expected: &str) {
        let server = of_answers(&[answer]);
        let mut command = sse(&["listen", &server.url("/")]);
        // The program writes colours, as it does on a terminal.
        let output = command.args(arguments).env("CLICOLOR_FORCE", "1").output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(expected), "{stderr:?}");
        assert!(!stderr.contains("\x1b]") && !stderr.contains('\u{9b}'), "{stderr:?}");
    }

    let stream = &format!("{STREAM}id: \x1b]0;title\x07\ndata: a\n\n");
    check(stream, &["--exec", "exit 1"], "at the event with the id \\u{1b}]0;title\\u{7}\n");
    check("HTTP/1.1 200 OK\r\nContent-Type: a/\u{9b}b\r\nContent-Length: 0\r\n\r\n", &[], "`a/\\u{9b}b`");
}

#[test]
fn only_events_of_the_wanted_types_are_printed_and_counted() {
    let stream =
        "data: 1\n\nevent: a\ndata: 2\n\nevent: b\ndata: 3\n\nevent: c\ndata: 4\n\nevent: a\ndata: 5\n\n";
    check(stream, &["--data", "--type", "a", "-n", "2"], "2\n5\n");
    check(stream, &["--data", "--type", "message", "--type", "b", "-n", "2"], "1\n3\n");
}

#[test]
fn comments_are_printed_in_their_place() {
    let stream = ": a\ndata: 1\n\n: b\n\ndata: 2\n: c\n\n:\ndata: 3\n\n";
    check(
        stream,
        &["--comments", "--json", "-n", "3"],
        "{\"comment\":\"a\"}\n{\"data\":\"1\"}\n{\"comment\":\"b\"}\n{\"comment\":\"c\"}\n{\"data\":\"2\"}\n\
         {\"comment\":\"\"}\n{\"data\":\"3\"}\n",
    );
    check(stream, &["--comments", "--data", "-n", "3"], "1\n2\n3\n");
}

#[test]
fn an_event_that_is_too_large_is_reported_even_if_quiet() {
    let stream = format!("data: 1\n\ndata: {}\n\ndata: 3\n\n", "a".repeat(17 << 20));
    let server = of_streams(&[&stream]);
    let output = run(&["listen", &server.url("/"), "--data", "--quiet", "-n", "2"]);
    assert_eq!(output.stdout, b"1\n3\n");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("sse: ") && stderr.contains("16777216"), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

#[test]
fn the_heads_of_responses_are_printed_as_curl_does() {
    let busy = "HTTP/1.1 503 -\r\nretry-after-ms: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-A: a\u{9b}2J\r\nConnection: close\r\n\r\nretry: 0\ndata: 1\n\n";
    let gone = "HTTP/1.0 404 -\r\nX-B: c\r\nContent-Length: 0\r\n\r\n";
    let server = of_answers(&[busy, stream, gone]);
    let output = run(&["listen", &server.url("/"), "-i", "--data", "--retry-first"]);
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "HTTP/1.1 503 Service Unavailable\nretry-after-ms: 5\ncontent-length: 0\nconnection: close\n\n\
         HTTP/1.1 200 OK\ncontent-type: text/event-stream\nx-a: a\\u{9b}2J\nconnection: close\n\n\
         1\n\
         HTTP/1.0 404 Not Found\nx-b: c\ncontent-length: 0\n\n"
    );
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_hub_is_asked_for_the_topics_and_others_keep_their_data() {
    #[track_caller]
    fn check(header: &str, data: &str, arguments: &[&str], expected: &str) {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n";
        let server = of_answers(&[format!("{head}{header}\r\nid: 7\ndata: {data}\n\n")]);
        let output = run(&[&["listen", &server.url("/"), "-n", "1"], arguments].concat());
        assert_eq!(without_times(&output.stdout), format!("{expected}\n"), "{output:?}");
        let asks = server.blocking_request().header("sse-envelope").map(str::to_owned);
        assert_eq!(asks.as_deref(), arguments.contains(&"--json").then_some("json"));
    }

    let data = r#"{"topic":"news","id":"7","data":"two\nlines"}"#;
    let quoted = serde_json::to_string(data).unwrap();
    let json = &["--json"][..];
    check("Sse-Envelope: json\r\n", data, json, r#"{"topic":"news","id":"7","data":"two\nlines"}"#);
    check("", data, json, &format!("{{\"id\":\"7\",\"data\":{quoted}}}"));
    check("Sse-Envelope: other\r\n", data, json, &format!("{{\"id\":\"7\",\"data\":{quoted}}}"));
    check("Sse-Envelope: json\r\n", "{\"missed\":3}", json, r#"{"id":"7","data":"{\"missed\":3}"}"#);
    check("", data, &["--data"], data);
}

#[test]
fn events_are_as_large_as_the_user_says() {
    let stream = "data: 1\n\ndata: 123456789\n\ndata: 3\n\n";
    let server = of_streams(&[stream]);
    let output = run(&["listen", &server.url("/"), "--data", "--quiet", "-n", "2", "--max-event", "8"]);
    assert_eq!(output.stdout, b"1\n3\n");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("sse: ") && stderr.contains("than 8 bytes"), "{stderr}");
}
