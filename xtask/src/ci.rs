//! All tasks.

use std::env;
use std::process::Command;
use std::thread;

use crate::shell::{self, Failure};
use crate::{tidy, times};

/// Tasks whose builds are in different folders, so that two of them can run at a time: each has parts that need one
/// processor at most. The tasks of a lane run from left to right.
const LANES: [&[&str]; 2] = [&["msrv", "frameworks", "interleavings", "miri"], &["fuzz", "deny"]];

/// Everything but the tests, among which is all that `conformance` runs.
pub(crate) fn run_the_rest() -> Result<(), Failure> {
    tidy::run()?;
    times::measure("the rest, two at a time", lanes)?;
    println!("\nCI is green.");
    Ok(())
}

fn lanes() -> Result<(), Failure> {
    thread::scope(|scope| {
        let lanes = LANES.map(|tasks| scope.spawn(move || tasks.iter().try_for_each(|task| run(task))));
        lanes.into_iter().try_for_each(|lane| lane.join().expect("a lane does not panic"))
    })
}

/// Runs a task as a process of its own, and shows its output if it fails.
fn run(task: &str) -> Result<(), Failure> {
    println!("\n$ cargo xtask {task}");
    let mut command = Command::new(env::current_exe()?);
    command.arg(task).current_dir(shell::root());
    times::measure_beside(&format!("  {task}"), || {
        shell::run_captured(command, &format!("cargo xtask {task}"))
    })?;
    println!("{task} is done.");
    Ok(())
}
