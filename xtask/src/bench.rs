//! The benchmarks. The packages that pull in the peers are outside of the workspace.

use crate::shell::{self, Failure};

/// `sse-codec` beside its peers, in one run: a table of throughputs and ratios.
pub(crate) fn codec() -> Result<(), Failure> {
    shell::run("cargo run --release --manifest-path xtask/bench/Cargo.toml")
}
