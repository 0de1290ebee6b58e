//! Room for the descriptors of many connections.

/// Lets the process open many files without a pause each time that their number doubles.
///
/// Linux keeps a table of a process's descriptors, and doubles it when it is full. If the process has several threads,
/// the thread that needs the room waits for 10 to 20 ms, until no CPU uses the old table. So the first 1,000
/// connections took 47 ms instead of 27. This function opens and closes one descriptor with a high number, which gives
/// the table its size once.
#[cfg(target_os = "linux")]
pub(crate) fn make_room() {
    use std::fs::File;

    use rustix::io::fcntl_dupfd_cloexec;
    use rustix::process::{Resource, getrlimit};

    /// How many descriptors there is room for. The table takes 128 KiB of the kernel's memory.
    const ROOM: u64 = 16 * 1024;

    let highest = getrlimit(Resource::Nofile).current.unwrap_or(ROOM).min(ROOM).saturating_sub(1);
    // If this fails, connections are accepted with the pauses.
    if let (Ok(any), Ok(highest)) = (File::open("/dev/null"), i32::try_from(highest)) {
        let _ = fcntl_dupfd_cloexec(any, highest);
    }
}

/// No other system is known to pause.
#[cfg(not(target_os = "linux"))]
pub(crate) fn make_room() {}
