//! A server under test: a process of its own, told what to do by lines on its standard input.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use crate::contenders::Contender;
use crate::{Result, process, system};

/// A running server, which ends when this is dropped.
pub(crate) struct Server {
    process: Child,
    commands: ChildStdin,
    pub(crate) port: u16,
}

impl Server {
    /// Starts a server, which listens when this returns.
    pub(crate) fn start(contender: &Contender) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["server", contender.name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let commands = process.stdin.take().expect("piped");
        let mut port = String::new();
        BufReader::new(process.stdout.take().expect("piped")).read_line(&mut port)?;
        let port = port.trim().parse().map_err(|_| "the server did not start")?;
        Ok(Self { process, commands, port })
    }

    /// Makes it publish so many events at once, each with so many bytes of data.
    pub(crate) fn publish(&mut self, count: usize, payload: usize) -> Result<()> {
        // One write for the whole line.
        self.commands.write_all(format!("publish {count} {payload}\n").as_bytes())?;
        Ok(())
    }

    /// The CPU time that it has taken.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        system::cpu_time(self.process.id())
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
