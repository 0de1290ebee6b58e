//! Runs other programs from the root of the workspace.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use serde_json::Value;

/// Why a task failed.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Variables for checks that link nothing: a compiler and an archiver of C that do nothing. SQLite and ring have parts in
/// C, which take longer than all else, and which other systems would need a compiler of their own for.
pub(crate) const NO_C: [(&str, &str); 2] = [("CC", "true"), ("AR", "true")];

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A command in the root folder. Its words are separated by spaces, as one would type it.
pub(crate) fn command(line: &str) -> Command {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).current_dir(root());
    command
}

/// Runs a command line and shows what it prints.
pub(crate) fn run(line: &str) -> Result<(), Failure> {
    run_with(line, &[])
}

/// Runs a command line with variables of the environment.
pub(crate) fn run_with(line: &str, variables: &[(&str, &str)]) -> Result<(), Failure> {
    let shown: String = variables.iter().map(|(name, value)| format!("{name}='{value}' ")).collect();
    println!("\n$ {shown}{line}");
    let start = Instant::now();
    let status = command(line).envs(variables.iter().copied()).status();
    let status = status.map_err(|error| Failure::new(format!("can't run `{line}`: {error}")))?;
    if !status.success() {
        return Err(Failure::new(format!("`{shown}{line}` failed with {status}")));
    }
    println!("({:.0} s)", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a command line beside others, and shows what it prints only if it fails.
pub(crate) fn run_quietly(line: &str) -> Result<(), Failure> {
    println!("$ {line}");
    run_captured(command(line), line)
}

/// Runs a command with this name, and shows what it prints only if it fails.
pub(crate) fn run_captured(mut command: Command, name: &str) -> Result<(), Failure> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| Failure::new(format!("can't run `{name}`: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    println!("\n{stdout}\n{stderr}");
    Err(Failure::new(format!("`{name}` failed with {}, and its output is above", output.status)))
}

/// Returns whether a command line succeeds; nothing is shown.
pub(crate) fn succeeds(line: &str) -> bool {
    let status = command(line).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// What a command line prints.
pub(crate) fn output(line: &str) -> Result<String, Failure> {
    let output = command(line).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| Failure::new(format!("can't run `{line}`: {error}")))?;
    if !output.status.success() {
        return Err(Failure::new(format!("`{line}` failed with {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|error| Failure::new(format!("`{line}`: {error}")))
}

/// Returns what `cargo metadata` says of the workspace's packages.
pub(crate) fn metadata() -> Result<Value, Failure> {
    let metadata = output("cargo metadata --no-deps --format-version 1")?;
    serde_json::from_str(&metadata).map_err(|error| Failure::new(format!("`cargo metadata`: {error}")))
}
