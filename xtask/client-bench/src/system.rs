//! How the machine is shared, and the clock of this process.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The CPU of the server.
pub(crate) const SERVER_CPU: usize = 0;

/// The CPU of the clients.
pub(crate) const CLIENT_CPU: usize = 1;

/// How many files a process needs: a socket for each of 5,000 sources, and some more.
pub(crate) const FILES: u64 = 6_500;

/// The CPU time of this process, in user mode and in the kernel.
pub(crate) fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("Linux has this clock").into()
}
