//! The benchmarks. The packages that pull in the peers are outside of the workspace.

use crate::shell::{self, Failure};

/// `sse-codec` beside its peers, in one run: tables of times and ratios. The arguments are the program's own.
///
/// It is measured with Cargo's default release profile, and with the settings for the fastest code. The tables name the
/// profile.
pub(crate) fn codec(arguments: &[&str]) -> Result<(), Failure> {
    for profile in ["release", "lto"] {
        run_with_profile("xtask/bench", profile, arguments)?;
    }
    Ok(())
}

/// `sse-server` beside its peers: one event to many subscribers, some minutes; the memory of idle subscribers;
/// the instructions of a delivery. Linux only.
pub(crate) fn fanout(arguments: &[&str]) -> Result<(), Failure> {
    run("xtask/fanout", arguments)
}

/// `sse-client` beside reqwest alone and its peers: bodies at full speed, and idle sources. Some minutes, Linux only.
pub(crate) fn client(arguments: &[&str]) -> Result<(), Failure> {
    run("xtask/client-bench", arguments)
}

/// The stores that `sse-disk` could be built on, on its work: some minutes. Linux only.
pub(crate) fn stores(arguments: &[&str]) -> Result<(), Failure> {
    run("xtask/stores", arguments)
}

/// `sse-disk` beside its peers: appends, durable POSTs, resumes, large logs. Some minutes each. Linux only.
pub(crate) fn log(arguments: &[&str]) -> Result<(), Failure> {
    run("xtask/log", arguments)
}

fn run(package: &str, arguments: &[&str]) -> Result<(), Failure> {
    run_with_profile(package, "release", arguments)
}

fn run_with_profile(package: &str, profile: &str, arguments: &[&str]) -> Result<(), Failure> {
    let arguments = arguments.join(" ");
    shell::run(&format!("cargo run --profile {profile} --manifest-path {package}/Cargo.toml -- {arguments}"))
}
