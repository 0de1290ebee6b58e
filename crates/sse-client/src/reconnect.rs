//! The step between two connections: decides whether another attempt follows, and when.
//!
//! Pure: time and chance are arguments. Nothing here reads a clock, a socket or a generator of random numbers.

mod policy;
mod reconnector;
mod retry_after;

pub use self::policy::{Cause, Decision, Reconnect};
pub use self::reconnector::Reconnector;
pub(crate) use self::retry_after::retry_after;
