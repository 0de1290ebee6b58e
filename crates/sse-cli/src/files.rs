//! How many files, and so connections, the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the bound of open files as far as this user may, and returns it; `None` if there is no bound.
pub(crate) fn raise_limit() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return limit.current;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Some systems allow less than they say.
    if setrlimit(Resource::Nofile, raised).is_err() { limit.current } else { limit.maximum }
}
