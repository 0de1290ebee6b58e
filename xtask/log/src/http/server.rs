//! The servers: processes of their own.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// A program that takes durable POSTs.
#[derive(Clone, Copy)]
pub(crate) struct Program {
    /// The name of its column.
    pub(crate) name: &'static str,
    /// The path of a topic begins with this.
    prefix: &'static str,
    /// Whether a topic must be made by a PUT before the first POST.
    makes_topics: bool,
}

/// `sse serve`, from this workspace.
pub(crate) const SSE: Program = Program { name: "sse serve", prefix: "/topics/", makes_topics: false };

/// The server of Durable Streams.
pub(crate) const DURABLE_STREAMS: Program =
    Program { name: "durable-streams 0.1.5", prefix: "/", makes_topics: true };

const DURABLE_STREAMS_PROGRAM: &str = "durable-streams-server";

/// How long a server may take to start. `sse serve` is built before.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    program: Program,
    pub(crate) port: u16,
}

impl Program {
    pub(crate) fn is_installed(&self) -> bool {
        !self.makes_topics || Command::new(DURABLE_STREAMS_PROGRAM).arg("--help").output().is_ok()
    }
}

impl Server {
    /// Starts a server on this directory. It listens when this returns.
    pub(crate) fn start(program: &Program, directory: &Path) -> Result<Self> {
        if program.makes_topics {
            return Self::start_durable_streams(program, directory);
        }
        // Cargo builds the program and replaces itself by it.
        let mut process = Command::new("cargo")
            .args(["run", "--quiet", "--release", "--package", "sse-cli", "--bin", "sse"])
            .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")])
            .args(["--", "serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(directory)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(process.stdout.take().expect("piped")).lines();
        let port = lines.find_map(|line| port_in(&line.ok()?)).ok_or("the server did not start")?;
        Ok(Self { process, program: *program, port })
    }

    fn start_durable_streams(program: &Program, directory: &Path) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new(DURABLE_STREAMS_PROGRAM)
            .args(["--port", &port.to_string(), "--durability", "wal", "--data-dir"])
            .arg(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { process, program: *program, port };
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begun.elapsed() > PATIENCE {
                return Err("durable-streams-server did not start".into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// The request that makes a topic, if it must be made.
    pub(crate) fn put(&self, topic: usize) -> Option<String> {
        self.program.makes_topics.then(|| self.request("PUT", topic, ""))
    }

    /// The request that publishes a body to a topic.
    pub(crate) fn post(&self, topic: usize, body: &str) -> String {
        self.request("POST", topic, body)
    }

    fn request(&self, method: &str, topic: usize, body: &str) -> String {
        let (prefix, length) = (self.program.prefix, body.len());
        format!(
            "{method} {prefix}bench-{topic} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: text/plain\r\n\
             Content-Length: {length}\r\n\r\n{body}",
            self.port
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is no remedy if the process does not end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The port at the end of the first address in a line.
fn port_in(line: &str) -> Option<u16> {
    let end = &line[line.find("127.0.0.1:")? + "127.0.0.1:".len()..];
    let digits = end.find(|character: char| !character.is_ascii_digit()).unwrap_or(end.len());
    end[..digits].parse().ok()
}
