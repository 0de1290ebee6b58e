//! A server under test: a process of its own, which publishes on command.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::contenders::{Contender, Program};
use crate::subscribers::Subscribers;
use crate::{Result, event, process, system};

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
    publisher: Publisher,
    redis: Option<Redis>,
}

/// How a server gets its commands.
enum Publisher {
    /// By lines on its standard input.
    Lines,
    /// By requests to the hub.
    Requests(TcpStream),
}

/// The Redis of a server that needs one. It shares the CPU of the server, and has no persistence.
struct Redis {
    process: Child,
    url: String,
}

/// The path of the topic of the subscribers at the hub.
const HUB_TOPIC: &str = "/topics/bench";

/// The environment variable with the URL of the server's Redis.
const REDIS_URL: &str = "SSE_FANOUT_REDIS";

/// The URL of the server's Redis.
pub(crate) fn redis_url() -> Result<String> {
    Ok(std::env::var(REDIS_URL)?)
}

impl Server {
    /// Starts a server, which listens when this returns.
    pub(crate) fn start(contender: &Contender) -> Result<Self> {
        match contender.program {
            Program::Own(_) => Self::start_as(own(contender)?, None),
            Program::WithRedis(_) => {
                let redis = Redis::start()?;
                let mut command = own(contender)?;
                command.env(REDIS_URL, &redis.url);
                Self::start_as(command, Some(redis))
            }
            Program::Hub => {
                let mut server = Self::start_as(hub(), None)?;
                let publisher = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port))?;
                publisher.set_nodelay(true)?;
                server.publisher = Publisher::Requests(publisher);
                Ok(server)
            }
        }
    }

    /// Starts a server under valgrind, which counts its instructions and writes them to this file at the end.
    pub(crate) fn start_counted(contender: &Contender, file: &Path) -> Result<Self> {
        if !matches!(contender.program, Program::Own(_)) {
            return Err("instructions are counted for servers of this program only".into());
        }
        if let Err(error) = Command::new("valgrind").arg("--version").output() {
            return Err(format!("valgrind counts the instructions, and can't be run: {error}").into());
        }
        let mut command = Command::new("valgrind");
        command.args(["--quiet", "--tool=callgrind"]);
        command.arg(format!("--callgrind-out-file={}", file.display()));
        command.arg(std::env::current_exe()?).args(["server", contender.name]);
        Self::start_as(command, None)
    }

    fn start_as(mut command: Command, redis: Option<Redis>) -> Result<Self> {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut greeting = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut greeting)?;
        let port = port_in(&greeting).ok_or("the server did not start")?;
        Ok(Self { process, port, publisher: Publisher::Lines, redis })
    }

    /// Connects `count` subscribers, and returns when all have got the head of the response.
    pub(crate) fn subscribers(&self, count: usize) -> Result<Subscribers> {
        let path = match self.publisher {
            Publisher::Lines => "/",
            Publisher::Requests(_) => HUB_TOPIC,
        };
        Subscribers::connect(self.port, path, count)
    }

    /// Makes the server publish `count` events at once, each with `payload` bytes of data.
    pub(crate) fn publish(&mut self, count: usize, payload: usize) -> Result<()> {
        match &mut self.publisher {
            // One write for the whole line.
            Publisher::Lines => {
                let commands = self.process.stdin.as_mut().expect("piped");
                commands.write_all(format!("publish {count} {payload}\n").as_bytes())?;
            }
            Publisher::Requests(stream) => post(stream, count, payload)?,
        }
        Ok(())
    }

    /// Ends it, and waits until it has.
    pub(crate) fn end(&mut self) -> Result<()> {
        // Its standard input is closed here.
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) }
    }

    /// The CPU time of the server and its Redis.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let own = system::cpu_time(self.process.id())?;
        let redis = self.redis.as_ref().map(|redis| system::cpu_time(redis.process.id())).transpose()?;
        Ok(own + redis.unwrap_or_default())
    }

    /// The resident memory of the server, in bytes, without the kernel's memory for its sockets.
    pub(crate) fn resident_memory(&self) -> Result<u64> {
        process::resident_memory(self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is no remedy if the process does not end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// This program, as the server under test.
fn own(contender: &Contender) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["server", contender.name]);
    Ok(command)
}

/// The hub on the server's CPU. Cargo builds it and replaces itself by it.
fn hub() -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &system::SERVER_CPU.to_string()]);
    command.args(["cargo", "run", "--quiet", "--release", "--package", "sse-cli", "--bin", "sse"]);
    command.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")]);
    command.args(["--", "serve", "--listen", "127.0.0.1:0", "--heartbeat", "off"]);
    command
}

/// The port in a server's greeting, alone or at the end of the first address.
fn port_in(greeting: &str) -> Option<u16> {
    let end = greeting.rsplit(':').next()?;
    let digits = end.find(|character: char| !character.is_ascii_digit()).unwrap_or(end.len());
    end[..digits].parse().ok()
}

/// Publishes by one request to the hub: a line of JSON for each event.
fn post(stream: &mut TcpStream, count: usize, payload: usize) -> Result<()> {
    let lines: String = (0..count).map(|_| format!("{{\"data\":\"{}\"}}\n", event::text(payload))).collect();
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\n",
        HUB_TOPIC,
        lines.len()
    );
    stream.write_all((head + &lines).as_bytes())?;
    // The response is short, and comes in one piece.
    let mut response = [0; 1024];
    let length = stream.read(&mut response)?;
    let response = String::from_utf8_lossy(&response[..length]);
    if response.starts_with("HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(format!("the hub published nothing:\n{response}").into())
}

impl Redis {
    fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let mut process = Command::new("taskset")
            .args([
                "--cpu-list",
                &system::SERVER_CPU.to_string(),
                "redis-server",
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
            ])
            .args(["--save", "", "--appendonly", "no"])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("redis-server could not be started: {error}"))?;
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let mut lines = output.lines().map_while(std::result::Result::ok);
        if !lines.any(|line| line.contains("Ready to accept connections")) {
            return Err("redis-server did not start: is it installed?".into());
        }
        Ok(Self { process, url: format!("redis://127.0.0.1:{port}/") })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // There is no remedy if the process does not end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
