//! Installs what a task needs and the machine lacks, or says how to.

use crate::shell::{self, Failure};

/// A browser for the browser tests.
pub(crate) fn browser() -> Result<(), Failure> {
    /// The names under which the tests look for it.
    const NAMES: [&str; 5] =
        ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

    if is_theirs("CHROMIUM") || NAMES.iter().any(|name| shell::succeeds(&format!("{name} --version"))) {
        return Ok(());
    }
    install(
        "chromium",
        "the browser tests need Chromium",
        "install it, or set CHROMIUM to the path of a Chromium or Chrome",
    )
}

/// A Redis server for the tests of the log.
pub(crate) fn redis() -> Result<(), Failure> {
    if is_theirs("REDIS_SERVER") || shell::succeeds("redis-server --version") {
        return Ok(());
    }
    install(
        "redis-server",
        "the tests of sse-redis need a Redis server",
        "install it, or set REDIS_SERVER to the path of one, of Redis or Valkey",
    )
}

/// An nginx for the tests of the hub behind a proxy.
pub(crate) fn nginx() -> Result<(), Failure> {
    if is_theirs("NGINX") || shell::succeeds("nginx -v") {
        return Ok(());
    }
    install("nginx-light", "the tests of the hub need nginx", "install it, or set NGINX to the path of one")
}

/// What the tests of the hub speak https with, and what checks its unit file.
pub(crate) fn curl_and_systemd() -> Result<(), Failure> {
    for (program, package) in [("curl", "curl"), ("systemd-analyze", "systemd")] {
        if cfg!(not(target_os = "linux")) || shell::succeeds(&format!("{program} --version")) {
            continue;
        }
        install(package, &format!("the tests of the hub need {program}"), "install it")?;
    }
    Ok(())
}

/// The checker of Prometheus for the hub's metrics.
pub(crate) fn promtool() -> Result<(), Failure> {
    if is_theirs("PROMTOOL") || shell::succeeds("promtool --version") {
        return Ok(());
    }
    install(
        "prometheus",
        "the tests of the hub need promtool",
        "install Prometheus, or set PROMTOOL to the path of one",
    )
}

/// Returns whether the tests themselves say what is missing: if a variable names the program, or outside of Linux.
fn is_theirs(variable: &str) -> bool {
    std::env::var_os(variable).is_some() || cfg!(not(target_os = "linux"))
}

/// Installs a package of Debian's, or of a system that is like it. The error says what needs it, and what to do.
fn install(package: &str, need: &str, advice: &str) -> Result<(), Failure> {
    println!("This machine lacks the package {package}: installing it.");
    apt_get(package).map_err(|failure| {
        Failure::new(format!("{need}, and it could not be installed ({failure}); {advice}"))
    })
}

fn apt_get(package: &str) -> Result<(), Failure> {
    let sudo = if shell::succeeds("test -w /usr/bin") { "" } else { "sudo -n " };
    shell::run(&format!("{sudo}apt-get update"))?;
    shell::run(&format!("{sudo}apt-get install -y --no-install-recommends {package}"))
}

/// A target of the compiler.
pub(crate) fn target(target: &str) -> Result<(), Failure> {
    if shell::output("rustup target list --installed")?.lines().any(|line| line == target) {
        return Ok(());
    }
    shell::run(&format!("rustup target add {target}"))
}

/// A toolchain, with nothing but what compiles.
pub(crate) fn toolchain(version: &str) -> Result<(), Failure> {
    if shell::succeeds(&format!("rustup run {version} rustc --version")) {
        return Ok(());
    }
    shell::run(&format!("rustup toolchain install {version} --profile minimal"))
}

/// Components of the toolchain in use.
pub(crate) fn components(names: &[&str]) -> Result<(), Failure> {
    let missing: Vec<&str> =
        names.iter().copied().filter(|name| !shell::succeeds(&format!("cargo {name} --version"))).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        shell::run(&format!("rustup component add {}", missing.join(" ")))
    }
}

/// A subcommand of cargo, from the registry.
pub(crate) fn cargo_tool(name: &str) -> Result<(), Failure> {
    if shell::succeeds(&format!("cargo {} --version", name.trim_start_matches("cargo-"))) {
        return Ok(());
    }
    // Each runs for a second or two, and takes minutes to build with optimizations. Nobody debugs it.
    shell::run_with(&format!("cargo install --locked --debug {name}"), &[("CARGO_PROFILE_DEV_DEBUG", "0")])
}
