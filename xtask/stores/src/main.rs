//! Embedded stores on the work of `sse-disk`: append with a flush, read pages, trim the old end, open after a crash.
//!
//! Everything is measured in one run, and the limit, a plain file with `fdatasync`, is measured along with it.

mod stores;

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use stores::{ALL, Result, Store};

/// How many messages are appended with one flush, where it is not one alone.
const BATCH: usize = 256;

/// How many messages are read at a time.
const PAGE: usize = 512;

/// How many messages are trimmed at a time.
const TRIM: u64 = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sse-stores: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        [] => Run { time: Duration::from_secs(3), bytes: 256 * 1024 * 1024, large: 2_000_000 }.measure(),
        ["--quick"] => {
            Run { time: Duration::from_secs(1), bytes: 32 * 1024 * 1024, large: 500_000 }.measure()
        }
        // The child that crashes.
        ["fill", name, folder, messages] => {
            let mut store = stores::open(name, Path::new(folder))?;
            fill(&mut *store, 64, messages.parse()?, 4096)?;
            std::process::abort()
        }
        _ => Err("usage: sse-stores [--quick]".into()),
    }
}

/// How much is measured.
#[derive(Clone, Copy)]
struct Run {
    /// For how long single messages are appended, and pages are read.
    time: Duration,
    /// How much is appended in batches, so that the sizes of the stores can be compared.
    bytes: u64,
    /// How many messages there are before the crash.
    large: u64,
}

impl Run {
    fn measure(self) -> Result<()> {
        println!(
            "| store | bytes | appends/s, one each | KiB written by each | messages/s, {BATCH} each \
             | {PAGE} read, µs | trim {TRIM}, worst ms | MiB | half trimmed | on request |"
        );
        println!("|---|---|---|---|---|---|---|---|---|---|");
        for size in [64, 1024, 64 * 1024] {
            for (name, _) in ALL {
                self.row(name, size)?;
            }
        }
        println!("\n| store | messages of 64 bytes | MiB | open after a crash, ms |\n|---|---|---|---|");
        for (name, _) in &ALL[1..] {
            crash(name, self.large)?;
        }
        Ok(())
    }

    fn row(self, name: &str, size: usize) -> Result<()> {
        let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))?;
        let mut store = stores::open(name, folder.path())?;
        let message = noise(size);
        let mut position = 0;
        let (begun, written) = (Instant::now(), written()?);
        while begun.elapsed() < self.time {
            position += 1;
            store.append(position, &[&message])?;
        }
        let single = position as f64 / begun.elapsed().as_secs_f64();
        let written = (self::written()? - written) as f64 / position as f64 / 1024.0;

        let batch = vec![&*message; BATCH];
        let batches = (self.bytes / size as u64).min(1_000_000) / BATCH as u64;
        let begun = Instant::now();
        for _ in 0..batches {
            store.append(position + 1, &batch)?;
            position += BATCH as u64;
        }
        let batched = batches as f64 * BATCH as f64 / begun.elapsed().as_secs_f64();
        if name == "file" {
            println!("| {name} | {size} | {single:.0} | {written:.1} | {batched:.0} | | | | | |");
            return Ok(());
        }

        let (begun, mut pages, mut at) = (Instant::now(), 0, 0);
        while begun.elapsed() < self.time {
            let read = store.after(at, PAGE)? as u64;
            at = if at + 2 * PAGE as u64 > position { 0 } else { at + read };
            pages += 1;
        }
        let page = begun.elapsed().as_secs_f64() * 1e6 / f64::from(pages);

        let full = megabytes(folder.path())?;
        let (mut worst, mut trimmed) = (Duration::ZERO, 0);
        while trimmed < position / 2 {
            trimmed += TRIM.min(position / 8).max(1);
            let begun = Instant::now();
            store.trim(trimmed)?;
            worst = worst.max(begun.elapsed());
        }
        let half = megabytes(folder.path())?;
        store.shrink()?;
        let shrunk = megabytes(folder.path())?;
        println!(
            "| {name} | {size} | {single:.0} | {written:.1} | {batched:.0} | {page:.0} | {:.1} | {full:.0} | {half:.0} \
             | {shrunk:.0} |",
            worst.as_secs_f64() * 1e3
        );
        Ok(())
    }
}

/// How long it takes to open a store again that a process has filled, which then was killed.
fn crash(name: &str, messages: u64) -> Result<()> {
    let folder = tempfile::tempdir_in(concat!(env!("CARGO_MANIFEST_DIR"), "/target"))?;
    let path = folder.path().to_str().ok_or("the folder's name is not UTF-8")?;
    Command::new(std::env::current_exe()?).args(["fill", name, path, &messages.to_string()]).status()?;
    let begun = Instant::now();
    let mut store = stores::open(name, folder.path())?;
    let last = store.after(messages - 1, 1)?;
    let opened = begun.elapsed().as_secs_f64() * 1e3;
    if last != 1 {
        return Err(format!("{name} has lost the last message").into());
    }
    println!("| {name} | {messages} | {:.0} | {opened:.0} |", megabytes(folder.path())?);
    Ok(())
}

fn fill(store: &mut dyn Store, size: usize, messages: u64, batch: usize) -> Result<()> {
    let message = noise(size);
    let mut position = 0;
    while position < messages {
        let count = (messages - position).min(batch as u64);
        store.append(position + 1, &vec![&*message; count as usize])?;
        position += count;
    }
    Ok(())
}

/// Bytes that can't be compressed.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(byte).take(size).collect()
}

/// How many bytes this process has written so far.
fn written() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/io")?;
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: ")).ok_or("there is no wchar")?;
    Ok(line.parse()?)
}

fn megabytes(folder: &Path) -> Result<f64> {
    fn bytes(path: &Path) -> std::io::Result<u64> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::symlink_metadata(path)?;
        // What it takes of the disk: a file may have holes.
        let own = metadata.blocks() * 512;
        if !metadata.is_dir() {
            return Ok(own);
        }
        fs::read_dir(path)?.map(|entry| bytes(&entry?.path())).sum::<std::io::Result<u64>>()
    }
    Ok(bytes(folder)? as f64 / 1024.0 / 1024.0)
}
