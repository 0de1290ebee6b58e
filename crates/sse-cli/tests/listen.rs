//! `sse listen` as a process: with a hub, and with a server that misbehaves as it is told.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Hub, PATIENCE, Program, assert_fails, run, sse};
use jiff::Timestamp;
use sse_testing::{Answer, Server};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/// A server with one script for each connection. It closes each connection after its script, except the last one.
fn of_answers(answers: &[impl AsRef<str>]) -> Server {
    let (last, others) = answers.split_last().unwrap();
    let others = others.iter().map(|answer| Answer::raw(answer.as_ref()));
    Server::start(others.chain([Answer::raw(last.as_ref()).held()]))
}

/// One that gives each connection a part of a stream, which ends it.
fn of_streams(parts: &[&str]) -> Server {
    of_answers(&parts.iter().map(|part| format!("{STREAM}{part}")).collect::<Vec<_>>())
}

/// Sends a signal to a process, or to a group of them if the number is negative.
fn kill(signal: &str, id: i64) {
    let arguments = [&format!("-{signal}"), "--", &id.to_string()];
    assert!(Command::new("kill").args(arguments).status().unwrap().success());
}

/// Listens to this stream, the connection of which stays open, and gives what is printed of so many events.
#[track_caller]
fn check(stream: &str, arguments: &[&str], expected: &str) {
    let server = of_streams(&[stream]);
    let output = run(&[&["listen", &server.url("/")], arguments].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert_eq!(without_times(&output.stdout), expected, "{stderr}");
}

/// Lines of JSON without the times at which the events came; other output as it is.
#[track_caller]
fn without_times(output: &[u8]) -> String {
    let without_time = |line: &str| {
        let Some((before, rest)) = line.split_once("\"time\":\"") else { return line.to_owned() };
        let (time, after) = rest.split_once("\",").unwrap();
        let age = Timestamp::now().duration_since(time.parse().unwrap());
        assert!(age.is_positive() && age.as_secs() < 60 && time.ends_with('Z'), "{line}");
        format!("{before}{after}")
    };
    std::str::from_utf8(output).unwrap().split_inclusive('\n').map(without_time).collect()
}

/// The lines of standard output, without the time of day.
fn lines(program: &mut Program, count: usize) -> Vec<String> {
    let without_time = |line: String| line.split_once("  ").map(|(_, rest)| rest.to_owned()).unwrap_or(line);
    (0..count).map(|_| without_time(program.line())).collect()
}

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
        // So that escape sequences go through, as on a terminal.
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
fn a_connection_that_ends_is_made_again_after_the_last_event() {
    let server = of_streams(&["retry: 100\nid: 1\ndata: 1\n\ndata: cut", "id: 2\ndata: 2\n\n"]);
    let mut program = Program::start(sse(&["listen", &server.url("/"), "--data", "-n", "2"]));
    assert_eq!(program.line(), "1");
    program.notice("sse: the stream ended; trying again in ");
    program.notice("sse: connected, after the event \"1\"");
    assert_eq!(program.line(), "2");
    assert!(program.end().success());
    assert!(!server.blocking_request().head().contains("last-event-id"));
    assert!(server.blocking_request().head().contains("\r\nlast-event-id: 1\r\n"));
}

#[test]
fn a_hub_that_is_started_again_is_found_again() {
    let mut hub = Hub::start(&[]);
    let mut program = Program::start(sse(&["listen", &hub.url("/topics/news")]));
    program.notice("sse: connected");
    hub.publish("news", "before");
    let first = lines(&mut program, 1).remove(0);
    assert!(first.starts_with("message  ") && first.ends_with("  before"), "{first}");
    let address = hub.address.clone();
    hub.program.signal("TERM");
    assert!(hub.program.end().success());
    program.notice("trying again in ");
    let hub = Hub::start_with(sse(&["serve", "--listen", &address]), &[]);
    program.notice("sse: connected, after the event");
    hub.publish("news", "after");
    // The new hub does not have the earlier events in memory, and sends a gap event.
    let lines = lines(&mut program, 2);
    assert!(lines[0].starts_with("gap  ") && lines[0].ends_with("{\"missed\":null}"), "{lines:?}");
    assert!(lines[1].ends_with("  after"), "{lines:?}");
}

#[test]
fn a_state_file_goes_on_where_the_last_run_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let hub = Hub::start(&[]);
    let url = hub.url("/topics/news");
    let arguments = ["listen", &url, "--data", "--state", state.to_str().unwrap()];
    let saved = || fs::read_to_string(&state).unwrap_or_default();
    let until_saved = |id: &str| {
        while saved() != format!("{id}\n") {
            thread::yield_now();
        }
    };

    // It is killed before the first event, and still has a position.
    let mut program = Program::start(sse(&arguments));
    while saved().is_empty() {
        thread::yield_now();
    }
    program.kill();
    hub.publish("news", "1");
    let mut program = Program::start(sse(&arguments));
    assert_eq!(program.line(), "1");
    until_saved(&hub.publish("news", "2"));
    assert_eq!(program.line(), "2");
    program.kill();
    let ids = ["3", "4"].map(|data| hub.publish("news", data));
    let mut counted = sse(&arguments);
    let output = counted.args(["-n", "1", "--quiet"]).output().unwrap();
    assert_eq!((output.stdout, output.stderr), (b"3\n".to_vec(), Vec::new()));
    assert_eq!(saved(), format!("{}\n", ids[0]));
    let mut program = Program::start(sse(&arguments));
    assert_eq!(program.line(), "4");
    program.signal("TERM");
    assert_eq!(program.end().code(), Some(143));
    assert_eq!(saved(), format!("{}\n", ids[1]));
    // Itself and its lock.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left there");
}

#[test]
fn a_listener_that_is_killed_again_and_again_misses_nothing() {
    const EVENTS: usize = 400;
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let hub = Hub::start(&[]);
    let url = hub.url("/topics/news");
    let listen = || Program::start(sse(&["listen", &url, "--data", "--state", state.to_str().unwrap()]));
    let mut program = listen();
    while !state.exists() {
        thread::yield_now();
    }
    let listening = || {
        let mut next = 0;
        while next < EVENTS {
            let mut seen: Vec<_> = (0..4.min(EVENTS - next)).map(|_| program.line()).collect();
            program.kill();
            // What it had printed by then; the kill may have cut the last line.
            seen.extend(program.stdout.by_ref().map(Result::unwrap).filter(|line| line.len() == 5));
            program = listen();
            // It may begin with what was printed and not yet saved.
            let first: usize = seen[0].parse().unwrap();
            assert!(first <= next, "{next} to {first} are missing");
            for (line, expected) in seen.iter().zip(first..) {
                assert_eq!(line.parse(), Ok(expected));
            }
            next = next.max(first + seen.len());
        }
    };
    thread::scope(|scope| {
        scope.spawn(listening);
        for number in 0..EVENTS {
            hub.publish("news", &format!("{number:05}"));
        }
    });
}

#[test]
fn a_state_file_has_one_listener() {
    let folder = tempfile::tempdir().unwrap();
    let [state, link] = ["state", "link"].map(|name| folder.path().join(name));
    fs::write(&state, "7\n").unwrap();
    std::os::unix::fs::symlink("state", &link).unwrap();
    let stream = |part: &str| Answer::raw(format!("{STREAM}{part}")).held();
    let server = Server::start([stream("id: 8\ndata: a\n\n"), stream("data: b\n\n")]);
    let url = server.url("/");
    let listen = |state: &Path| sse(&["listen", &url, "--data", "--state", state.to_str().unwrap()]);
    let mut program = Program::start(listen(&state));
    assert_eq!(program.line(), "a");
    for name in [&state, &link] {
        assert_fails(
            &listen(name).output().unwrap(),
            1,
            "another sse listen is using it; end that one, or name",
        );
    }
    // However it ends, the next one can use the file.
    program.kill();
    assert_eq!(fs::read_to_string(&state).unwrap(), "8\n");
    let mut program = Program::start(listen(&link));
    assert_eq!(program.line(), "b");
}

#[test]
fn a_state_file_may_be_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let [state, link] = ["state", "link"].map(|name| folder.path().join(name));
    fs::write(&state, "7\n").unwrap();
    std::os::unix::fs::symlink("state", &link).unwrap();
    let server = of_streams(&["id: 8\ndata: a\n\n"]);
    assert!(
        run(&["listen", &server.url("/"), "-n", "1", "--state", link.to_str().unwrap()]).status.success()
    );
    assert!(server.blocking_request().head().contains("\r\nlast-event-id: 7\r\n"));
    assert_eq!(fs::read_to_string(&state).unwrap(), "8\n");
    assert!(link.is_symlink());
}

#[test]
fn a_state_that_is_not_a_regular_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let [pipe, large] = ["pipe", "large"].map(|name| folder.path().join(name));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    fs::File::create(&large).unwrap().set_len(1 << 40).unwrap();
    for (state, text) in [
        (pipe.as_path(), "it is no regular file; name another one"),
        (folder.path(), "it is no regular file; name another one"),
        (&large, "it is too large for an event ID; name another one"),
    ] {
        assert_fails(&run(&["listen", "127.0.0.1:1", "--state", state.to_str().unwrap()]), 2, text);
    }
}

#[test]
fn a_state_that_can_not_be_saved_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::write(&state, "7\n").unwrap();
    let server = of_streams(&["id: 8\ndata: a\n\n"]);
    // As on a full disk: no file can grow. The signal for it is ignored, so that it is an error.
    let script = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
    let listen = ["listen", &server.url("/"), "--data", "--quiet", "--state", state.to_str().unwrap()];
    let output =
        Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_sse")]).args(listen).output().unwrap();
    assert_eq!(output.stdout, b"a\n");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("the id 8 could not be saved") && stderr.contains("still has the id before"),
        "{stderr}"
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fs::read_to_string(&state).unwrap(), "7\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    assert!(server.blocking_request().head().contains("\r\nlast-event-id: 7\r\n"));
}

#[test]
fn an_id_from_the_command_line_is_where_it_begins() {
    let server = of_streams(&["data: a\n\n"]);
    run(&["listen", &server.url("/"), "--last-event-id", "42", "-n", "1"]);
    assert!(server.blocking_request().head().contains("\r\nlast-event-id: 42\r\n"));
}

#[test]
fn a_command_is_run_for_each_event() {
    let stream = "event: a\nid: 1\ndata: one\n\ndata: two\ndata: lines\n\nevent: b\ndata: 3\n\n";
    let print = "echo \"$SSE_TYPE $SSE_ID:\" && cat";
    check(stream, &["--exec", print, "-n", "2"], "a 1:\none\nmessage 1:\ntwo\nlines\n");
    check(stream, &["--exec", print, "-n", "1", "--type", "b"], "b 1:\n3\n");
    // It need not read what it is given, however much.
    let large = format!("data: {}\n\n", "a".repeat(1 << 20));
    check(&large, &["--exec", "echo done", "-n", "1"], "done\n");
    // It does not wait for a program that the command has left running, with its input open.
    let start = Instant::now();
    let leave = "exec 3<&0; sleep 60 <&3 >/dev/null 2>&1 & echo $!";
    let server = of_streams(&[&large]);
    let output = run(&["listen", &server.url("/"), "--quiet", "-n", "1", "--exec", leave]);
    kill("KILL", String::from_utf8(output.stdout).unwrap().trim().parse().unwrap());
    assert!(output.status.success() && start.elapsed() < PATIENCE);
}

#[test]
fn a_command_has_all_of_its_event_whatever_becomes_of_the_listener() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let until_there = |name: &str| {
        while !path(name).exists() {
            thread::yield_now();
        }
    };
    // It begins to read when the listener is gone.
    let exec = "touch started; while [ ! -e go ]; do sleep 0.02; done; wc -c > count; mv count done";
    let server = of_streams(&[&format!("data: {}\n\n", "a".repeat(3_000_000))]);
    let mut command = sse(&["listen", &server.url("/"), "--exec", exec]);
    command.current_dir(folder.path());
    let mut program = Program::start(command);
    until_there("started");
    program.kill();
    fs::write(path("go"), "").unwrap();
    until_there("done");
    assert_eq!(fs::read_to_string(path("done")).unwrap().trim(), "3000001");
}

#[test]
fn a_command_ends_with_the_listener_and_with_all_that_it_has_started() {
    #[track_caller]
    fn check(signal: &str, arguments: &[&str], code: i32) {
        let folder = tempfile::tempdir().unwrap();
        let server = of_streams(&["data: 1\n\n"]);
        // A process that handles the signal, one that ignores it, and the shell.
        let exec =
            "trap 'echo told > told' TERM; (trap '' TERM; sleep 60) & sleep 61 & echo $! $$; wait; wait";
        let mut command = sse(&["listen", &server.url("/"), "--quiet", "--exec", exec]);
        command.args(arguments).current_dir(folder.path());
        let mut program = Program::start(command);
        let ids = program.line();
        if !signal.is_empty() {
            program.signal(signal);
        }
        assert_eq!(program.end().code(), Some(code));
        // No process has the output open any more.
        assert_eq!(program.stdout.next().map(Result::unwrap), None, "{ids}");
        assert_eq!(fs::read_to_string(folder.path().join("told")).unwrap(), "told\n");
    }

    check("TERM", &[], 143);
    check("INT", &[], 130);
    check("HUP", &[], 129);
    check("", &["--timeout", "300ms"], 0);
}

#[test]
fn a_command_that_is_not_there_is_told() {
    let server = of_streams(&["id: 1\ndata: 1\n\n"]);
    let output = run(&["listen", &server.url("/"), "--quiet", "--exec", "no-such-command"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let failure = "sse: --exec: `no-such-command` failed with exit status: 127 (it names what is not found) at the event with the id 1\n";
    assert!(stderr.ends_with(failure), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_command_that_fails_ends_it_before_its_event() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let server = of_streams(&["id: 1\ndata: 1\n\nid: 2\ndata: 2\n\nid: 3\ndata: 3\n\n"]);
    let exec = ["--exec", "read line; test $line != 2", "--quiet", "--state", state.to_str().unwrap()];
    let output = run(&[&["listen", &server.url("/")], &exec[..]].concat());
    assert_fails(&output, 1, "failed with exit status: 1 at the event with the id 2");
    assert_eq!(fs::read_to_string(&state).unwrap(), "1\n");
}

#[test]
fn a_command_that_ctrl_c_ends_has_not_failed() {
    // Which of the two ends is seen first is a matter of chance.
    for _ in 0..20 {
        let server = of_streams(&["data: 1\n\n"]);
        let mut command = sse(&["listen", &server.url("/"), "--quiet", "--exec", "echo; exec sleep 60"]);
        command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        // A terminal sends it to both.
        kill("INT", -i64::from(child.id()));
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(130), Vec::new()));
    }
}

#[test]
fn a_request_is_made_as_with_curl() {
    #[track_caller]
    fn check(arguments: &[&str], first_line: &str, expected: &[&str], body: &str) {
        let server = of_streams(&["data: a\n\n"]);
        let url = format!("http://{}/v1/chat?a=b", server.address());
        assert!(run(&[&["listen", &url, "-n", "1"], arguments].concat()).status.success());
        let request = server.blocking_request();
        assert!(request.head().starts_with(first_line), "{request}");
        for header in expected {
            assert!(request.head().contains(&format!("\r\n{header}\r\n")), "{header} is not in {request}");
        }
        assert_eq!(request.body(), body);
    }

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body");
    fs::write(&file, "a=b").unwrap();
    check(&[], "GET /v1/chat?a=b HTTP/1.1\r\n", &["accept: text/event-stream"], "");
    check(
        &["-H", "Accept: a/b", "-H", "X-A: 1", "-H", "x-a: 2"],
        "GET ",
        &["accept: a/b", "x-a: 1", "x-a: 2"],
        "",
    );
    check(&["-H", "Authorization: Basic a"], "GET ", &["authorization: Basic a"], "");
    check(&["--token", "secret"], "GET ", &["authorization: Bearer secret"], "");
    check(&["-d", "{\"stream\":true}"], "POST ", &["content-type: application/json"], "{\"stream\":true}");
    let urlencoded = "content-type: application/x-www-form-urlencoded";
    check(&["-X", "PUT", "-d", &format!("@{}", file.display())], "PUT ", &[urlencoded], "a=b");
    check(&["-d", "a", "-H", "Content-Type: text/plain"], "POST ", &["content-type: text/plain"], "a");
    check(&["-X", "DELETE"], "DELETE ", &[], "");
}

#[test]
fn a_name_and_a_password_in_the_url_are_sent() {
    let server = of_streams(&["data: a\n\n"]);
    run(&["listen", &format!("http://user:password@{}/news", server.address()), "-n", "1"]);
    let request = server.blocking_request();
    assert!(request.head().starts_with("GET /news HTTP/1.1\r\n"), "{request}");
    assert!(request.head().contains("\r\nauthorization: Basic dXNlcjpwYXNzd29yZA==\r\n"), "{request}");
}

#[test]
fn a_body_may_come_from_standard_input() {
    let server = of_streams(&["data: a\n\n"]);
    let mut command = sse(&["listen", &server.url("/"), "-d", "@-", "-n", "1"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{}").unwrap();
    assert!(child.wait().unwrap().success());
    assert!(server.blocking_request().body() == "{}");
}

#[test]
fn a_body_that_does_not_come_can_be_interrupted() {
    let mut command = sse(&["listen", "127.0.0.1:1", "-d", "@-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // It stays open until the end: `wait` would close it, and a body that ends is sent.
    let mut input = child.stdin.take().unwrap();
    // Its input is taken, so it is read.
    input.write_all(&vec![b'a'; 1 << 20]).unwrap();
    kill("INT", child.id().into());
    assert_eq!(child.wait().unwrap().signal(), Some(2));
    drop(input);
}

#[test]
fn its_end_has_a_code_for_scripts() {
    #[track_caller]
    fn check(answers: &[&str], arguments: &[&str], code: i32, text: &str) {
        let server = of_answers(answers);
        let output = run(&[&["listen", &server.url("/")], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(text), "{stderr}");
    }

    let one = &format!("{STREAM}retry: 0\nid: 1\ndata: 1\n\n");
    let no_content = "HTTP/1.1 204 No Content\r\n\r\n";
    check(&[one, no_content], &[], 0, "sse: the stream is over\n");
    check(&[one, no_content], &["-n", "3"], 1, "sse: the stream is over after 1 of 3 events\n");
    check(&[one, ""], &["--retries", "0"], 0, "sse: the stream is over\n");
    check(&[one, ""], &["-d", "{}"], 0, "sse: the stream is over\n");
    let busy = "HTTP/1.1 503 -\r\nretry-after-ms: 5\r\nConnection: close\r\n\r\n";
    check(&[busy, one, ""], &["-d", "{}", "--retries", "3"], 0, "sse: the stream is over\n");
    check(&[one], &["--timeout", "200ms"], 0, "");
    check(&[one], &["--timeout", "200ms", "-n", "2"], 4, "sse: the time is up after 1 of 2 events\n");
    check(&["HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n"], &[], 3, "403 Forbidden");
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html";
    check(&[html], &[], 3, "is this the URL of an event stream?: <html\n");
    let answer = |end: &str| format!("{STREAM}data: {{\"choices\":[]}}\n\n{end}");
    let chat = &["-d", "{}", "--answer-of", "openai-chat"][..];
    check(&[&answer("data: [DONE] \n\n")], chat, 0, "sse: the stream is over\n");
    check(&[&answer(""), ""], chat, 5, "sse: the stream ended before the event that ends it");
    let error = "data: {\"error\":{\"message\":\"overloaded\"}}\n\n";
    check(
        &[&answer(error)],
        chat,
        1,
        "sse: the server sent an error: {\"error\":{\"message\":\"overloaded\"}}\n",
    );
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\ndata: 1\n\n";
    check(&[text], &[], 3, "the response is of the type `text/plain`");
    check(&[text, ""], &["-d", "{}", "--any-type"], 0, "sse: the stream is over\n");
    let json = "HTTP/1.1 401 -\r\nConnection: close\r\n\r\n{\n  \"error\": \"no such key\"\n}\n";
    check(&[json], &[], 3, "with an event stream: { \"error\": \"no such key\" }\n");
    check(
        &["HTTP/1.1 529 -\r\nContent-Length: 0\r\n\r\n"],
        &["--retries", "0"],
        3,
        "answered 529 Overloaded instead",
    );
    check(&["SSH-2.0-OpenSSH\r\n\r\n"], &["--retries", "0"], 1, "sse: the server's response can't be read: ");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    assert_fails(&run(&["listen", &closed, "--retries", "0"]), 1, "Connection refused");
}

#[test]
fn the_first_attempt_may_fail_only_if_the_user_says_so() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let start = Instant::now();
    assert_fails(&run(&["listen", &closed]), 1, "Connection refused");
    assert!(start.elapsed() < PATIENCE);

    let busy = "HTTP/1.1 503 -\r\nretry-after-ms: 5\r\nConnection: close\r\n\r\n";
    let one = format!("{STREAM}data: 1\n\n");
    for (arguments, code) in [
        (&[][..], 3),
        (&["--retry-first"], 0),
        (&["--retries", "1"], 0),
        (&["-d", "{}"], 3),
        (&["-d", "{}", "--retry-first"], 0),
    ] {
        let server = of_answers(&[busy, &one]);
        let output = run(&[&["listen", &server.url("/"), "-n", "1"], arguments].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    }
}

#[test]
fn the_end_is_an_event_of_a_type_or_with_data() {
    #[track_caller]
    fn check(end: &str, arguments: &[&str], code: i32, stdout: &str, text: &str) {
        let server =
            of_answers(&[format!("{STREAM}retry: 0\ndata: 1\n\n{end}"), "HTTP/1.1 204 -\r\n\r\n".to_owned()]);
        let output = run(&[&["listen", &server.url("/"), "--data"], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), stdout);
        assert!(stderr.contains(text), "{stderr}");
    }

    let done = "event: done\ndata: 2\n\ndata: 3\n\n";
    check(done, &["--until-type", "done"], 0, "1\n2\n", "");
    check(done, &["--until-data", "2"], 0, "1\n2\n", "");
    check(done, &["--until-data", "other", "--until-type", "done"], 0, "1\n2\n", "");
    // It ends the listening even if it is not printed.
    check(done, &["--until-type", "done", "--type", "message"], 0, "1\n", "");
    check("", &["--until-type", "done"], 5, "1\n", "sse: the stream ended before the event that ends it\n");
    check("", &["--until-data", "2", "-d", "{}"], 5, "1\n", "before the event that ends it");
    check(
        done,
        &["--until-type", "other", "-n", "2"],
        5,
        "1\n2\n",
        "2 events came before the event that ends",
    );
    check("data: cut", &["--until-data", "cut"], 5, "1\n", "before the event that ends it");

    for (flag, text) in [("--until-type", "done"), ("--until-data", "2"), ("--answer-of", "anthropic")] {
        let server = of_streams(&["data: 1\n\n"]);
        let output = run(&["listen", &server.url("/"), "--quiet", "--timeout", "200ms", flag, text]);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        assert!(
            String::from_utf8(output.stderr).unwrap().contains("the time is up before the event that ends")
        );
    }
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

#[test]
fn a_signal_ends_it_with_the_code_of_shells() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let server = of_streams(&["data: a\n\n"]);
        let mut program = Program::start(sse(&["listen", &server.url("/")]));
        assert_eq!(lines(&mut program, 1), ["message  a"]);
        program.signal(signal);
        assert_eq!(program.end().code(), Some(code));
    }
}

#[test]
fn a_signal_ends_it_though_nobody_reads_its_output() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = sse(&["listen", &listener.local_addr().unwrap().to_string(), "--data"]);
    let mut program = Program::start(program);
    let (mut stream, _) = listener.accept().unwrap();
    // An answer before its request would not count.
    assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    stream.write_all(STREAM.as_bytes()).unwrap();
    stream.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let events = "data: a\n\n".repeat(10_000);
    // Until everything on the way is full.
    while stream.write_all(events.as_bytes()).is_ok() {}
    program.signal("TERM");
    assert_eq!(program.end().code(), Some(143));
}

#[test]
fn output_that_nobody_reads_ends_it() {
    let events = "data: a\n\n".repeat(100_000);
    let server = of_streams(&[&events]);
    let mut command = sse(&["listen", &server.url("/"), "--data", "--quiet"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    // As `head -1` does.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "a\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()));
}

#[test]
fn the_time_is_up_though_nobody_reads_the_output() {
    #[track_caller]
    fn check(arguments: &[&str], code: i32) {
        // Few events fill the pipe, so that even a slow machine gets there in time.
        let large = format!("data: {}\n\n", "b".repeat(100_000));
        let server = of_streams(&[&format!("data: a\n\n{}", large.repeat(10))]);
        let mut command = sse(&["listen", &server.url("/"), "--data", "--quiet", "--timeout", "500ms"]);
        command.args(arguments);
        let mut program = Program::start(command);
        // The reader stops.
        assert_eq!(program.line(), "a");
        program.notice("the time is up, and nobody reads the output");
        assert_eq!(program.end().code(), Some(code));
    }

    check(&[], 0);
    check(&["-n", "1000000"], 4);
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_can_not_be_written_is_told() {
    let server = of_streams(&["data: a\n\n"]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = sse(&["listen", &server.url("/"), "--quiet"]);
    assert_fails(&command.stdout(full).output().unwrap(), 1, "the output can't be written: No space left");
}

#[cfg(target_os = "linux")]
#[test]
fn status_lines_that_can_not_be_written_harm_nothing() {
    let server = of_streams(&["data: a\n\n"]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = sse(&["listen", &server.url("/"), "--data", "-n", "1"]);
    let output = command.stderr(full).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(0), b"a\n".to_vec()));
}

#[test]
fn what_is_wrong_with_the_arguments_is_told_in_one_line() {
    #[track_caller]
    fn check(arguments: &[&str], text: &str) {
        assert_fails(&run(&[&["listen"], arguments].concat()), 2, text);
    }

    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    fs::write(&state, "1\n2\n").unwrap();
    let state = state.to_str().unwrap();
    check(&[], "the following required arguments were not provided: <URL>");
    check(&["::::"], "write it as http://127.0.0.1:8080/topics/news");
    check(&["ftp://a/b"], "the scheme `ftp` is neither http nor https");
    check(&["a", "-H", "no colon"], "write a header as `Name: value`");
    check(&["a", "-H", "a b: c"], "`a b` is no name of a header");
    check(&["a", "--token", "a\nb"], "the token has characters that no header may have");
    check(&["a", "--timeout", "soon"], "write a time as 15s, 1m30s or 250ms");
    check(&["a", "--json", "--data"], "cannot be used with");
    check(&["a", "--last-event-id", "a\nb"], "--last-event-id: ");
    check(&["a", "--state", state], "it holds no event ID, which is one line; name another file");
    check(&["a", "--state", "/nowhere/state"], "--state /nowhere/state: nothing can be written there");
    check(&["a", "-d", "@/nowhere/body"], "-d @/nowhere/body: No such file");
    check(&["a", "--max-event", "0"], "there must be room for one byte");
    check(&["a", "--max-event", "much"], "write a size as 65536, 64KiB or 1MiB");
    check(&["a", "--until-type", ""], "an event without a type is of the type message; write that");
    check(&["a", "--until-type", "a\nb"], "'--until-type <TYPE>'");
    check(&["a", "--until-data"], "a value is required for '--until-data <DATA>'");
    check(&["a", "--until-data", "a", "--answer-of", "a2a"], "cannot be used with");
    check(&["a", "--retry-first", "--retries", "3"], "cannot be used with");
    check(&["a", "--include", "--json"], "cannot be used with");
    check(&["a", "--include", "--exec", "a"], "cannot be used with");
}
