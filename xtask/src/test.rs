//! Runs all tests. Programs that they need are installed first.

pub(crate) mod executables;
mod pool;

use std::thread;

use crate::shell::{self, Failure};
use crate::{readme, setup, times};

/// The variable by which tests know that the programs and examples which they run are built.
const BUILT: (&str, &str) = ("SSE_PROGRAMS_BUILT", "1");

pub(crate) fn run() -> Result<(), Failure> {
    times::measure("test: what is missing is installed", || {
        setup::browser()?;
        setup::redis()?;
        setup::nginx()?;
        setup::curl_and_systemd()?;
        setup::promtool()
    })?;
    // Unit, integration and browser tests, and the examples.
    let tests = times::measure("test: build", executables::build)?;
    times::measure("test: run", || {
        // Tests that wait for the clock leave the processors to the builds.
        thread::scope(|scope| {
            let others = scope.spawn(build_and_run_others);
            let result = times::measure_beside("  built above", || pool::run(&tests, &[BUILT]));
            result.and(others.join().expect("no task panics"))
        })
    })?;
    times::measure("test: commands of the README", || readme::run(&executables::programs(&tests)?))?;
    println!("\nAll tests passed.");
    Ok(())
}

/// Runs the tests that need builds of their own.
fn build_and_run_others() -> Result<(), Failure> {
    times::measure_beside("  documentation", || {
        shell::run_quietly("cargo test --workspace --all-features --doc")
    })?;
    times::measure_beside("  without features", || {
        // The encoder without an allocator.
        shell::run_quietly("cargo test -p sse-codec --no-default-features --tests")?;
        // The client without its features: its errors for `https` and for compressed responses.
        shell::run_quietly(
            "cargo test -p sse-client --no-default-features --test event_source --test refusals",
        )
    })
}
