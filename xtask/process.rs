//! Operating system functions of the benchmarks: CPUs, open files, resident memory. Linux only.
//!
//! Each benchmark is a package of its own, and includes this file as a module.

use std::fmt::Display;
use std::fs;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

use crate::Result;

/// Binds this process and its future threads to these CPUs.
pub(crate) fn pin(cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    cpus.iter().try_for_each(|cpu| set.set(*cpu))?;
    sched_setaffinity(Pid::from_raw(0), &set)
        .map_err(|error| format!("the CPUs {cpus:?} can't be had: {error}"))?;
    Ok(())
}

/// Lets this process and its children open `files` files.
pub(crate) fn allow_files(files: u64) -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= files {
        return Ok(());
    }
    // Only root may raise the hard limit.
    setrlimit(Resource::RLIMIT_NOFILE, files, hard.max(files))
        .map_err(|error| format!("a process must be allowed {files} open files, not {hard}: {error}"))?;
    Ok(())
}

/// The resident memory of a process in bytes, without the kernel's memory for its sockets. `process` is a number or `self`.
pub(crate) fn resident_memory(process: impl Display) -> Result<u64> {
    // This is exact; /proc/…/status is updated late.
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no `Rss:`")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
