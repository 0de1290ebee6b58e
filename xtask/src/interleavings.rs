//! The server's locks and wakers in many orders of its threads, under the model checker shuttle.

use std::env;

use crate::shell::{self, Failure};

/// How many orders of each kind a test is run in: under a minute for all.
pub(crate) const DEFAULT_ITERATIONS: u32 = 5_000;

pub(crate) fn run(iterations: u32) -> Result<(), Failure> {
    // It chooses the locks in `sync.rs`. Flags that are set already stay.
    let flags = format!("{} --cfg shuttle", env::var("RUSTFLAGS").unwrap_or_default());
    shell::run_with(
        // A folder of its own: other flags would build all dependencies anew, there and back.
        "cargo test -p sse-server --lib --target-dir target/shuttle interleavings",
        &[("RUSTFLAGS", flags.trim_start()), ("ITERATIONS", &iterations.to_string())],
    )
}
