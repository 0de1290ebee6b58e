//! All tests. What they need is installed first.

mod executables;
mod pool;

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
    times::measure("test: run", || pool::run(&tests, &[BUILT]))?;
    times::measure("test: commands of the README", || readme::run(&executables::programs(&tests)?))?;
    times::measure("test: documentation", || shell::run("cargo test --workspace --all-features --doc"))?;
    times::measure("test: without features", || {
        // The encoder, as it is without an allocator.
        shell::run("cargo test -p sse-codec --no-default-features --tests")?;
        // The client without its features: what it says to `https`, and to what is compressed.
        shell::run("cargo test -p sse-client --no-default-features --test event_source --test refusals")
    })?;
    println!("\nAll tests passed.");
    Ok(())
}
