//! Format, lints, documentation, and the boundaries of the design.

use serde_json::Value;

use crate::shell::{self, Failure};
use crate::{cryptography, features, guide, layout, pages, setup, times};

/// Which crates of the workspace a crate may depend on. Tests and examples may use any.
const DIRECTIONS: [(&str, &[&str]); 11] = [
    ("sse-codec", &[]),
    ("sse-server", &["sse-codec"]),
    ("sse-client", &["sse-codec"]),
    ("sse-redis", &["sse-server"]),
    ("sse-disk", &["sse-server"]),
    ("sse-testing", &["sse-codec", "sse-server"]),
    ("sse-cli", &["sse-server", "sse-client", "sse-redis", "sse-disk"]),
    ("browser-tests", &[]),
    ("guide", &["sse-server", "sse-client", "sse-redis", "sse-disk"]),
    ("test-support", &[]),
    ("xtask", &[]),
];

/// What `sse-codec` may depend on without its features.
const CODEC_NEEDS: [&str; 1] = ["memchr"];

/// Packages outside of the workspace.
const OUTSIDE: [&str; 7] = [
    "fuzz",
    "xtask/bench",
    "xtask/fanout",
    "xtask/client-bench",
    "xtask/frameworks",
    "xtask/log",
    "xtask/stores",
];

/// The target of programs that run in browsers.
const BROWSER: &str = "wasm32-unknown-unknown";

/// A target without an operating system and without an allocator.
const BARE_METAL: &str = "thumbv7em-none-eabihf";

/// Windows.
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// macOS.
const MACOS: &str = "aarch64-apple-darwin";

/// The libraries, whose documentation is also built with their default features.
const LIBRARIES: [&str; 6] =
    ["sse-codec", "sse-server", "sse-client", "sse-redis", "sse-disk", "sse-testing"];

pub(crate) fn run() -> Result<(), Failure> {
    setup::components(&["fmt", "clippy"])?;
    times::measure("tidy: format", format)?;
    times::measure("tidy: lints", || {
        shell::run("cargo clippy --workspace --all-features --all-targets -- -D warnings")
    })?;
    times::measure("tidy: lints by feature", features::lints)?;
    times::measure("tidy: lints for other systems", other_systems)?;
    times::measure("tidy: documentation", documentation)?;
    times::measure("tidy: directions, pages and layout", || {
        directions()?;
        cryptography::run()?;
        pages::run()?;
        guide::run()?;
        layout::run()
    })
}

fn format() -> Result<(), Failure> {
    shell::run("cargo fmt --all --check")?;
    OUTSIDE.iter().try_for_each(|package| {
        shell::run(&format!(
            "cargo fmt --check --manifest-path {package}/Cargo.toml -- --config-path rustfmt.toml"
        ))
    })
}

/// The libraries and the program, on systems that no test runs on.
fn other_systems() -> Result<(), Failure> {
    setup::target(BROWSER)?;
    shell::run(&format!(
        "cargo clippy -p sse-client --no-default-features --features json --target {BROWSER} -- -D warnings"
    ))?;
    shell::run(&format!("cargo clippy -p guide --bin wasm --target {BROWSER} -- -D warnings"))?;
    setup::target(BARE_METAL)?;
    shell::run(&format!("cargo build -p sse-codec --no-default-features --target {BARE_METAL}"))?;
    setup::target(WINDOWS)?;
    setup::target(MACOS)?;
    // Both at once, so that the last crates of one are checked beside the dependencies of the other.
    let line = format!("cargo clippy -p sse-cli --target {WINDOWS} --target {MACOS} -- -D warnings");
    shell::run_with(&line, &shell::NO_C)
}

/// The documentation, with all features and with those that are on by default.
fn documentation() -> Result<(), Failure> {
    let flags = [("RUSTDOCFLAGS", "-D warnings")];
    shell::run_with("cargo doc --workspace --no-deps --all-features", &flags)?;
    // One by one: together, each would have the features that another one needs of it.
    LIBRARIES
        .iter()
        .try_for_each(|library| shell::run_with(&format!("cargo doc -p {library} --no-deps"), &flags))
}

fn directions() -> Result<(), Failure> {
    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    for package in packages {
        let name = text(&package["name"]);
        let Some((_, allowed)) = DIRECTIONS.iter().find(|(crate_name, _)| *crate_name == name) else {
            return Err(Failure::new(format!("`{name}` has no direction: add it to xtask/src/tidy.rs")));
        };
        for needed in needed(package) {
            let ours = packages.iter().any(|package| package["name"] == needed);
            if ours && !allowed.contains(&needed) {
                return Err(Failure::new(format!("`{name}` must not depend on `{needed}`")));
            }
            if name == "sse-codec" && !CODEC_NEEDS.contains(&needed) {
                return Err(Failure::new(format!("`sse-codec` must not need `{needed}`: make it a feature")));
            }
        }
    }
    Ok(())
}

/// What a package depends on outside of tests, whatever its features.
fn needed(package: &Value) -> impl Iterator<Item = &str> {
    let dependencies = package["dependencies"].as_array().into_iter().flatten();
    let needed =
        dependencies.filter(|dependency| dependency["kind"] != "dev" && dependency["optional"] != true);
    needed.map(|dependency| text(&dependency["name"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
