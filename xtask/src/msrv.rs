//! The libraries and the program with the oldest Rust that they promise.

use crate::setup;
use crate::shell::{self, Failure};

pub(crate) fn run() -> Result<(), Failure> {
    let manifest = std::fs::read_to_string(shell::root().join("Cargo.toml"))?;
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.ok_or_else(|| Failure::new("Cargo.toml names no rust-version"))?.trim_matches('"');
    setup::toolchain(version)?;
    // Folders of their own, so that the builds of the two toolchains don't push each other out.
    let check = format!("cargo +{version} check --target-dir target/msrv --lib --examples");
    shell::run(&format!("{check} -p sse-codec --all-features"))?;
    shell::run(&format!("{check} -p sse-server --all-features"))?;
    shell::run(&format!("{check} -p sse-testing --all-features"))?;
    // Without TLS: it is reqwest's feature, and long to build.
    let features = "blocking,gzip,http2,json,system-proxy";
    shell::run(&format!("{check} -p sse-client --no-default-features --features {features}"))?;
    // The library alone, and without TLS, for the same reason.
    let check = format!("cargo +{version} check --target-dir target/msrv --lib");
    shell::run(&format!("{check} -p sse-redis --features cluster,sentinel,tracing"))?;
    shell::run(&format!("{check} -p sse-disk --features tracing"))?;
    // The README's first command needs no newer one either.
    shell::run(&format!("{check} --bins -p sse-cli"))
}
