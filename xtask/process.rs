//! What the benchmarks ask the operating system for: a CPU, open files, the memory that is used. Linux only.
//!
//! Each benchmark is a package of its own, and has this as a module.

use std::fmt::Display;
use std::fs;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::Result;

/// Keeps this process on these CPUs, and its threads to come.
pub(crate) fn pin(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().try_for_each(|cpu| set.set(*cpu))?;
    sched_setaffinity(Pid::from_raw(0), &set)
        .map_err(|error| format!("the CPUs {cpus:?} can't be had: {error}"))?;
    Ok(())
}

/// Lets this process and the ones that it starts open so many files.
pub(crate) fn allow_files(files: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= files {
        return Ok(());
    }
    // Raising the hard limit too is for root only.
    setrlimit(Resource::RLIMIT_NOFILE, files, hard.max(files))
        .map_err(|error| format!("a process must be allowed {files} open files, not {hard}: {error}"))?;
    Ok(())
}

/// The memory that a process has in RAM, in bytes: one of this number, or `self`. What the kernel holds for its
/// sockets is not in it.
pub(crate) fn resident_memory(process: impl Display) -> Result<u64> {
    // Exact, where /proc/…/status lags behind.
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no `Rss:`")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
