//! The fuzz targets, by cargo-fuzz. Without a nightly toolchain, their properties run as tests.

use crate::setup;
use crate::shell::{self, Failure};

/// How long each target runs by default.
pub(crate) const DEFAULT_SECONDS: u32 = 30;

const TARGETS: [&str; 6] = ["decode", "items", "lines", "storage", "limit", "round_trip"];

pub(crate) fn run(seconds: u32) -> Result<(), Failure> {
    // On CI a missing part is a failure; elsewhere there is something to fall back on.
    if std::env::var_os("CI").is_some_and(|ci| ci == "true") {
        setup::toolchain("nightly")?;
    }
    if !shell::succeeds("rustup run nightly rustc --version") {
        println!(
            "There is no nightly toolchain (`rustup toolchain install nightly`): the properties run as tests."
        );
        // About what fits into the time on one core.
        let cases = (seconds * 2_000).to_string();
        return shell::run_with(
            "cargo test --release -p sse-codec --all-features --test properties",
            &[("PROPTEST_CASES", &cases)],
        );
    }
    setup::cargo_tool("cargo-fuzz")?;
    // All are built at once, so that each run only runs.
    shell::run("cargo +nightly fuzz build")?;
    // One at a time: another task runs beside this one on CI.
    TARGETS.iter().try_for_each(|target| fuzz(target, seconds))
}

/// Runs one target for so long.
fn fuzz(target: &str, seconds: u32) -> Result<(), Failure> {
    // New inputs go to the first folder; the seeds in the second one stay as they are committed.
    let corpus = format!("fuzz/corpus/{target}");
    std::fs::create_dir_all(shell::root().join(&corpus))?;
    shell::run(&format!(
        "cargo +nightly fuzz run {target} {corpus} fuzz/seeds -- -max_total_time={seconds} -max_len=4096 -print_final_stats=1 -verbosity=0"
    ))
}
