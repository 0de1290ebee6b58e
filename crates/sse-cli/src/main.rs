//! `sse`: serve, listen, publish, bench.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    sse_cli::run(std::env::args_os())
}
