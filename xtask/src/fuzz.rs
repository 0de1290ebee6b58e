//! The fuzz targets, by cargo-fuzz where there is a nightly toolchain; else their properties as plain tests.

use std::thread;

use crate::setup;
use crate::shell::{self, Failure};

/// How long each target runs if nothing is said.
pub(crate) const DEFAULT_SECONDS: u32 = 30;

const TARGETS: [&str; 6] = ["decode", "items", "lines", "storage", "limit", "round_trip"];

/// How many targets run at a time: each keeps one core busy.
const AT_ONCE: usize = 2;

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
    for pair in TARGETS.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let runs: Vec<_> = pair.iter().map(|target| scope.spawn(|| fuzz(target, seconds))).collect();
            runs.into_iter().try_for_each(|run| run.join().expect("a run does not panic"))
        })?;
    }
    Ok(())
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
