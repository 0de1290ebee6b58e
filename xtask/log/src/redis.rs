//! A Redis that writes its file of commands, in a directory of its own.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Result;

/// A running Redis, which ends when this is dropped.
pub(crate) struct Redis {
    process: Child,
    pub(crate) url: String,
}

impl Redis {
    /// Starts a Redis with this `appendfsync`. It listens when this returns.
    pub(crate) fn start(directory: &Path, flush: &str) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let mut process = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port, "--save", ""])
            .args(["--appendonly", "yes", "--appendfsync", flush])
            .arg("--dir")
            .arg(directory)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("redis-server could not be started: {error}"))?;
        let output = BufReader::new(process.stdout.take().expect("piped"));
        let mut lines = output.lines().map_while(std::result::Result::ok);
        if !lines.any(|line| line.contains("Ready to accept connections")) {
            return Err("redis-server did not start: is it installed?".into());
        }
        // Otherwise Redis ends when it writes the next line.
        std::thread::spawn(move || lines.for_each(drop));
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
