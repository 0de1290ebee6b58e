//! What can go wrong between a test and its browser.

use crate::NotFound;
use std::error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// The reason why a browser did not start, or did not do in time what a test asked for.
///
/// `Debug` gives the same text as `Display`, because a test's `unwrap` shows that text.
#[non_exhaustive]
pub enum Error {
    /// No browser was found.
    NotFound(NotFound),
    /// The browser could not be started: there is no temporary folder for its profile, or no `sh`.
    Start {
        /// The browser's program.
        program: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The browser has ended, or the program isn't a browser.
    Ended {
        /// The end of what it wrote to its standard error.
        stderr: String,
    },
    /// The expected thing did not happen in time.
    Timeout {
        /// The expected thing: the JavaScript expression, or the command of the protocol.
        waited_for: String,
        /// How long the test waited.
        timeout: Duration,
        /// The problem of the last attempt, such as an exception.
        obstacle: Option<String>,
    },
    /// The browser refused a command of the protocol.
    Refused {
        /// The command, such as `Runtime.evaluate`.
        command: &'static str,
        /// The browser's reason.
        reason: String,
    },
    /// The JavaScript expression threw, or the promise that it returned was rejected.
    Exception {
        /// The expression.
        expression: String,
        /// The exception's text, for an `Error` with its stack.
        text: String,
    },
    /// The address could not be opened.
    Navigation {
        /// The address.
        url: String,
        /// The browser's reason, such as `net::ERR_CONNECTION_REFUSED`.
        reason: String,
    },
    /// A screenshot could not be written.
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(error) => fmt::Display::fmt(error, f),
            Self::Start { program, source } => write!(f, "can't start {}: {source}", program.display()),
            Self::Ended { stderr } if stderr.is_empty() => {
                f.write_str("the browser has ended without a word")
            }
            Self::Ended { stderr } => write!(f, "the browser has ended; the last that it said:\n{stderr}"),
            Self::Timeout { waited_for, timeout, obstacle } => {
                write!(f, "waited {timeout:?} in vain for `{waited_for}`")?;
                obstacle.as_ref().map_or(Ok(()), |obstacle| write!(f, "; at last: {obstacle}"))
            }
            Self::Refused { command, reason } => write!(f, "the browser refused {command}: {reason}"),
            Self::Exception { expression, text } => write!(f, "`{expression}` threw {text}"),
            Self::Navigation { url, reason } => write!(f, "can't open {url}: {reason}"),
            Self::Write { path, source } => write!(f, "can't write {}: {source}", path.display()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::NotFound(error) => Some(error),
            Self::Start { source, .. } | Self::Write { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<NotFound> for Error {
    fn from(error: NotFound) -> Self {
        Self::NotFound(error)
    }
}
