//! The codec's unit tests under Miri, where the nightly toolchain has it.

use crate::shell::{self, Failure};

pub(crate) fn run() -> Result<(), Failure> {
    if !shell::succeeds("cargo +nightly miri --version") {
        println!("There is no Miri (`rustup +nightly component add miri rust-src`): nothing to run.");
        return Ok(());
    }
    shell::run_with(
        // A folder of its own: Miri compiles for itself alone.
        "cargo +nightly miri test -p sse-codec --all-features --lib --target-dir target/miri",
        // The tests ask for random numbers, and each case takes seconds there.
        &[("MIRIFLAGS", "-Zmiri-disable-isolation"), ("PROPTEST_CASES", "4")],
    )
}
