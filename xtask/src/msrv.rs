//! The libraries and the program with the oldest Rust that they promise.

use crate::setup;
use crate::shell::{self, Failure};

pub(crate) fn run() -> Result<(), Failure> {
    let manifest = std::fs::read_to_string(shell::root().join("Cargo.toml"))?;
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.ok_or_else(|| Failure::new("Cargo.toml names no rust-version"))?.trim_matches('"');
    setup::toolchain(version)?;
    // A folder of its own, so that the builds of the two toolchains don't push each other out. In one go, so that each
    // dependency is built once.
    shell::run(&format!(
        "cargo +{version} check --target-dir target/msrv --workspace --exclude xtask --exclude browser-tests \
         --lib --bins --examples --all-features"
    ))
}
