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
    /// The reader of the output has closed the pipe: there is nothing more to do.
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
    /// SIGHUP: the terminal was closed. For a signal, shells give 128 plus its number.
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

    /// Returns the failure of output that can't be written. A reader that closes the pipe early, as `head` does, has
    /// seen enough.
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

    /// Prints the message, if there is one, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.text.is_empty() {
            tell(&format!("sse: {self}"));
        }
        ExitCode::from(self.exit as u8)
    }
}

/// Writes a line to standard error. An error is ignored: nobody may read it.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Parts of the text may come from a server or a file.
        Visible(&self.text).fmt(f)
    }
}
