//! `sse listen` as a process: with a hub, and with a server that misbehaves as it is told.

#[path = "../common/mod.rs"]
mod common;

mod connection;
mod ending;
mod exec;
mod printing;
mod request;
mod state;

use std::process::Command;

use common::{Program, run};
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

/// Listens to this stream, whose connection stays open. Returns what is printed for this number of events.
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
