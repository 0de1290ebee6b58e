//! `sse publish` as a process: against a server that answers as it is told, and against the hub.

mod common;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use common::{Hub, PATIENCE, Program, Redis, assert_fails, run, sse};
use serde_json::Value;
use sse_testing::{Answer, Request, Server};

/// Where events are published.
const NEWS: &str = "/topics/news";

/// The data of the events in a request.
fn data(request: &Request) -> Vec<String> {
    let event = |line| serde_json::from_str::<Value>(line).unwrap()["data"].as_str().unwrap().to_owned();
    request.body().lines().map(event).collect()
}

/// A server whose answers the test makes, one for each request. An answer with `Connection: close` is the last one on
/// its connection, and so is an empty answer.
fn answering(mut answer: impl FnMut(&Request) -> String + Send + 'static) -> Server {
    Server::answering(move |request| {
        let text = answer(request);
        let is_last = text.is_empty() || text.contains("Connection: close");
        let answer = Answer::raw(text);
        if is_last { answer } else { answer.keep_alive() }
    })
}

/// A server that accepts every request.
fn hub() -> Server {
    let mut last = 0;
    answering(move |request| receipt(request, &mut last))
}

fn receipt(request: &Request, last: &mut usize) -> String {
    let published = request.body().lines().count();
    *last += published;
    answer("200 OK", "application/json", &format!(r#"{{"published":{published},"id":"e{last}"}}"#))
}

fn answer(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// Publishes a file from standard input.
fn publish_file(arguments: &[&str], content: impl AsRef<[u8]>) -> Output {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content.as_ref()).unwrap();
    file.rewind().unwrap();
    publish(arguments).stdin(file).output().unwrap()
}

fn publish(arguments: &[&str]) -> Command {
    let mut command = sse(&["publish"]);
    // Whatever the machine of the tests has.
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command.args(arguments);
    command
}

fn run_publish(arguments: &[&str]) -> Output {
    publish(arguments).output().unwrap()
}

/// Asserts that all is published, and that this is printed.
#[track_caller]
fn assert_published(output: &Output, stdout: &str, stderr: &str) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(text(&output.stderr), stderr);
    assert_eq!(text(&output.stdout), stdout);
    assert_eq!(output.status.code(), Some(0));
}

fn numbers(last: usize) -> Vec<String> {
    (1..=last).map(|number| number.to_string()).collect()
}

#[test]
fn one_event_is_posted_as_json_and_its_id_is_printed() {
    let server = hub();
    let output = run_publish(&[
        &server.url(NEWS),
        "two\nlines",
        "--type",
        "price",
        "--id",
        "7",
        "--token",
        "s",
        "-H",
        "A: b",
    ]);
    assert_published(&output, "e1\n", "");
    let request = server.blocking_request();
    assert_eq!(request.body(), "{\"type\":\"price\",\"id\":\"7\",\"data\":\"two\\nlines\"}\n");
    assert!(request.head().starts_with("POST /topics/news HTTP/1.1\r\n"), "{}", request.head());
    for header in ["content-type: application/x-ndjson", "authorization: Bearer s", "a: b"] {
        assert!(request.head().contains(&format!("\r\n{header}\r\n")), "{}", request.head());
    }
}

#[test]
fn an_event_may_be_empty_or_json_and_the_token_from_the_environment() {
    let server = hub();
    assert_published(&run_publish(&[&server.url(NEWS), ""]), "e1\n", "");
    assert_eq!(server.blocking_request().body(), "{\"data\":\"\"}\n");
    let json = "{\n  \"type\": \"price\",\n  \"data\": {\"tea\": 1250}\n}";
    let output = publish(&["--json", &server.url(NEWS), json]).env("SSE_TOKEN", "s").output().unwrap();
    assert_published(&output, "e2\n", "");
    let request = server.blocking_request();
    assert_eq!(request.body(), "{\"type\":\"price\",\"data\":\"{\\\"tea\\\": 1250}\"}\n");
    assert!(request.head().contains("\r\nauthorization: Bearer s\r\n"), "{}", request.head());
}

#[test]
fn lines_are_published_in_order_in_batches_on_one_connection() {
    let server = hub();
    let output = publish_file(&[&server.url(NEWS), "--type", "number"], numbers(2500).join("\r\n"));
    assert_published(&output, "", "published 2,500 events; the id of the last is e2500\n");
    let requests = server.requests();
    let sizes: Vec<_> = requests.iter().map(|request| request.body().lines().count()).collect();
    // The system chooses how much of the file has been read when a batch begins.
    assert!(sizes.iter().all(|&size| size <= 1000) && sizes.len() < 20, "{sizes:?}");
    assert!(requests.iter().all(|request| request.connection() == 0));
    assert!(
        requests[0].body().starts_with("{\"type\":\"number\",\"data\":\"1\"}\n"),
        "{}",
        requests[0].body()
    );
    let data: Vec<_> = requests.iter().flat_map(data).collect();
    assert_eq!(data, numbers(2500));
}

#[test]
fn few_lines_are_told_as_such_and_quiet_tells_nothing() {
    let server = hub();
    assert_published(&publish_file(&[&server.url(NEWS)], "a\n"), "", "published 1 event; its id is e1\n");
    assert_published(&publish_file(&[&server.url(NEWS), "-"], ""), "", "published 0 events\n");
    assert_published(&publish_file(&[&server.url(NEWS), "-", "-q"], "b\n\n"), "", "");
    let json = "{\"data\":\"c\"}\n\n{\"data\":7}\n";
    assert_published(&publish_file(&[&server.url(NEWS), "--json", "-q"], json), "", "");
    assert_eq!(server.requests().iter().flat_map(data).collect::<Vec<_>>(), ["a", "b", "", "c", "7"]);
}

#[cfg(unix)]
mod at_once {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// The program with an input that stays open.
    fn start(url: &str) -> (Program, UnixStream) {
        let (input, theirs) = UnixStream::pair().unwrap();
        let mut command = publish(&[url]);
        command.stdin(Stdio::from(OwnedFd::from(theirs)));
        (Program::start(command), input)
    }

    #[test]
    fn a_line_is_published_while_the_input_stays_open() {
        let server = hub();
        let (mut program, mut input) = start(&server.url(NEWS));
        for line in ["a", "b"] {
            writeln!(input, "{line}").unwrap();
            assert_eq!(data(&server.blocking_request()), [line]);
        }
        input.write_all(b"half of a line").unwrap();
        drop(input);
        assert_eq!(data(&server.blocking_request()), ["half of a line"]);
        assert_eq!(program.notice("published"), "published 3 events; the id of the last is e3");
        assert_eq!(program.end().code(), Some(0));
    }

    #[test]
    fn what_comes_during_a_request_goes_into_the_next_one() {
        let (answers, go) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        let mut last = 0;
        let server = answering(move |request| {
            begun.send(()).unwrap();
            go.recv_timeout(PATIENCE).unwrap();
            receipt(request, &mut last)
        });
        let (mut program, mut input) = start(&server.url(NEWS));
        input.write_all(b"a\n").unwrap();
        has_begun.recv_timeout(PATIENCE).unwrap();
        input.write_all(b"b\nc\nd\n").unwrap();
        drop(input);
        answers.send(()).unwrap();
        answers.send(()).unwrap();
        assert_eq!(data(&server.blocking_request()), ["a"]);
        assert_eq!(data(&server.blocking_request()), ["b", "c", "d"]);
        assert_eq!(program.end().code(), Some(0));
    }

    #[test]
    fn a_signal_ends_it_and_what_was_published_is_told() {
        for (signal, code) in [("INT", 130), ("TERM", 143)] {
            let server = answering({
                let mut last = 0;
                move |request| receipt(request, &mut last)
            });
            let (mut program, mut input) = start(&server.url(NEWS));
            input.write_all(b"a\n").unwrap();
            server.blocking_request();
            // The second request comes when the answer to the first one is known.
            input.write_all(b"b\n").unwrap();
            server.blocking_request();
            program.signal(signal);
            let notice = program.notice("interrupted");
            assert!(
                [
                    "sse: interrupted; published 2 events",
                    "sse: interrupted; published 1 event, and line 2 may be published or not"
                ]
                .contains(&&*notice),
                "{notice}"
            );
            assert_eq!(program.end().code(), Some(code));
        }
    }

    #[test]
    fn a_signal_during_a_request_leaves_open_what_came_of_it() {
        let (begun, has_begun) = mpsc::channel();
        let (_answers, never) = mpsc::channel::<String>();
        let server = answering(move |_| {
            begun.send(()).unwrap();
            never.recv().unwrap_or_default()
        });
        let (mut program, mut input) = start(&server.url(NEWS));
        input.write_all(b"a\n").unwrap();
        has_begun.recv_timeout(PATIENCE).unwrap();
        program.signal("INT");
        let notice = program.notice("interrupted");
        assert_eq!(notice, "sse: interrupted; published 0 events, and line 1 may be published or not");
        assert_eq!(program.end().code(), Some(130));
    }
}

#[test]
fn batches_that_are_too_large_are_halved_until_they_fit() {
    let mut last = 0;
    let server = answering(move |request| match request.body().len() {
        ..=300 => receipt(request, &mut last),
        _ => answer("413 Payload Too Large", "text/plain", "too large"),
    });
    let output = publish_file(&[&server.url(NEWS)], numbers(200).join("\n"));
    assert_published(&output, "", "published 200 events; the id of the last is e200\n");
    let requests = server.requests();
    let taken = requests.iter().filter(|request| request.body().len() <= 300);
    assert_eq!(taken.flat_map(data).collect::<Vec<_>>(), numbers(200));
    // The smaller size is kept.
    let refused = requests.iter().filter(|request| request.body().len() > 300).count();
    assert!((1..10).contains(&refused), "{refused} refused of {}", requests.len());
}

/// A hub that gives all ids itself, and the note about it.
fn hub_without_own_ids() -> (Server, String) {
    let mut last = 0;
    let server = answering(move |request| {
        if request.body().contains("\"id\"") {
            refusal("400 Bad Request", "own-id")
        } else {
            receipt(request, &mut last)
        }
    });
    let note = format!("{} gives all ids itself, so the events go without theirs\n", server.address());
    (server, note)
}

fn refusal(status: &str, name: &str) -> String {
    let headers = format!("text/plain\r\nSse-Refusal: {name}");
    answer(status, &headers, "because")
}

#[test]
fn a_hub_that_gives_the_ids_gets_the_events_without_theirs() {
    let (server, note) = hub_without_own_ids();
    let line = |number: usize| format!("{{\"id\":\"e-{number}\",\"data\":\"{number}\"}}\n");
    let lines: String = (1..=2500).map(line).collect();
    let summary = "published 2,500 events; the id of the last is e2500\n";
    assert_published(&publish_file(&[&server.url(NEWS), "--json"], &lines), "", &format!("{note}{summary}"));
    let requests = server.requests();
    assert!(requests[0].body().starts_with("{\"id\":\"e-1\",\"data\":\"1\"}\n"), "{}", requests[0].body());
    assert_eq!(requests[1..].iter().flat_map(data).collect::<Vec<_>>(), numbers(2500));
    // The hub is asked once.
    assert!(requests[1..].iter().all(|request| !request.body().contains("\"id\"")));
}

#[test]
fn an_id_is_left_out_for_lines_of_json_only() {
    let (server, note) = hub_without_own_ids();
    let json = "{\"id\":\"7\",\"data\":\"a\"}";
    assert_published(&run_publish(&[&server.url(NEWS), "--json", json]), "e1\n", &note);
    assert_published(&run_publish(&[&server.url(NEWS), "--json", json, "--quiet"]), "e2\n", "");
    // A user that names an id by a flag wants this id.
    assert_fails(
        &run_publish(&[&server.url(NEWS), "a", "--id", "7"]),
        3,
        "refused the event: 400 Bad Request: because",
    );
    let server = answering(|_| refusal("400 Bad Request", "own-id"));
    let output = run_publish(&[&server.url(NEWS), "--json", json, "--quiet"]);
    assert_fails(&output, 3, "refused the event: 400 Bad Request: because");
}

#[test]
fn repeats_are_a_success_and_are_told() {
    let hub = Hub::start(&[]);
    let url = hub.url("/topics/news");
    let line = |id: &str| format!("{{\"id\":\"{id}\",\"data\":\"a\"}}\n");
    let once = publish_file(&[&url, "--json"], line("1") + &line("2"));
    assert_published(&once, "", "published 2 events; the id of the last is 2\n");
    let again = publish_file(&[&url, "--json"], line("1") + &line("2") + &line("3") + &line("2"));
    assert_published(&again, "", "published 1 event, and left out 3 repeats; the id of the last is 2\n");
    let alone = publish_file(&[&url, "--json"], line("1"));
    assert_published(&alone, "", "published 0 events, and left out 1 repeat; its id is 1\n");
    let note = "the event was published before with this id, and was not published again\n";
    assert_published(&run_publish(&[&url, "a", "--id", "1"]), "1\n", note);
    assert_published(&run_publish(&[&url, "a", "--id", "1", "-q"]), "1\n", "");
}

#[test]
fn an_id_that_is_taken_is_told_with_its_line() {
    let hub = Hub::start(&[]);
    let url = hub.url("/topics/news");
    run_publish(&[&url, "taken", "--id", "e-700"]);
    let line = |number: usize| format!("{{\"id\":\"e-{number}\",\"data\":\"{number}\"}}\n");
    let output = publish_file(&[&url, "--json"], (1..=900).map(line).collect::<String>());
    assert_fails(&output, 3, "refused line 700: 409 Conflict: the id is that of another event of this topic");
    assert_fails(&output, 3, "; 699 events were published before\n");
    let output = publish_file(&[&url, "--json"], (699..=700).map(line).collect::<String>());
    assert_fails(&output, 3, "; 0 events were published before, and left out 1 repeat\n");
}

#[test]
fn an_event_that_is_too_large_is_told_with_its_line() {
    let mut last = 0;
    let server = answering(move |request| match request.body().len() {
        ..=300 => receipt(request, &mut last),
        _ => answer("413 Payload Too Large", "text/plain", "too large"),
    });
    let output = publish_file(&[&server.url(NEWS)], format!("a\nb\n{}\nc", "x".repeat(300)));
    assert_fails(&output, 3, "line 3 has 312 bytes as JSON");
    assert_fails(&output, 3, "raise its --max-body; 2 events were published before");
    assert_fails(&run_publish(&[&server.url(NEWS), &"x".repeat(300)]), 3, "the event has 312 bytes as JSON");
}

/// Checks what the program says when the server gives this answer.
#[track_caller]
fn check(answer: &str, code: i32, texts: &[&str]) {
    let answer = answer.to_owned();
    let server = answering(move |_| answer.clone());
    let output = run_publish(&[&server.url(NEWS), "a"]);
    for text in texts {
        assert_fails(&output, code, text);
    }
    assert_eq!(server.requests().len(), 1, "it is not sent again");
}

#[test]
fn refusals_are_told_with_what_the_server_says() {
    for status in ["400 Bad Request", "401 Unauthorized", "403 Forbidden", "503 Service Unavailable"] {
        let refusal = answer(status, "text/plain; charset=utf-8", "because\nof that");
        check(&refusal, 3, &["refused the event: ", &format!("{status}: because\n")]);
    }
    let page = answer("404 Not Found", "text/html", "<h1>Not Found</h1>");
    check(&page, 3, &["404 Not Found; is this the URL of a topic of sse serve?\n"]);
    check(&answer("502 Bad Gateway", "text/html", "<h1>"), 3, &["refused the event: 502 Bad Gateway\n"]);
}

/// A server that refuses twice, with this status and these headers, and then takes all.
fn refusing_twice(status: &'static str, headers: &'static str) -> Server {
    let (mut refused, mut last) = (0, 0);
    answering(move |request| {
        refused += 1;
        if refused > 2 {
            return receipt(request, &mut last);
        }
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n")
    })
}

#[test]
fn what_a_server_takes_later_is_sent_again() {
    for (status, headers) in [
        ("429 Too Many Requests", "Retry-After: 0\r\n"),
        ("503 Service Unavailable", "Retry-After: 0\r\nSse-Refusal: full\r\n"),
    ] {
        let server = refusing_twice(status, headers);
        let output = run_publish(&[&server.url(NEWS), "a"]);
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"e1\n"[..]), "{output:?}");
        assert_eq!(server.requests().len(), 3);
    }
}

#[test]
fn what_a_server_may_have_taken_or_takes_much_later_is_not_sent_again() {
    for (status, headers) in [
        ("429 Too Many Requests", ""),
        ("429 Too Many Requests", "Retry-After: 3600\r\n"),
        ("429 Too Many Requests", "Retry-After: 99999999999999999999\r\n"),
        ("503 Service Unavailable", "Retry-After: 0\r\n"),
        ("504 Gateway Timeout", "Retry-After: 0\r\n"),
    ] {
        let server = refusing_twice(status, headers);
        assert_fails(&run_publish(&[&server.url(NEWS), "a"]), 3, &format!("refused the event: {status}"));
        assert_eq!(server.requests().len(), 1, "{status} {headers}");
    }
}

#[test]
fn a_redirect_is_not_followed_but_told() {
    for status in ["301 Moved Permanently", "303 See Other", "307 Temporary Redirect"] {
        let redirect = format!("HTTP/1.1 {status}\r\nLocation: /topics/other\r\nContent-Length: 0\r\n\r\n");
        check(&redirect, 3, &["sends the event on to http://127.0.0.1:", "/topics/other; give that URL\n"]);
    }
}

#[test]
fn answers_that_are_not_a_hubs_are_told() {
    check(
        &answer("200 OK", "application/json", r#"{"published":2,"id":"7"}"#),
        3,
        &["gave a receipt for the event that can't be right: ", "published 2 events, not 1"],
    );
    check("SSH-2.0-OpenSSH_9.6\r\nConnection: close\r\n", 1, &["gave no answer for the event"]);
}

#[test]
fn any_success_is_taken_for_one() {
    for taken in [
        answer("200 OK", "text/html", "<h1>Hello</h1>"),
        answer("200 OK", "application/json", "{}"),
        answer("201 Created", "application/json", r#"{"id":"7"}"#),
        answer("202 Accepted", "text/plain", ""),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        answer("299 -", "text/plain", "thanks"),
    ] {
        let server = answering(move |_| taken.clone());
        let note = "the server has taken the event, and gave no receipt with an id\n";
        assert_published(&run_publish(&[&server.url(NEWS), "a"]), "", note);
        assert_published(&run_publish(&[&server.url(NEWS), "a", "--quiet"]), "", "");
        let summary = "published 2 events; the server gives no receipts\n";
        assert_published(&publish_file(&[&server.url(NEWS)], "a\nb\n"), "", summary);
    }
    let receipt = answer("201 Created", "application/json", r#"{"published":1,"id":"7"}"#);
    let server = answering(move |_| receipt.clone());
    assert_published(&run_publish(&[&server.url(NEWS), "a"]), "7\n", "");
}

#[test]
fn no_server_can_steer_the_terminal() {
    let receipt = r#"{"published":1,"id":"\u001b]0;title\u0007\nline"}"#;
    let server = answering(move |_| answer("200 OK", "application/json", receipt));
    assert_published(&run_publish(&[&server.url(NEWS), "a"]), "\\u{1b}]0;title\\u{7}\\nline\n", "");
    let output = run_publish(&[&server.url(NEWS), "--json", "{\"a\\nb\\u001b\":1}"]);
    assert_fails(&output, 2, r"unknown field `a\nb\u{1b}`");
}

#[test]
fn an_answer_that_breaks_off_leaves_open_what_came_of_the_event() {
    let unknown = "gave no answer for the event, so it may be published or not: ";
    check("", 1, &[unknown]);
    check("HTTP/1.1 200 OK\r\nConnection: close\r\n", 1, &[unknown]);
    check("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 20\r\n\r\n{\"publ", 1, &[unknown]);
}

#[test]
fn a_failure_says_what_is_published_and_which_lines_are_not() {
    for (refusal, code, before, after) in [
        (answer("503 Service Unavailable", "text/plain", "full"), 3, "refused ", ": 503"),
        (String::new(), 1, "gave no answer for ", ", so it may be published or not: "),
    ] {
        let mut last = 0;
        let server = answering(move |request| match data(request)[0].as_str() {
            "1" => receipt(request, &mut last),
            _ => refusal.clone(),
        });
        let output = publish_file(&[&server.url(NEWS)], numbers(1500).join("\n"));
        let sizes: Vec<_> = server.requests().iter().map(|request| data(request).len()).collect();
        let [published, refused] = sizes[..] else { panic!("{sizes:?}") };
        assert!(refused > 1, "{sizes:?}");
        let lines = format!("lines {} to {}", published + 1, published + refused);
        assert_fails(&output, code, &format!("{before}{lines}{after}"));
        let published = if published == 1000 { "1,000".to_owned() } else { published.to_string() };
        assert_fails(&output, code, &format!("; {published} events were published before\n"));
    }
}

#[test]
fn what_is_before_a_wrong_line_is_published() {
    let server = hub();
    let output = publish_file(&[&server.url(NEWS)], b"a\nb\n\xff\nc");
    assert_fails(&output, 2, "line 3 is not UTF-8 from its byte 1 on; 2 events were published before\n");
    let output = publish_file(&[&server.url(NEWS), "--json"], "{\"data\":\"c\"}\n\n{\"id\":\"7\"}\n");
    assert_fails(&output, 2, "line 3 is not an event: missing field `data`, at column 10");
    assert_fails(&output, 2, "; 1 event was published before\n");
    let output = publish_file(&[&server.url(NEWS)], "x".repeat((16 << 20) + 1));
    assert_fails(&output, 2, "line 1 is longer than 16 MiB; nothing was published before\n");
    assert_eq!(server.requests().iter().flat_map(data).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = run_publish(&[&format!("{address}/topics/news"), "a"]);
    assert_fails(&output, 1, &format!("{address} can't be reached for the event: Connection refused"));
    let output =
        publish_file(&[&format!("http://user:secret@{address}/topics/news?access_token=secret")], "a\nb\n");
    assert_fails(&output, 1, "can't be reached for lines 1 to 2: ");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("secret"));
}

#[test]
fn wrong_arguments_are_told() {
    let check = |arguments: &[&str], text| {
        assert_fails(&run(&[&["publish"], arguments].concat()), 2, text);
    };
    check(&["ftp://127.0.0.1/topics/news", "a"], "`ftp` is neither http nor https");
    check(&["http://", "a"], "write it as http://127.0.0.1:8080/topics/news");
    check(&["127.0.0.1:1", "a", "--type", "a\nb"], "--type <TYPE>");
    check(&["127.0.0.1:1", "a", "--id", "a\nb"], "--id <ID>");
    check(&["127.0.0.1:1", "--id", "7"], "required");
    check(&["127.0.0.1:1", "-", "--id", "7"], "--id is for one event");
    check(&["127.0.0.1:1", "a", "--json", "--type", "b"], "cannot be used with");
    check(&["127.0.0.1:1", "a", "--json"], "the data is not an event: expected value");
    let folder = File::open(env!("CARGO_MANIFEST_DIR")).unwrap();
    let output = publish(&["127.0.0.1:1"]).stdin(folder).output().unwrap();
    assert_fails(&output, 1, "standard input can't be read: ");
}

#[test]
fn a_hub_publishes_all_lines_in_order() {
    let hub = Hub::start(&["--history", "5000"]);
    let first = run_publish(&[&hub.url("/topics/news"), "first", "--id", "the-first"]);
    assert_published(&first, "the-first\n", "");
    let output = publish_file(&[&hub.url("/topics/news")], numbers(2500).join("\n"));
    assert_eq!(output.status.code(), Some(0));
    let stream = hub.send("GET", "/topics/news", &["Last-Event-ID: the-first"], "");
    let data = BufReader::new(stream).lines().map(Result::unwrap);
    let data = data.filter_map(|line| Some(line.strip_prefix("data: ")?.to_owned()));
    assert_eq!(data.take(2500).collect::<Vec<_>>(), numbers(2500));
}

#[test]
fn a_hub_that_takes_less_gets_smaller_batches() {
    let hub = Hub::start(&["--max-body", "4KiB"]);
    let output = publish_file(&[&hub.url("/topics/news")], numbers(1000).join("\n"));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = publish_file(&[&hub.url("/topics/news")], format!("a\n{}", "x".repeat(5000)));
    assert_fails(&output, 3, "line 2 has 5,012 bytes as JSON");
}

#[test]
fn no_batch_is_too_large_for_a_hub() {
    let redis = Redis::start();
    // Empty events are as many as a request has; line endings take more room in the stream than in JSON.
    let lines =
        "{\"data\":\"\"}\n".repeat(3000) + &format!("{{\"data\":\"{}\"}}\n", "\\n".repeat(1000)).repeat(300);
    for hub in [Hub::start(&["--history", "1"]), Hub::start(&["--redis", &redis.url])] {
        let output = publish_file(&[&hub.url("/topics/news"), "--json"], &lines);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("published 3,300 events; the id of the last is "), "{stderr}");
    }
}

#[test]
fn a_hub_with_tokens_wants_the_right_one() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"publish write-it-0123456789\nsubscribe read-it-0123456789\n").unwrap();
    let hub = Hub::start(&["--token-file", file.path().to_str().unwrap()]);
    let url = hub.url("/topics/news");
    assert_fails(&run_publish(&[&url, "a"]), 3, "refused the event: 401 Unauthorized: ");
    assert_fails(
        &run_publish(&[&url, "a", "--token", "guessed"]),
        3,
        "refused the event: 401 Unauthorized: ",
    );
    assert_fails(
        &run_publish(&[&url, "a", "--token", "read-it-0123456789"]),
        3,
        "refused the event: 403 Forbidden: ",
    );
    assert_eq!(run_publish(&[&url, "a", "--token", "write-it-0123456789"]).status.code(), Some(0));
}
