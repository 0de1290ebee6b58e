//! The example `live` with its users: its page in a browser, and `tail` in a second terminal, while the server is
//! killed and started again.

mod common;

use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::time::Instant;

use browser_tests::Browser;
use common::SOON;

/// An example of the workspace, built and ready to run.
fn example(package: &str, name: &str) -> PathBuf {
    test_support::programs::build(package, &["--example", name]).join("examples").join(name)
}

/// A program, which is killed when the test ends.
struct Program {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Program {
    fn start(package: &str, name: &str, argument: &str) -> Self {
        let mut command = Command::new(example(package, name));
        let mut child = command.arg(argument).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stdout, stderr }
    }

    /// Starts the server. Returns it with the address that it prints.
    fn live(address: &str) -> (Self, String) {
        let start = Instant::now();
        let (program, line) = loop {
            let mut program = Self::start("sse-server", "live", address);
            match program.stdout.next() {
                Some(line) => break (program, line.unwrap()),
                // Another test's connection may hold a port that was just released.
                None => assert!(start.elapsed() < SOON, "{:?}", program.stderr.next()),
            }
        };
        let address = line.split_once("http://").unwrap().1.trim_end_matches('/').to_owned();
        (program, address)
    }

    /// Waits for a notice of `tail`.
    fn notice(&mut self, text: &str) {
        while !self.stderr.next().unwrap().unwrap().contains(text) {}
    }

    /// Returns the id of the next wave that `tail` prints.
    fn next_wave(&mut self) -> u64 {
        loop {
            let line = self.stdout.next().unwrap().unwrap();
            let mut words = line.split_whitespace();
            if let (Some(id), Some("wave")) = (words.next(), words.next()) {
                return id.parse().unwrap();
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Returns the seconds that have a wave, by the rule of the log: the first fifteen of each twenty.
fn expected(from: u64, to: u64) -> Vec<u64> {
    (from..=to).filter(|second| second % 20 < 15).collect()
}

#[test]
fn page_and_tail_go_on_after_a_kill_without_a_hole() {
    let (server, address) = Program::live("127.0.0.1:0");
    let mut tail = Program::start("sse-client", "tail", &format!("http://{address}/events"));
    tail.notice("connected");
    let mut waves = vec![tail.next_wave()];

    let browser = Browser::launch().unwrap();
    let page = browser.open(&format!("http://{address}/")).unwrap();
    page.wait_for("document.body.dataset.state === 'open' && received.length > 1", SOON).unwrap();
    page.wait_for("Number(document.querySelector('#heartbeats').textContent) > 0", SOON).unwrap();
    tail.notice("heartbeat");

    // The server is killed without a shutdown, so the clients learn it from the network.
    drop(server);
    page.wait_for("document.body.dataset.state === 'reconnecting'", SOON).unwrap();
    let (_server, _) = Program::live(&address);
    page.wait_for("document.body.dataset.state === 'open'", SOON).unwrap();
    let before = page.evaluate("received.length").unwrap();
    page.wait_for(&format!("received.length > {before} + 2"), SOON).unwrap();
    tail.notice("connected");

    let ids = "received.filter((event) => event.type === 'wave').map((event) => Number(event.id))";
    let ids: Vec<u64> = serde_json::from_value(page.evaluate(ids).unwrap()).unwrap();
    assert_eq!(ids, expected(ids[0], ids[ids.len() - 1]), "the page has each wave once");
    let counters = "['reconnects', 'gaps'].map((id) => document.getElementById(id).textContent)";
    assert_eq!(page.evaluate(counters).unwrap(), serde_json::json!(["1", "0"]));

    while waves[waves.len() - 1] < ids[ids.len() - 1] {
        waves.push(tail.next_wave());
    }
    assert_eq!(waves, expected(waves[0], waves[waves.len() - 1]), "tail has each wave once");
}
