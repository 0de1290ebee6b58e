//! The error of opening a log.

use std::error::Error;
use std::fmt;

use sse_server::log::LogError;

/// The reason why a log could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The namespace is empty, or contains a brace.
    Namespace,
    /// The URL can't be used.
    Address(redis::RedisError),
    /// Redis can't be reached, or refuses: a password is missing, or a key with the stream's name has another type.
    Log(LogError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace => f.write_str("the namespace must have at least one character, and no braces"),
            Self::Address(error) => write!(f, "the address of Redis can't be used: {error}"),
            Self::Log(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Namespace => None,
            // The message of the error contains its source already.
            Self::Address(error) => error.source(),
            Self::Log(error) => error.source(),
        }
    }
}
