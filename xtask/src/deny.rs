//! Licences, sources and duplicates of the dependencies, by `deny.toml`.

use crate::setup;
use crate::shell::{self, Failure};

pub(crate) fn run() -> Result<(), Failure> {
    setup::cargo_tool("cargo-deny")?;
    // Advisories change from day to day, and a commit must not fail for one that it did not bring:
    // `cargo deny check advisories` asks for them.
    shell::run("cargo deny --all-features check bans licenses sources")
}
