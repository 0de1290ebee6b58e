//! `sse-server` under other frameworks. Their package is outside of the workspace: nobody's build pays for them.

use crate::shell::{self, Failure};

/// Tests the services that `docs/frameworks.md` shows, over real sockets, and that the page shows the tested code.
pub(crate) fn run() -> Result<(), Failure> {
    shell::run("cargo test --locked --manifest-path xtask/frameworks/Cargo.toml --tests")
}
