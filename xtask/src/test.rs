//! All tests. What they need is installed first.

use crate::shell::{self, Failure};
use crate::{readme, setup};

pub(crate) fn run() -> Result<(), Failure> {
    setup::browser()?;
    // Unit, integration and browser tests; examples are built along with them.
    shell::run("cargo test --workspace --all-features --all-targets")?;
    shell::run("cargo test --workspace --all-features --doc")?;
    // The properties without the features, so that none of them is needed by accident.
    shell::run("cargo test -p sse-codec")?;
    readme::run()?;
    println!("\nAll tests passed.");
    Ok(())
}
