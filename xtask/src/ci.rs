//! All tasks, one after the other.

use crate::shell::Failure;
use crate::{conformance, deny, fuzz, msrv, tidy};

/// Everything but the tests.
pub(crate) fn run_the_rest() -> Result<(), Failure> {
    tidy::run()?;
    conformance::run()?;
    msrv::run()?;
    deny::run()?;
    fuzz::run(fuzz::DEFAULT_SECONDS)?;
    println!("\nCI is green.");
    Ok(())
}
