//! Whether the hub lives, and whether it is ready.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::common::{Hub, PATIENCE, Program, Redis, assert_answers, sse};

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_hub_lives_while_redis_is_dead_and_is_not_ready() {
    let hub = Hub::start(&[]);
    assert_answers(&hub.get("/readyz", &[]), 200, "\r\n\r\nready\n");
    let redis = Redis::start();
    let hub = Hub::start(&["--redis", &redis.url]);
    assert_answers(&hub.get("/readyz", &[]), 200, "\r\n\r\nready\n");
    drop(redis);
    while hub.get("/readyz", &[]).contains("ready\n") {}
    let answer = hub.get("/readyz", &[]);
    assert_answers(
        &answer,
        503,
        "Redis can't be reached: subscribers get nothing until it is back, and 0 events wait",
    );
    assert_answers(&answer, 503, "\r\nretry-after: ");
    assert_answers(&hub.get("/healthz", &[]), 200, "\r\n\r\nok\n");
}

#[test]
fn a_redis_that_is_away_is_told_once_however_often_it_is_tried() {
    let redis = Redis::start();
    let mut hub = Hub::start(&["--redis", &redis.url, "--log", "info,sse_server=debug"]);
    drop(redis);
    let (mut told, mut attempts) = (Vec::new(), 0);
    while attempts < 8 {
        let line = hub.program.stderr.next().unwrap().unwrap();
        attempts +=
            usize::from(line.contains("DEBUG") && line.contains("an attempt to reach the log has failed"));
        told.extend(line.contains(" WARN ").then_some(line));
    }
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("the log can't be followed, so subscribers get nothing new; it is tried again"));
}

#[test]
fn a_hub_that_waits_for_redis_says_so() {
    let redis = "redis+unix:///nowhere/socket";
    let mut program = Program::start(sse(&["serve", "--listen", "127.0.0.1:0", "--redis", redis]));
    let notice = program.notice("waiting for Redis");
    let address = notice.split("http://").nth(1).unwrap().split('/').next().unwrap();
    assert_answers(&get(address, "/healthz"), 200, "\r\n\r\nok\n");
    for path in ["/readyz", "/topics/a", "/status", "/"] {
        let answer = get(address, path);
        assert_answers(
            &answer,
            503,
            "the hub has just started and waits for its events, in Redis or on the disk",
        );
        assert_answers(&answer, 503, "\r\nretry-after: ");
    }
    program.signal("TERM");
    assert!(program.end().success());
}

#[cfg(target_os = "linux")]
#[test]
fn a_limit_of_open_files_that_is_too_low_is_raised_or_told() {
    #[track_caller]
    fn check(limits: &str, most: &str, soft: &str, warning: Option<&str>) {
        let script = format!("{limits}; exec \"$0\" serve --listen 127.0.0.1:0 --max-subscribers {most}");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_sse")]);
        let mut program = Program::start(command);
        program.line();
        let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        assert_eq!(files.split_whitespace().nth(3), Some(soft), "{files}");
        // Its last line comes after all that it says at the start.
        program.signal("TERM");
        let lines: Vec<_> = program.stderr.by_ref().map(Result::unwrap).collect();
        let told: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
        assert_eq!(told.len(), usize::from(warning.is_some()), "{lines:?}");
        assert!(warning.is_none_or(|warning| told[0].contains(warning)), "{lines:?}");
    }

    check("ulimit -S -n 100; ulimit -H -n 500", "436", "500", None);
    let told = "437 subscribers need 501 open files, and 500 are allowed: raise the limit with `ulimit -n 501` or \
                LimitNOFILE= of systemd, or allow fewer with --max-subscribers";
    check("ulimit -S -n 100; ulimit -H -n 500", "437", "500", Some(told));
}
