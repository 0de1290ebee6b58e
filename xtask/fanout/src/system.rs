//! What the operating system is asked for: CPUs, files, clocks.

use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::Result;

/// The CPU of the server under test, and of nothing else of this benchmark.
pub(crate) const SERVER_CPU: usize = 0;

/// The CPU of all subscribers.
pub(crate) const LOAD_CPU: usize = 1;

/// How many files a process needs: a socket for each of 10,000 subscribers, and some.
const FILES: u64 = 10_500;

/// Keeps this process on one CPU, and its threads to come.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut cpus = CpuSet::new();
    cpus.set(cpu)?;
    sched_setaffinity(Pid::from_raw(0), &cpus).map_err(|error| format!("CPU {cpu} can't be had: {error}"))?;
    Ok(())
}

/// Lets this process and the ones that it starts open as many files as there are subscribers.
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

/// The time in nanoseconds, by a clock that all processes share.
pub(crate) fn now() -> u64 {
    nanoseconds(read(ClockId::CLOCK_MONOTONIC))
}

/// The CPU time that a process has taken, in user mode and in the kernel, all its threads together.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    let pid = Pid::from_raw(pid.try_into()?);
    // As in /proc/PID/stat, but in nanoseconds instead of in ticks of 10 ms.
    Ok(clock_gettime(nix::time::clock_getcpuclockid(pid)?)?.into())
}

/// The CPU time that this process has taken.
pub(crate) fn own_cpu_time() -> Duration {
    read(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

fn read(clock: ClockId) -> Duration {
    clock_gettime(clock).expect("Linux has this clock").into()
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("centuries")
}
