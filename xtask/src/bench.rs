//! The benchmarks. The packages that pull in the peers are outside of the workspace.

use crate::shell::{self, Failure};

/// `sse-codec` beside its peers, in one run: tables of times and ratios. The arguments are the program's own.
pub(crate) fn codec(arguments: &[&str]) -> Result<(), Failure> {
    let arguments = arguments.join(" ");
    shell::run(&format!("cargo run --release --manifest-path xtask/bench/Cargo.toml -- {arguments}"))
}
