//! Errors of any type.

use std::error::Error as StdError;

/// An error of any type, such as one of the caller.
pub type BoxError = Box<dyn StdError + Send + Sync>;
