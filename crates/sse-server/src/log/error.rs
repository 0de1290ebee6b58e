//! What goes wrong with a log.

use std::error::Error;
use std::fmt;

/// A log could not do what it was asked for.
#[derive(Debug)]
pub struct LogError {
    is_refused: bool,
    source: Box<dyn Error + Send + Sync>,
}

impl LogError {
    /// The log can't be reached, or has not answered. Whether it has done what it was asked for is not known.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { is_refused: false, source: source.into() }
    }

    /// The log has answered that it does not do it: it is full, or read-only, or the message is too large.
    pub fn refused(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { is_refused: true, source: source.into() }
    }

    /// Whether the log has answered, so that it is known that it has done nothing.
    pub fn is_refused(&self) -> bool {
        self.is_refused
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_refused, source } = self;
        if *is_refused {
            write!(f, "the log refuses: {source}")
        } else {
            write!(f, "the log can't be reached: {source}")
        }
    }
}

impl Error for LogError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The message has the error's own already.
        self.source.source()
    }
}
