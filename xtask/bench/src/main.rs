//! `sse-codec` beside its published peers: all in one run, interleaved, medians, as a table of ratios.

mod contenders;
mod streams;

use std::time::Instant;

use bytes::Bytes;
use contenders::{ALL, Contender};
use streams::Sample;

/// How many times each decoder decodes each stream.
const ROUNDS: usize = 15;

fn main() {
    let only = std::env::args().nth(1);
    println!("| stream | chunks | {} | fastest peer |", ALL.map(|(name, _)| name).join(" | "));
    println!("|---|---|{}---|", "---|".repeat(ALL.len()));
    for sample in streams::all() {
        if only.as_deref().is_some_and(|only| only != sample.name) {
            continue;
        }
        for (name, size) in
            [("16 KiB", 16 * 1024), ("1,400 B", 1400), ("64 B", 64), ("an event", sample.event)]
        {
            row(&sample, name, size);
        }
    }
}

/// Prints the throughput of each decoder in MB/s, and ours as a ratio to the fastest other.
fn row(sample: &Sample, chunks_name: &str, size: usize) {
    let whole = Bytes::copy_from_slice(&sample.bytes);
    let chunks: Vec<Bytes> = (0..whole.len())
        .step_by(size)
        .map(|start| whole.slice(start..whole.len().min(start + size)))
        .collect();
    let expected = ALL[0].1(&chunks);
    for (name, contender) in ALL {
        assert_eq!(contender(&chunks), expected, "{name} sees something else in {}", sample.name);
    }
    let mut times = [const { Vec::new() }; ALL.len()];
    for round in 0..ROUNDS {
        // Each round begins with another one, so that none is always the first.
        for place in 0..ALL.len() {
            let contender = (round + place) % ALL.len();
            times[contender].push(time(ALL[contender].1, &chunks));
        }
    }
    let speeds = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        sample.bytes.len() as f64 / times[ROUNDS / 2] / 1e6
    });
    let fastest = speeds[1..].iter().copied().fold(0.0, f64::max);
    let shown = speeds.map(|speed| format!("{speed:.0}")).join(" | ");
    println!("| {} | {chunks_name} | {shown} | {:.2}× |", sample.name, speeds[0] / fastest);
}

/// How long one decoding takes, in seconds.
fn time(contender: Contender, chunks: &[Bytes]) -> f64 {
    let start = Instant::now();
    std::hint::black_box(contender(std::hint::black_box(chunks)));
    start.elapsed().as_secs_f64()
}
