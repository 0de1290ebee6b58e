//! Format, lints, documentation, and the boundaries of the design.

use serde_json::Value;

use crate::shell::{self, Failure};
use crate::{guide, layout, setup};

/// Which crates of the workspace a crate may depend on. Tests and examples may use any.
const DIRECTIONS: [(&str, &[&str]); 10] = [
    ("sse-codec", &[]),
    ("sse-server", &["sse-codec"]),
    ("sse-client", &["sse-codec"]),
    ("sse-redis", &["sse-server"]),
    ("sse-disk", &["sse-server"]),
    ("sse-testing", &["sse-codec", "sse-server"]),
    ("sse-cli", &["sse-server", "sse-client", "sse-redis", "sse-disk"]),
    ("browser-tests", &[]),
    ("guide", &["sse-server", "sse-client", "sse-redis", "sse-disk"]),
    ("xtask", &[]),
];

/// What `sse-codec` may depend on without its features.
const CODEC_NEEDS: [&str; 1] = ["memchr"];

/// Packages outside of the workspace.
const OUTSIDE: [&str; 6] =
    ["fuzz", "xtask/bench", "xtask/fanout", "xtask/client-bench", "xtask/frameworks", "xtask/stores"];

/// The target of programs that run in browsers.
const BROWSER: &str = "wasm32-unknown-unknown";

/// A target without an operating system and without an allocator.
const BARE_METAL: &str = "thumbv7em-none-eabihf";

/// Windows, as Debian's cross compiler knows it.
const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// macOS.
const MACOS: &str = "aarch64-apple-darwin";

pub(crate) fn run() -> Result<(), Failure> {
    setup::components(&["fmt", "clippy"])?;
    shell::run("cargo fmt --all --check")?;
    for package in OUTSIDE {
        shell::run(&format!(
            "cargo fmt --check --manifest-path {package}/Cargo.toml -- --config-path rustfmt.toml"
        ))?;
    }
    shell::run("cargo clippy --workspace --all-features --all-targets -- -D warnings")?;
    setup::cargo_tool("cargo-hack")?;
    shell::run(
        "cargo hack clippy -p sse-codec --feature-powerset --exclude-features=default -- -D warnings",
    )?;
    // Without features, and each alone; the workspace has been checked with all of them.
    shell::run(
        "cargo hack clippy -p sse-server -p sse-redis -p sse-disk -p sse-testing --each-feature \
         --exclude-all-features -- -D warnings",
    )?;
    // Not the features that are reqwest's own.
    shell::run(
        "cargo hack clippy -p sse-client --feature-powerset \
         --exclude-features=default,default-tls,gzip,http2,system-proxy -- -D warnings",
    )?;
    setup::target(BROWSER)?;
    shell::run(&format!(
        "cargo clippy -p sse-client --no-default-features --features json --target {BROWSER} -- -D warnings"
    ))?;
    shell::run(&format!("cargo clippy -p guide --bin wasm --target {BROWSER} -- -D warnings"))?;
    setup::target(BARE_METAL)?;
    shell::run(&format!("cargo build -p sse-codec --no-default-features --target {BARE_METAL}"))?;
    other_systems()?;
    shell::run_with("cargo doc --workspace --no-deps --all-features", &[("RUSTDOCFLAGS", "-D warnings")])?;
    directions()?;
    guide::run()?;
    layout::run()
}

/// The program, and the libraries that it is made of, on systems that no test runs on.
fn other_systems() -> Result<(), Failure> {
    setup::target(WINDOWS)?;
    setup::windows_compiler()?;
    shell::run(&format!("cargo clippy -p sse-cli --target {WINDOWS} -- -D warnings"))?;
    setup::target(MACOS)?;
    // Nothing is linked, so a compiler that makes nothing of ring's parts in C will do: there is no other one here.
    let no_compiler = [("CC_aarch64_apple_darwin", "true"), ("AR_aarch64_apple_darwin", "true")];
    shell::run_with(&format!("cargo clippy -p sse-cli --target {MACOS} -- -D warnings"), &no_compiler)
}

fn directions() -> Result<(), Failure> {
    let metadata = shell::output("cargo metadata --no-deps --format-version 1")?;
    let metadata: Value = serde_json::from_str(&metadata).map_err(|error| Failure::new(error.to_string()))?;
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
