//! A hub that is built and started, and its page.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use browser_tests::{Browser, Page};
use serde_json::json;

use super::SOON;

/// The program, built and ready to run.
pub fn program() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| test_support::programs::build("sse-cli", &["--bin", "sse"]).join("sse"))
}

/// A hub, which is killed when the test ends.
pub struct Hub {
    child: Child,
    pub address: String,
}

impl Hub {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    pub fn start_at(address: &str, arguments: &[&str]) -> Self {
        let start = Instant::now();
        loop {
            let mut command = Command::new(program());
            command.args(["serve", "--listen", address]).args(arguments);
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let found = line.split_once("http://").and_then(|(_, rest)| rest.split_once('/'));
            let Some((address, _)) = found else {
                // Another test's connection may hold a port that was just released.
                child.wait().unwrap();
                assert!(start.elapsed() < SOON, "{line:?} has no address");
                continue;
            };
            return Self { address: address.to_owned(), child };
        }
    }

    /// Returns the number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn page(&self, browser: &Browser) -> Page {
        let page = browser.open(&format!("http://{}/", self.address)).unwrap();
        wait_until_connected(&page);
        page
    }

    /// Publishes by a request. `path` is the name of the topic as in a URL, and the query.
    pub fn publish(&self, path: &str, data: &str) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let (address, length) = (&self.address, data.len());
        let head = format!(
            "POST /topics/{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(data.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

pub fn wait_until_connected(page: &Page) {
    page.wait_for("document.querySelector('#state').textContent === 'Connected'", SOON).unwrap();
}

/// Waits until the element shows this text.
#[track_caller]
pub fn shows(page: &Page, selector: &str, text: &str) {
    let shown = format!("document.querySelector({}).textContent", json!(selector));
    if let Err(error) = page.wait_for(&format!("{shown}.includes({})", json!(text)), SOON) {
        panic!("{selector} shows {:?}, and not {text:?}: {error}", page.evaluate(&shown));
    }
}

pub fn wait_for_events(page: &Page, count: usize) {
    page.wait_for(&format!("document.querySelectorAll('#events li').length >= {count}"), SOON).unwrap();
}

/// Waits until the line of a topic shows this number of subscribers and of kept events.
#[track_caller]
pub fn shows_topic(page: &Page, name: &str, subscribers: u32, kept: u32) {
    let cells = json!([name, subscribers.to_string(), kept.to_string()]);
    let lines = "[...document.querySelectorAll('#topics tr')].map((line) => \
                 [line.querySelector('button'), line.cells[1], line.cells[3]].map((cell) => cell.textContent))";
    let found =
        page.wait_for(&format!("JSON.stringify({lines}).includes({})", json!(cells.to_string())), SOON);
    found.unwrap_or_else(|error| panic!("{:?}: {error}", page.evaluate(lines)));
}

/// Returns the types and the data in the list of events, oldest first.
pub fn events(page: &Page) -> Vec<(String, String)> {
    let lines = "[...document.querySelectorAll('#events li')].reverse()\
                 .map((line) => ['.type', '.data'].map((part) => line.querySelector(part).textContent))";
    serde_json::from_value(page.evaluate(lines).unwrap()).unwrap()
}

pub fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(event_type, data)| ((*event_type).to_owned(), (*data).to_owned())).collect()
}

/// Presses Tab until this element has the focus.
#[track_caller]
pub fn tab_to(page: &Page, selector: &str) {
    let is_there = format!("document.activeElement.matches({})", json!(selector));
    for _ in 0..30 {
        page.press("Tab").unwrap();
        if page.evaluate(&is_there).unwrap() == true {
            return;
        }
    }
    panic!("Tab never comes to {selector}");
}

#[track_caller]
pub fn has_no_errors(page: &Page) {
    assert_eq!(page.take_errors(), Vec::<String>::new());
}
