//! What differs between operating systems.

#[cfg(unix)]
pub(crate) use self::unix::{Descendants, cpu_time, raise_file_limit};
#[cfg(windows)]
pub(crate) use self::windows::{Descendants, cpu_time, raise_file_limit};

/// How many files a program needs beside one for each of its many connections.
const OTHER_FILES: u64 = 64;

/// Returns a warning if this number of subscribers needs more open files than the limit; `None` is no limit.
pub(crate) fn lack_of_files(subscribers: usize, limit: Option<u64>) -> Option<String> {
    let needed = (subscribers as u64).saturating_add(OTHER_FILES);
    let limit = limit.filter(|limit| needed > *limit)?;
    Some(format!(
        "{subscribers} subscribers need {needed} open files, and {limit} are allowed: raise the limit with `ulimit -n {needed}`"
    ))
}

#[cfg(unix)]
mod unix {
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::process::{
        Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process_group, setrlimit,
        waitid,
    };
    use rustix::time::{ClockId, clock_gettime};

    /// Raises the limit of open files as far as this user may, and returns it; `None` if there is no limit.
    pub(crate) fn raise_file_limit() -> Option<u64> {
        let limit = getrlimit(Resource::Nofile);
        if limit.current == limit.maximum {
            return limit.current;
        }
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        // Some systems allow less than they say.
        if setrlimit(Resource::Nofile, raised).is_err() { limit.current } else { limit.maximum }
    }

    /// Returns the CPU time of this process, if the system reports it.
    pub(crate) fn cpu_time() -> Option<Duration> {
        Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
    }

    /// A child that leads a process group, and all others of the group. When this is dropped, they end.
    #[derive(Debug)]
    pub(crate) struct Descendants(Option<Pid>);

    impl Descendants {
        /// Of a child that has not been waited for; `None` is a child that has ended.
        pub(crate) fn of(child: Option<u32>) -> Self {
            let id = child.and_then(|id| i32::try_from(id).ok());
            Self(id.and_then(Pid::from_raw))
        }

        /// Keeps them running when this is dropped.
        pub(crate) fn leave(mut self) {
            self.0 = None;
        }
    }

    impl Drop for Descendants {
        fn drop(&mut self) {
            /// How long they may take to end by themselves. The program has a second after a signal.
            const GRACE: Duration = Duration::from_millis(500);

            let Some(leader) = self.0 else { return };
            let _ = kill_process_group(leader, Signal::TERM);
            let start = Instant::now();
            // The leader is not reaped yet, so that its id is not reused before the others are killed.
            let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(leader), look), Ok(None)) && start.elapsed() < GRACE {
                thread::sleep(Duration::from_millis(5));
            }
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

#[cfg(windows)]
mod windows {
    use std::time::Duration;

    /// Returns `None`: Windows has no limit of open files.
    pub(crate) fn raise_file_limit() -> Option<u64> {
        None
    }

    /// Returns `None`: on Windows, only unsafe code can ask for it.
    pub(crate) fn cpu_time() -> Option<Duration> {
        None
    }

    /// The programs that a child has started. On Windows, they go on when the child is killed.
    #[derive(Debug)]
    pub(crate) struct Descendants;

    impl Descendants {
        pub(crate) fn of(_: Option<u32>) -> Self {
            Self
        }

        pub(crate) fn leave(self) {
            let Self = self;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_subscribers_than_files_are_told_with_the_numbers() {
        for (subscribers, limit, expected) in [
            (936, Some(1000), None),
            (1_000_000, None, None),
            (
                937,
                Some(1000),
                Some("937 subscribers need 1001 open files, and 1000 are allowed: raise the limit with"),
            ),
            (usize::MAX, Some(1000), Some("`ulimit -n 18446744073709551615`")),
        ] {
            let told = lack_of_files(subscribers, limit);
            assert_eq!(told.is_some(), expected.is_some(), "{told:?}");
            assert!(expected.is_none_or(|expected| told.as_ref().unwrap().contains(expected)), "{told:?}");
        }
    }
}
