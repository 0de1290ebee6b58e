//! `sse-server` under other frameworks, and the examples of MCP beside its Rust SDK. Their package is outside of the
//! workspace: nobody's build pays for them.

use crate::shell::{self, Failure};

/// Tests the services that `docs/frameworks.md` shows, over real sockets, and that the page shows the tested code; and the
/// client and the server of MCP against those of the SDK.
pub(crate) fn run() -> Result<(), Failure> {
    shell::run("cargo test --locked --manifest-path xtask/frameworks/Cargo.toml --tests")
}
