//! Runs programs with tests, a few at a time: many of them wait for the clock.

use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::executables::Executable;
use crate::shell::Failure;

/// Runs all of them, with these variables of the environment, and shows the output of those that fail.
///
/// # Errors
///
/// The names of all that failed.
pub(super) fn run(tests: &[Executable], variables: &[(&str, &str)]) -> Result<(), Failure> {
    // As many as there are processors. The other builds keep the processors busy meanwhile.
    let at_once = thread::available_parallelism().map_or(1, usize::from);
    println!("\n{} programs with tests, {at_once} at a time:", tests.len());
    let queue = Mutex::new(tests.iter());
    let failed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(test) = next(&queue) {
                    if let Err(failure) = run_one(test, variables) {
                        failed.lock().expect("no thread panics").push(failure);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panics");
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("these failed, and their output is above:\n{}", failed.join("\n"))))
}

/// Takes the lock for this one call.
fn next<'t>(queue: &Mutex<impl Iterator<Item = &'t Executable>>) -> Option<&'t Executable> {
    queue.lock().expect("no thread panics").next()
}

/// Runs one of them. The error names it.
fn run_one(test: &Executable, variables: &[(&str, &str)]) -> Result<(), String> {
    let name = &test.name;
    let start = Instant::now();
    let mut command = Command::new(&test.program);
    // The same as under `cargo test`.
    command.current_dir(&test.folder).env("CARGO_MANIFEST_DIR", &test.folder);
    command.envs(variables.iter().copied()).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{name}: {error}"))?;
    let seconds = start.elapsed().as_secs_f64();
    if output.status.success() {
        println!("{seconds:>6.1} s  {name}: {}", passed(&output));
        return Ok(());
    }
    // In one piece, though others print too.
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("{seconds:>6.1} s  {name} failed with {}:\n{stdout}\n{stderr}", output.status);
    Err(format!("{name}: {}", output.status))
}

/// Returns how many tests passed, in the words of the program.
fn passed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(|line| line.strip_prefix("test result: ok. "));
    result.and_then(|result| result.split(';').next()).unwrap_or("no result").to_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn each_that_fails_is_named() {
        let test = |name: &str, program: &str| Executable {
            name: name.to_owned(),
            program: program.into(),
            folder: "/".into(),
        };
        run(&[test("a", "true"), test("b", "true")], &[]).unwrap();
        let failure = run(&[test("a", "false"), test("b", "true"), test("c", "no-such-program")], &[]);
        let failure = failure.unwrap_err().to_string();
        assert!(
            failure.contains("\na: exit status: 1") && failure.contains("\nc: No such file"),
            "{failure}"
        );
        assert!(!failure.contains("\nb:"), "{failure}");
    }
}
