//! Errors of callers.

use std::error::Error as StdError;

/// An error of any type: a caller's own.
pub type BoxError = Box<dyn StdError + Send + Sync>;
