//! The step between two connections: decides whether and when another attempt follows.
//!
//! It is pure: the time and random numbers are arguments. It reads no clock, no socket and no generator of random
//! numbers.

mod policy;
mod reconnector;
mod retry_after;

pub use self::policy::{Cause, Decision, Reconnect};
pub use self::reconnector::Reconnector;
pub(crate) use self::retry_after::retry_after;
