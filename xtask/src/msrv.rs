//! The libraries and the program with the oldest Rust that they promise, and the libraries with the oldest dependencies.

use crate::setup;
use crate::shell::{self, Failure};

/// Where cargo reads and writes the versions of the oldest dependencies.
const OLDEST: &str = "--config resolver.lockfile-path='target/minimal/Cargo.lock'";

pub(crate) fn run() -> Result<(), Failure> {
    let manifest = std::fs::read_to_string(shell::root().join("Cargo.toml"))?;
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.ok_or_else(|| Failure::new("Cargo.toml names no rust-version"))?.trim_matches('"');
    setup::toolchain(version)?;
    // A folder of its own, so that the builds of the two toolchains don't push each other out. In one go, so that each
    // dependency is built once.
    let line = format!(
        "cargo +{version} check --target-dir target/msrv --workspace --exclude xtask --exclude browser-tests \
         --exclude test-support --lib --bins --examples --all-features"
    );
    shell::run_with(&line, &shell::NO_C)?;
    oldest_dependencies()
}

/// The libraries with the oldest versions that the manifests allow of what they depend on. Only the nightly cargo chooses
/// those.
fn oldest_dependencies() -> Result<(), Failure> {
    setup::toolchain("nightly")?;
    shell::run(&format!("cargo +nightly generate-lockfile --quiet -Z direct-minimal-versions {OLDEST}"))?;
    let line = format!(
        "cargo +nightly check --target-dir target/minimal --locked {OLDEST} -p sse-codec -p sse-server -p sse-client \
         -p sse-redis -p sse-disk -p sse-testing --all-features"
    );
    shell::run_with(&line, &shell::NO_C)
}
