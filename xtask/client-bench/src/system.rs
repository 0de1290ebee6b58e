//! What the operating system is asked for: CPUs, files, clocks, memory.

use std::fs;
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::Result;

/// The CPU of the server.
pub(crate) const SERVER_CPU: usize = 0;

/// The CPU of what is measured.
pub(crate) const CLIENT_CPU: usize = 1;

/// How many files a process needs: a socket for each of 5,000 sources, some epolls, and some.
const FILES: u64 = 6_500;

/// Keeps this process on one CPU, and its threads to come.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).map_err(|error| format!("CPU {cpu} can't be had: {error}"))?;
    Ok(())
}

/// Lets this process and the ones that it starts open as many files as there are sources.
pub(crate) fn allow_many_files() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= FILES {
        return Ok(());
    }
    // Raising the hard limit too is for root only.
    setrlimit(Resource::RLIMIT_NOFILE, FILES, hard.max(FILES))
        .map_err(|error| format!("a process must be allowed {FILES} open files, not {hard}: {error}"))?;
    Ok(())
}

/// The CPU time that this process has taken, in user mode and in the kernel.
pub(crate) fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("Linux has this clock").into()
}

/// The memory that this process has in RAM, in bytes. What the kernel holds for its sockets is not in it.
pub(crate) fn resident_memory() -> Result<u64> {
    // Exact, where /proc/self/status lags behind.
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no `Rss:`")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
