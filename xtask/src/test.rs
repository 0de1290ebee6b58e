//! All tests. What they need is installed first.

use crate::shell::{self, Failure};
use crate::{readme, setup};

pub(crate) fn run() -> Result<(), Failure> {
    setup::browser()?;
    setup::redis()?;
    setup::nginx()?;
    setup::curl_and_systemd()?;
    setup::promtool()?;
    // Unit, integration and browser tests; examples are built along with them.
    shell::run("cargo test --workspace --all-features --all-targets")?;
    shell::run("cargo test --workspace --all-features --doc")?;
    // The encoder, as it is without an allocator.
    shell::run("cargo test -p sse-codec --no-default-features --tests")?;
    // The client without its features: what it says to `https`, and to what is compressed.
    shell::run("cargo test -p sse-client --no-default-features --test event_source --test refusals")?;
    readme::run()?;
    println!("\nAll tests passed.");
    Ok(())
}
