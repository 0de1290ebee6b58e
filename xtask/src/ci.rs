//! All tasks, one after the other.

use crate::shell::Failure;
use crate::{deny, frameworks, fuzz, interleavings, miri, msrv, tidy};

/// Everything but the tests, among which is all that `conformance` runs.
pub(crate) fn run_the_rest() -> Result<(), Failure> {
    tidy::run()?;
    msrv::run()?;
    deny::run()?;
    frameworks::run()?;
    fuzz::run(fuzz::DEFAULT_SECONDS)?;
    interleavings::run(interleavings::DEFAULT_ITERATIONS)?;
    miri::run()?;
    println!("\nCI is green.");
    Ok(())
}
