//! One program over each log.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Lines};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};

use sse_client::EventSource;

use crate::program::Program;
use crate::{check_data, http_client, next, post};

const PATH: &str = env!("CARGO_BIN_EXE_many");

/// Publishes and returns the id.
async fn publish(server: &Program, data: &str) -> String {
    let answer = post(&server.url("/topics/news"), data).await;
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap().trim_end().to_owned()
}

/// The stream after the event with this id.
fn after(server: &Program, id: &str) -> EventSource {
    let source = EventSource::builder_for(server.url("/topics/news")).unwrap();
    source.stored_event_id(id).unwrap().build().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_disk_a_client_resumes_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = [directory.path().as_os_str()];
    let mut server = Program::start(PATH, &arguments);
    let first = publish(&server, "one").await;
    let second = publish(&server, "two").await;
    server.restart(PATH, &arguments);
    let mut client = after(&server, &first);
    let event = next(&mut client).await;
    assert_eq!((event.data(), event.last_event_id()), ("two", &*second));
    publish(&server, "three").await;
    check_data(&[next(&mut client).await], &["three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_memory_a_client_is_told_of_the_gap_after_a_restart() {
    let mut server = Program::start(PATH, &[]);
    let first = publish(&server, "one").await;
    server.restart(PATH, &[]);
    let mut client = after(&server, &first);
    let event = next(&mut client).await;
    assert_eq!((event.event_type(), event.data()), ("gap", r#"{"missed":null}"#));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_redis_a_client_resumes_at_another_process() {
    let redis = Redis::start();
    let arguments = [OsStr::new(&redis.url)];
    let (here, there) = (Program::start(PATH, &arguments), Program::start(PATH, &arguments));
    let first = publish(&here, "one").await;
    publish(&here, "two").await;
    let mut client = after(&there, &first);
    check_data(&[next(&mut client).await], &["two"]);
    publish(&here, "three").await;
    check_data(&[next(&mut client).await], &["three"]);
    assert_eq!(http_client().get(there.url("/ready")).send().await.unwrap().status(), 200);
}

/// A Redis of the test's own.
struct Redis {
    child: Child,
    url: String,
    /// Kept, because a server whose output nobody reads may end.
    _stdout: Lines<BufReader<ChildStdout>>,
}

impl Redis {
    fn start() -> Self {
        // Another program may take the port between the look for a free one and the start.
        (0..10).find_map(|_| Self::try_start()).expect("Redis starts")
    }

    fn try_start() -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".into());
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string(), "--save", "", "--bind", "127.0.0.1"]);
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.expect("`cargo xtask test` installs Redis");
        let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_ready = stdout.any(|line| line.is_ok_and(|line| line.contains("Ready to accept connections")));
        let redis = Self { child, url: format!("redis://127.0.0.1:{port}/"), _stdout: stdout };
        is_ready.then_some(redis)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
