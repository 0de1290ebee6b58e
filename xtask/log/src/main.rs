//! The log of `sse-disk` at work, beside its peers in one run. Linux only.
//!
//! The contenders take turns in rounds, and the medians are printed as tables. All of them share the same CPUs with the
//! publishers, the subscribers or the load generator of a measurement.
//!
//! `perf` shows where the time goes:
//!
//! ```text
//! cargo build --release --manifest-path xtask/log/Cargo.toml
//! perf record -g -e cpu-clock xtask/log/target/release/sse-log-bench append disk 100 --quick
//! perf report --no-children
//! ```

mod append;
#[path = "../../figures.rs"]
mod figures;
mod http;
#[expect(dead_code, reason = "another benchmark binds its processes to CPUs")]
#[path = "../../process.rs"]
mod process;
mod redis;
mod report;
mod resume;
mod scale;
mod times;

use std::error::Error;
use std::process::ExitCode;

use tempfile::TempDir;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const USAGE: &str = "\
usage: sse-log-bench [append [CONTENDER…] [PUBLISHERS…] | http | resume [CLIENTS…] | scale [--messages NUMBER]] [--quick]
  contenders: file, memory, disk, disk-second, disk-topic, redis-always, redis-second
  --messages: how many messages the largest topic of `scale` has, 5,000,000 by default; 100,000,000 take some 12 GB";

/// How many files a process needs: a socket for each of 1,000 connections, and some more.
const FILES: u64 = 2_500;

/// The messages of the largest topic of `scale`.
const MESSAGES: usize = 5_000_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sse-log-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    let quick = arguments.contains(&"--quick");
    let arguments: Vec<_> = arguments.iter().copied().filter(|argument| *argument != "--quick").collect();
    process::allow_files(FILES)?;
    match &arguments[..] {
        [] => {
            append::compare(&[], quick)?;
            http::compare(quick)?;
            resume::compare(&[], quick)?;
            scale::measure(MESSAGES, quick)
        }
        ["append", choice @ ..] => append::compare(choice, quick),
        ["http"] => http::compare(quick),
        ["resume", clients @ ..] => resume::compare(clients, quick),
        ["scale"] => scale::measure(MESSAGES, quick),
        ["scale", "--messages", number] => scale::measure(number.parse()?, quick),
        // The process whose memory is measured.
        ["open", path] => scale::open(path),
        _ => Err(USAGE.into()),
    }
}

/// A directory on the disk of the sources, because `/tmp` may be in memory.
fn directory() -> Result<TempDir> {
    Ok(tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))?)
}

/// The runtime of a measurement: a thread for each CPU.
fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
