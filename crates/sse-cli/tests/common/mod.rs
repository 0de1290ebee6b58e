//! The program itself, as a user runs it.

#![allow(dead_code, unreachable_pub, reason = "each test uses what it needs")]

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The program with these arguments, without what the environment of the tests may say.
pub fn sse(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sse"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("SSE_") {
            command.env_remove(variable);
        }
    }
    command.args(arguments).env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// A file in a folder, which is there as long as the folder is.
pub fn write(folder: &tempfile::TempDir, name: &str, text: impl AsRef<[u8]>) -> String {
    let file = folder.path().join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Runs it to its end.
pub fn run(arguments: &[&str]) -> Output {
    sse(arguments).output().unwrap()
}

/// Asserts that it fails with this code, and says this in one line on standard error and nothing on standard output.
#[track_caller]
pub fn assert_fails(output: &Output, code: i32, text: &str) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with("sse: ") && stderr.contains(text), "{text:?} is not in {stderr:?}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{stderr}");
    assert_eq!(stdout, "");
}

/// A program that runs beside the test, and is killed with it.
pub struct Program {
    child: Child,
    pub stdout: Lines,
    pub stderr: Lines,
}

/// The lines of a pipe; one that does not come in time is a failure.
pub struct Lines(Receiver<io::Result<String>>);

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        // Bounded, for tests of a program whose output nobody reads.
        let (sender, lines) = mpsc::sync_channel(1);
        thread::spawn(move || BufReader::new(pipe).lines().try_for_each(|line| sender.send(line)));
        Self(lines)
    }
}

impl Iterator for Lines {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no line came within {PATIENCE:?}"),
        }
    }
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Self { child, stdout, stderr }
    }

    /// The next line of its output.
    pub fn line(&mut self) -> String {
        self.stdout.next().expect("it ended").unwrap()
    }

    /// Waits for a line on standard error with this text, and gives it.
    pub fn notice(&mut self, text: &str) -> String {
        self.stderr.by_ref().map(Result::unwrap).find(|line| line.contains(text)).expect("it ended")
    }

    /// The number of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, for example `TERM`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub fn end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `sse serve` on a free port.
pub struct Hub {
    pub program: Program,
    /// As `127.0.0.1:1234`.
    pub address: String,
}

impl Hub {
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_with(sse(&["serve", "--listen", "127.0.0.1:0"]), arguments)
    }

    pub fn start_with(mut command: Command, arguments: &[&str]) -> Self {
        command.args(arguments);
        let mut program = Program::start(command);
        let line = program.line();
        let address = line.split_once("http://").and_then(|(_, rest)| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("there is no address in {line:?}")).to_owned();
        Self { program, address }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Publishes an event to a topic, and gives its id.
    pub fn publish(&self, topic: &str, data: &str) -> String {
        let answer = self.post(&format!("/topics/{topic}"), &[], data);
        let id = answer.split_once("\"id\":\"").unwrap_or_else(|| panic!("{answer}")).1;
        id.split('"').next().unwrap().to_owned()
    }

    /// Posts a body, and gives the whole answer.
    pub fn post(&self, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> String {
        self.request("POST", path, headers, body)
    }

    /// Sends a `GET`, and returns the whole answer. The server must end it by itself.
    pub fn get(&self, path: &str, headers: &[&str]) -> String {
        self.request("GET", path, headers, "")
    }

    /// Sends a request, and gives the whole answer.
    pub fn request(&self, method: &str, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> String {
        let mut stream = self.send(method, path, headers, body);
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Sends a request, and gives the connection.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (body, address) = (body.as_ref(), &self.address);
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|header| header.starts_with("Host:")) {
            head += &format!("Host: {address}\r\n");
        }
        for header in headers {
            head += &format!("{header}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
    }
}

/// An event stream that is read block by block. Its chunks are small, so each block is whole within one.
pub struct Stream(BufReader<TcpStream>);

impl Stream {
    /// Opens one, and reads the head of the response.
    pub fn open(hub: &Hub, path: &str, headers: &[&str]) -> Self {
        let mut reader = BufReader::new(hub.send("GET", path, headers, ""));
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
        }
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(head.contains("content-type: text/event-stream\r\n"), "{head}");
        Self(reader)
    }

    /// Opens one that begins at the end of the topic, and waits for its place there.
    pub fn at_the_end(hub: &Hub, path: &str) -> (Self, String) {
        let mut stream = Self::open(hub, path, &[]);
        let opening = stream.block();
        let id = opening.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
        (stream, id)
    }

    /// The next block, without the sizes of its chunks.
    pub fn block(&mut self) -> String {
        let mut block = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended in {block:?}");
            if line == "\n" {
                return block;
            }
            if !line.ends_with("\r\n") {
                block += &line;
            }
        }
    }

    /// The next event: blocks without data are passed over.
    pub fn event(&mut self) -> String {
        loop {
            let block = self.block();
            if block.contains("data:") {
                let fields = block.lines().filter(|line| !line.starts_with("id:") && !line.starts_with(':'));
                return fields.collect::<Vec<_>>().join("|");
            }
        }
    }

    /// Reads the rest of the stream.
    pub fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// Asserts that an answer has this status, and this text in its head or body.
#[track_caller]
pub fn assert_answers(answer: &str, status: u16, text: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains(text), "{answer}");
}

/// A Redis server in a folder of its own, without a port.
pub struct Redis {
    child: Child,
    _folder: tempfile::TempDir,
    pub url: String,
}

impl Redis {
    pub fn start() -> Self {
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let child = Command::new(&program)
            .args(["--port", "0", "--save", "", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; `cargo xtask test` installs it"));
        // The hubs wait for it.
        Self { child, url: format!("redis+unix://{}", socket.display()), _folder: folder }
    }
}

impl Redis {
    /// Sends it a signal, for example `STOP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
