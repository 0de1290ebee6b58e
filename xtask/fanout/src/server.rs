//! A server under test: a process of its own, told what to do by lines on its standard input.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::contenders::Contender;
use crate::{Result, process, system};

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    commands: ChildStdin,
    pub(crate) port: u16,
    redis: Option<Redis>,
}

/// The Redis server of a server that needs one. It has no CPU of its own, and saves nothing.
struct Redis {
    process: Child,
    url: String,
}

/// Where a server is told of its Redis.
const REDIS_URL: &str = "SSE_FANOUT_REDIS";

/// The URL of the server's Redis.
pub(crate) fn redis_url() -> Result<String> {
    Ok(std::env::var(REDIS_URL)?)
}

impl Server {
    /// Starts a server, which listens when this returns.
    pub(crate) fn start(contender: &Contender) -> Result<Self> {
        let redis = if contender.needs_redis { Some(Redis::start()?) } else { None };
        let mut process = Command::new(std::env::current_exe()?)
            .args(["server", contender.name])
            .envs(redis.iter().map(|redis| (REDIS_URL, &redis.url)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = process.stdin.take().expect("piped");
        let mut port = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut port)?;
        let port = port.trim().parse().map_err(|_| "the server did not start")?;
        Ok(Self { process, commands, port, redis })
    }

    /// Makes it publish so many events at once, each with so many bytes of data.
    pub(crate) fn publish(&mut self, count: usize, payload: usize) -> Result<()> {
        // One write for the whole line.
        self.commands.write_all(format!("publish {count} {payload}\n").as_bytes())?;
        Ok(())
    }

    /// The CPU time that it has taken, with that of its Redis.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let own = system::cpu_time(self.process.id())?;
        let redis = self.redis.as_ref().map(|redis| system::cpu_time(redis.process.id())).transpose()?;
        Ok(own + redis.unwrap_or_default())
    }

    /// The memory that it has in RAM, in bytes. What the kernel holds for its sockets is not in it.
    pub(crate) fn resident_memory(&self) -> Result<u64> {
        process::resident_memory(self.process.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing can be done about a process that does not end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
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
        // Nothing can be done about a process that does not end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
