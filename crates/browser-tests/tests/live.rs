//! The README's example as a user meets it: its page in a browser and `tail` in a second terminal, while the server is
//! killed and started again.

mod common;

use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use browser_tests::Browser;
use common::SOON;

/// An example of the workspace, built and ready to run. Cargo builds examples beside the tests.
fn example(package: &str, name: &str) -> PathBuf {
    let built =
        Command::new(env!("CARGO")).args(["build", "--quiet", "-p", package, "--example", name]).status();
    assert!(built.unwrap().success(), "{name} can't be built");
    let deps = std::env::current_exe().unwrap();
    deps.ancestors().nth(2).unwrap().join("examples").join(name)
}

/// A program that is killed with the test.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn live(address: &str) -> (Self, String) {
        let mut program = Self::start(Command::new(example("sse-server", "live")).arg(address));
        let line = program.stdout().next().unwrap().unwrap();
        let address = line.split_once("http://").unwrap().1.trim_end_matches('/').to_owned();
        (program, address)
    }

    fn stdout(&mut self) -> Lines<BufReader<ChildStdout>> {
        BufReader::new(self.0.stdout.take().unwrap()).lines()
    }

    fn stderr(&mut self) -> Lines<BufReader<ChildStderr>> {
        BufReader::new(self.0.stderr.take().unwrap()).lines()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Seconds at which there is a wave, by the rule of the log: of twenty, the first fifteen.
fn expected(from: u64, to: u64) -> Vec<u64> {
    (from..=to).filter(|second| second % 20 < 15).collect()
}

#[test]
fn page_and_tail_go_on_after_a_kill_without_a_hole() {
    let (server, address) = Program::live("127.0.0.1:0");
    let mut tail =
        Program::start(Command::new(example("sse-client", "tail")).arg(format!("http://{address}/events")));
    let (mut events, mut notices) = (tail.stdout(), tail.stderr());
    let mut notice = |text: &str| while !notices.next().unwrap().unwrap().contains(text) {};
    notice("connected");
    let first = next_wave(&mut events);

    let browser = Browser::launch().unwrap();
    let page = browser.open(&format!("http://{address}/")).unwrap();
    page.wait_for("document.body.dataset.state === 'open' && received.length > 1", SOON).unwrap();
    page.wait_for("Number(document.querySelector('#heartbeats').textContent) > 0", SOON).unwrap();
    notice("heartbeat");

    // Killed, not asked to end; the clients learn it from the network.
    drop(server);
    page.wait_for("document.body.dataset.state === 'reconnecting'", SOON).unwrap();
    let (_server, _) = Program::live(&address);
    page.wait_for(
        "document.body.dataset.state === 'open' && document.querySelector('#reconnects').textContent === '1'",
        SOON,
    )
    .unwrap();
    let before = page.evaluate("received.length").unwrap();
    page.wait_for(&format!("received.length > {before} + 2"), SOON).unwrap();

    let ids = page
        .evaluate("received.filter((event) => event.type === 'wave').map((event) => Number(event.id))")
        .unwrap();
    let ids: Vec<u64> = ids.as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
    assert_eq!(ids, expected(ids[0], ids[ids.len() - 1]), "the page has each wave once");
    assert_eq!(page.evaluate("document.querySelector('#gaps').textContent").unwrap(), "0");

    let mut waves = vec![first];
    while waves[waves.len() - 1] < ids[ids.len() - 1] {
        waves.push(next_wave(&mut events));
    }
    assert_eq!(waves, expected(first, waves[waves.len() - 1]), "tail has each wave once");
    notice("connected");
}

/// The id of the next wave that `tail` prints.
fn next_wave(events: &mut Lines<BufReader<ChildStdout>>) -> u64 {
    loop {
        let line = events.next().unwrap().unwrap();
        let mut words = line.split_whitespace();
        if let (Some(id), Some("wave")) = (words.next(), words.next()) {
            return id.parse().unwrap();
        }
    }
}
