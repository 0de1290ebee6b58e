//! A real Redis, with a port and a folder of its own, and helpers for its clients.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test file uses a part of this")]

pub mod example;
pub mod proxy;
pub mod running;
pub mod subscriber;

use std::collections::{BTreeSet, HashMap};
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{self, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use self::running::Running;

/// How long to wait. It is long, because only a failing test waits for it.
pub const SOON: Duration = Duration::from_secs(30);

/// Waits until a condition is true.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < SOON, "not within {SOON:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A Redis server, which is stopped when this value is dropped.
#[derive(Debug)]
pub struct Redis {
    process: Running,
    pub port: u16,
    folder: TempDir,
    settings: Vec<String>,
}

impl Redis {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with these settings, such as `["--maxmemory", "4mb"]`.
    pub fn start_with(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
        // Another process may take the port between the search for a free port and the start.
        for _ in 0..10 {
            let port = free_port();
            if let Some(process) = launch(port, &folder, &settings) {
                return Self { process, port, folder, settings };
            }
        }
        panic!("no Redis server could be started");
    }

    pub fn url(&self) -> String {
        format!("redis://{}:{}/", host(), self.port)
    }

    /// Kills the server at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again, with the data that it has saved.
    pub fn start_again(&mut self) {
        let Self { process, port, folder, settings } = self;
        process.launch_again(|| launch(*port, folder, settings));
    }

    /// Removes all data that the server has saved. The server must not run.
    pub fn wipe(&self) {
        for file in fs::read_dir(self.folder.path()).expect("the server has a folder") {
            let path = file.expect("a file").path();
            let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.expect("the file can be removed");
        }
    }

    /// Returns the append-only file.
    pub fn file(&self) -> PathBuf {
        // Redis 6 has one file, and later versions have a folder.
        let folder = self.folder.path().join("appendonlydir");
        let Ok(files) = fs::read_dir(folder) else { return self.folder.path().join("appendonly.aof") };
        let mut files = files.map(|file| file.expect("a file").path());
        files.find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("it appends to a file")
    }

    pub fn signal(&self, signal: &str) {
        let done = Command::new("kill").args([signal, &self.process.0.id().to_string()]).status();
        assert!(done.expect("`kill` can be started").success());
    }

    /// Returns the response to a command.
    pub fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let client = redis::Client::open(self.url()).expect("a URL");
        let mut connection = client.get_connection().expect("a connection");
        let (name, arguments) = command.split_first().expect("a command");
        redis::cmd(name).arg(arguments).query(&mut connection).expect("Redis responds")
    }

    /// Returns the ids and fields of the entries of a stream, oldest first.
    pub fn entries(&self, stream: &str) -> Vec<(String, HashMap<String, String>)> {
        self.ask(&["XRANGE", stream, "-", "+"])
    }

    /// Returns the entries of the stream that count: from the newest one back, each is the `previous` of the next.
    pub fn linked_entries(&self, stream: &str) -> Vec<(String, HashMap<String, String>)> {
        let mut entries = self.entries(stream);
        let mut known: Option<String> = None;
        entries.reverse();
        entries.retain(|(id, fields)| {
            let counts = known.as_ref().is_none_or(|known| known == id);
            if counts {
                known = Some(fields["previous"].clone());
            }
            counts
        });
        entries.reverse();
        entries
    }

    /// Returns how often a command was run, by `INFO commandstats`.
    pub fn calls(&self, command: &str) -> u64 {
        let info: String = self.ask(&["INFO", "commandstats"]);
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().expect("a number").parse().expect("a number"))
    }
}

/// Returns a loopback address that only this process uses. So no other process takes a port during a restart.
pub fn host() -> &'static str {
    static HOST: LazyLock<String> = LazyLock::new(|| match process::id().to_be_bytes() {
        [_, high, middle, low] if cfg!(target_os = "linux") => format!("127.{}.{middle}.{low}", high | 0x80),
        _ => "127.0.0.1".to_owned(),
    });
    &HOST
}

/// Returns a free port, which no server of this process and no outgoing connection gets later.
pub fn free_port() -> u16 {
    static TAKEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let ports = std::iter::repeat_with(|| fastrand::u16(10_000..22_000)).take(1000);
    let mut free = ports.filter(|&port| {
        TcpListener::bind((host(), port)).is_ok() && TAKEN.lock().expect("nobody panics").insert(port)
    });
    free.next().expect("a free port")
}

/// Starts a server, which saves every write before it responds. Returns `None` if it ends before it is ready.
fn launch(port: u16, folder: &TempDir, settings: &[String]) -> Option<Running> {
    let program = env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    let mut process = Command::new(&program)
        .args(["--bind", host(), "--port", &port.to_string(), "--save", "", "--appendonly", "yes"])
        .args(["--appendfsync", "always", "--dir"])
        .arg(folder.path())
        .args(settings)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("`{program}` could not be started ({error}): `cargo xtask test` installs it, or set REDIS_SERVER")
        });
    let output = BufReader::new(process.stdout.take().expect("its output is a pipe"));
    let mut lines = output.lines().map_while(Result::ok);
    if lines.any(|line| line.contains("Ready to accept connections")) {
        // The output is read to its end, because a full pipe would stop the server.
        thread::spawn(move || lines.for_each(drop));
        return Some(Running(process));
    }
    process.wait().expect("the process ends");
    None
}
