//! Why the program ends before its work is done.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::visible::Visible;

/// One line that says what is wrong and what to do, and the code that scripts see.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    text: String,
}

/// The exit codes; `sse --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Who reads the output has gone: there is nothing more to do.
    Unread = 0,
    /// The network, the system or another program failed.
    Failed = 1,
    /// The arguments, or what they name, are wrong.
    Usage = 2,
    /// The server answered, and refused.
    Refused = 3,
    /// The time is up.
    TimedOut = 4,
    /// Events were lost or doubled, an answer was cut off, or a directory is damaged.
    Incomplete = 5,
    /// SIGHUP: the terminal has gone. The shells' codes for signals are 128 and the signal's number.
    HungUp = 129,
    /// SIGINT: Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// The code of a program that a signal has ended.
    pub(crate) fn of_signal(number: u8) -> Self {
        match number {
            1 => Self::HungUp,
            15 => Self::Terminated,
            _ => Self::Interrupted,
        }
    }
}

impl Failure {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: text.into() }
    }

    /// The arguments, or what they name, are wrong.
    pub(crate) fn usage(text: impl Into<String>) -> Self {
        Self::new(Exit::Usage, text)
    }

    /// The network, the system or another program failed.
    pub(crate) fn failed(text: impl Into<String>) -> Self {
        Self::new(Exit::Failed, text)
    }

    /// Output that can't be written. Who closes a pipe early, as `head` does, has seen enough.
    pub(crate) fn output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Unread, ""),
            _ => Self::failed(format!("the output can't be written: {error}")),
        }
    }

    /// A signal ended the program: there is nothing to say.
    pub(crate) fn signal(number: u8) -> Self {
        Self::new(Exit::of_signal(number), "")
    }

    /// The code that scripts see.
    #[cfg(test)]
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Tells the user, if there is something to tell, and gives the code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.text.is_empty() {
            tell(&format!("sse: {self}"));
        }
        ExitCode::from(self.exit as u8)
    }
}

/// Writes a line to standard error. Nobody may be there to read it, which is no reason to stop.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A server, or a file, may have had a part in it.
        Visible(&self.text).fmt(f)
    }
}
