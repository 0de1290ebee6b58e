//! The server's locks and wakers in many orders of its threads, under the model checker shuttle.

use crate::shell::{self, Failure};
use crate::test::executables;

/// How many orders of each kind a test is run in: about 40 s for all.
pub(crate) const DEFAULT_ITERATIONS: u32 = 5_000;

pub(crate) fn run(iterations: u32) -> Result<(), Failure> {
    // The flag chooses the locks in `sync/lock.rs`. Only the tests themselves are compiled with it, so their dependencies
    // are those of all other tests.
    let tests = executables::of(
        "cargo rustc -p sse-server --lib --all-features --profile test \
         --message-format json-render-diagnostics -- --cfg shuttle",
    )?;
    let [test] = &tests[..] else { return Err(Failure::new("the build makes one program with tests")) };
    shell::run_with(
        &format!("{} interleavings", test.program.display()),
        &[("ITERATIONS", &iterations.to_string())],
    )
}
