//! The end: its exit code, signals, and output that nobody reads.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use super::common::{Program, assert_fails, run, sse};
use super::{STREAM, lines, of_answers, of_streams};

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
