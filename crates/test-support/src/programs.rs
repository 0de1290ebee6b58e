//! Builds programs and examples of this workspace, for the tests that run them.
//!
//! Cargo builds a package's examples for some ways to run its tests, and programs of other packages for none. So a test
//! that runs one builds it first.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// The variable by which `cargo xtask test` says that everything is built. A build of one package would have other
/// features than that of the whole workspace, and compile most of its dependencies again.
const BUILT: &str = "SSE_PROGRAMS_BUILT";

/// Builds what the arguments of `cargo build` say of this package, and returns the folder of the profile: programs are in
/// it, and examples in its folder `examples`.
///
/// # Panics
///
/// If it can't be built.
pub fn build(package: &str, arguments: &[&str]) -> PathBuf {
    if env::var_os(BUILT).is_none() {
        // The profile of this test, so that dependencies are not built again.
        let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--quiet", "--package", package, "--profile", profile]).args(arguments);
        // Cargo describes the test's package to the test. Some build scripts would run again because of it.
        for (name, _) in env::vars_os() {
            let name = name.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|it| name.starts_with(it)) {
                command.env_remove(&*name);
            }
        }
        let status = command.status().expect("cargo has run this test");
        assert!(status.success(), "{package} can't be built: {status}");
    }
    // Tests are in the folder `deps`.
    let test = env::current_exe().expect("the system knows the path of a program");
    test.ancestors().nth(2).expect("a test is two folders below that of the target").to_owned()
}
