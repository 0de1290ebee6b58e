//! The step between two connections: decides whether another attempt follows, and when.
//!
//! Pure: time and chance are arguments. Nothing here reads a clock, a socket or a generator of random numbers.

mod attempts;
mod policy;
mod retry_after;

pub use self::attempts::Attempts;
pub use self::policy::{Cause, Decision, Reconnect};
pub(crate) use self::retry_after::retry_after;
