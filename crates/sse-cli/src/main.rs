//! `sse`: serve, listen, publish, bench.

use std::process::ExitCode;

fn main() -> ExitCode {
    sse_cli::run(std::env::args_os())
}
