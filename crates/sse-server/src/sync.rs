//! What publishers, subscribers and timers share: a lock, the wakers of waiting subscribers, and timers.

mod lock;
mod timer;
mod wakers;

pub(crate) use self::lock::{AtomicBool, AtomicU64, AtomicUsize, Exclusive, Mutex, MutexGuard};
pub(crate) use self::timer::{Delay, FAR, Pulse, far};
pub(crate) use self::wakers::{Ticket, Waiting, Wakers, addresses};
