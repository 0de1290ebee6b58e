//! A program of the guide that runs, and is killed with the test.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use crate::SOON;

pub(crate) struct Program {
    child: Child,
    /// Kept, because a program whose output nobody reads may end.
    _stdout: BufReader<ChildStdout>,
    address: String,
}

impl Program {
    /// Starts a program on a free port, with these arguments after the address.
    pub(crate) fn start(path: &str, arguments: &[&OsStr]) -> Self {
        Self::start_with(path, arguments, &[])
    }

    /// The same, with variables of the environment.
    pub(crate) fn start_with(path: &str, arguments: &[&OsStr], variables: &[(&str, &str)]) -> Self {
        Self::try_start(path, "127.0.0.1:0", arguments, variables).expect("the program prints its address")
    }

    /// Kills the program and starts it again on the same port.
    pub(crate) fn restart(&mut self, path: &str, arguments: &[&OsStr]) {
        self.kill();
        let begun = Instant::now();
        // A connection of another program may hold the port for a moment.
        *self = loop {
            if let Some(program) = Self::try_start(path, &self.address, arguments, &[]) {
                break program;
            }
            assert!(begun.elapsed() < SOON, "the program does not start again");
        };
    }

    fn try_start(
        path: &str,
        address: &str,
        arguments: &[&OsStr],
        variables: &[(&str, &str)],
    ) -> Option<Self> {
        let mut command = Command::new(path);
        command.arg(address).args(arguments).envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program is built");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output can be read");
        let Some((_, address)) = line.trim_end().split_once("http://") else {
            child.wait().expect("a program that prints nothing has ended");
            return None;
        };
        let address = address.trim_end_matches('/').to_owned();
        Some(Self { child, _stdout: stdout, address })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn kill(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
