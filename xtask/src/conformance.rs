//! The codec against the cases of the standard, and a real browser against the same cases.

use crate::setup;
use crate::shell::{self, Failure};

pub(crate) fn run() -> Result<(), Failure> {
    setup::browser()?;
    shell::run("cargo test -p sse-codec --all-features --test standard --test writing")?;
    shell::run("cargo test -p browser-tests --test conformance -- --nocapture")
}
