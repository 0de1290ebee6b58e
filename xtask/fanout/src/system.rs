//! How the machine is shared, and its clocks.

use std::fs;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::Result;

/// The CPU of the server under test. No other part of this benchmark runs on it.
pub(crate) const SERVER_CPU: usize = 0;

/// The CPU of all subscribers. A server of two threads uses it too.
pub(crate) const LOAD_CPU: usize = 1;

/// How many files a process with `subscribers` subscribers needs: a socket for each, and some more.
pub(crate) const fn files(subscribers: usize) -> u64 {
    subscribers as u64 + 500
}

/// The time in nanoseconds, by a clock that all processes share.
pub(crate) fn now() -> u64 {
    nanoseconds(read(ClockId::CLOCK_MONOTONIC))
}

/// The CPU time of all threads of a process, in user mode and in the kernel.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let pid = Pid::from_raw(pid.try_into()?);
    // The same as in /proc/PID/stat, in nanoseconds instead of ticks of 10 ms.
    Ok(clock_gettime(nix::time::clock_getcpuclockid(pid)?)?.into())
}

/// The CPU time of this process.
pub(crate) fn own_cpu_time() -> Duration {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// The memory of the kernel's own objects, in bytes: sockets, open files and all others.
pub(crate) fn kernel_memory() -> Result<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("Slab:")).ok_or("no `Slab:`")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("Linux has this clock").into()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("centuries")
}
