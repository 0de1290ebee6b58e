//! The programs that cargo makes of tests.

use std::cmp::Reverse;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;

use crate::shell::{self, Failure};

/// Waits for the clock for 40 s, so it begins before all others.
const LONGEST: &str = "sse-cli: tests/disk_fails.rs";

/// A program with tests in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Executable {
    /// As `sse-server: tests/route.rs`.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    /// The folder of its package, in which cargo runs it.
    pub(crate) folder: PathBuf,
}

/// Builds all tests of the workspace, and the programs and examples that they run.
pub(super) fn build() -> Result<Vec<Executable>, Failure> {
    let mut executables =
        of("cargo test --workspace --all-features --no-run --message-format json-render-diagnostics")?;
    // Those that need most are the largest, and begin first.
    executables.sort_by_cached_key(|test| {
        let size = test.program.metadata().map_or(0, |file| file.len());
        Reverse((test.name == LONGEST, size))
    });
    Ok(executables)
}

/// Runs a build of tests, which prints its messages as JSON, and returns the programs with tests that it makes.
pub(crate) fn of(line: &str) -> Result<Vec<Executable>, Failure> {
    println!("\n$ {line}");
    let mut build = shell::command(line).stdout(Stdio::piped()).spawn()?;
    let output = build.stdout.take().ok_or_else(|| Failure::new("there is no output"))?;
    let mut executables = Vec::new();
    for line in BufReader::new(output).lines() {
        executables.extend(executable(&line?));
    }
    let status = build.wait()?;
    if !status.success() {
        return Err(Failure::new(format!("the tests can't be built: {status}")));
    }
    Ok(executables)
}

/// The folder of the programs that were built beside these tests, which are in its folder `deps`.
pub(super) fn programs(tests: &[Executable]) -> Result<PathBuf, Failure> {
    let folder = tests.first().and_then(|test| test.program.ancestors().nth(2));
    folder.map(Path::to_owned).ok_or_else(|| Failure::new("there are no tests"))
}

/// The test that a message of cargo's tells of.
fn executable(message: &str) -> Option<Executable> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let program = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?;
    let source = Path::new(message["target"]["src_path"].as_str()?);
    let package = folder.file_name()?.display();
    let name = format!("{package}: {}", source.strip_prefix(folder).unwrap_or(source).display());
    Some(Executable { name, program, folder: folder.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: Option<&str>) {
        assert_eq!(executable(message).map(|test| test.name).as_deref(), expected);
    }

    #[test]
    fn only_programs_with_tests_are_run() {
        let test = r#"{"reason":"compiler-artifact","manifest_path":"/w/crates/a/Cargo.toml",
            "target":{"src_path":"/w/crates/a/tests/b.rs"},"profile":{"test":true},"executable":"/w/target/debug/deps/b-1"}"#;
        check(test, Some("a: tests/b.rs"));
        check(&test.replace("\"test\":true", "\"test\":false"), None);
        check(&test.replace("\"/w/target/debug/deps/b-1\"", "null"), None);
        check(&test.replace("compiler-artifact", "build-script-executed"), None);
        check("not JSON", None);
    }
}
