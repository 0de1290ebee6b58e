//! What the program asks of the system that systems do in their own ways.

use std::time::Duration;

/// Raises the bound of open files as far as this user may, and returns it; `None` if there is no bound.
#[cfg(unix)]
pub(crate) fn raise_file_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Some systems allow less than they say.
    if setrlimit(Resource::Nofile, raised).is_err() { limit.current } else { limit.maximum }
}

/// Returns `None`: Windows has no bound of open files.
#[cfg(not(unix))]
pub(crate) fn raise_file_limit() -> Option<u64> {
    None
}

/// The time that this process has had CPUs, if the system tells it.
#[cfg(unix)]
pub(crate) fn cpu_time() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};

    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
}

/// Returns `None`: Windows tells it only to unsafe code.
#[cfg(not(unix))]
pub(crate) fn cpu_time() -> Option<Duration> {
    None
}
