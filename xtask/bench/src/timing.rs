//! How the times are taken: in interleaved rounds, of which the median counts.

use std::time::Instant;

/// How many times each job is done.
const ROUNDS: usize = 15;

/// The median time that each of `JOBS` jobs takes, in nanoseconds per unit: a job is to do so many `units`.
///
/// `run` does the job of the number that it is given.
pub(crate) fn medians<const JOBS: usize>(units: usize, mut run: impl FnMut(usize)) -> [f64; JOBS] {
    let units = u32::try_from(units).expect("what a computer does in milliseconds");
    let mut times = [const { Vec::new() }; JOBS];
    for round in 0..ROUNDS {
        // Each round begins with another one, so that none is always the first.
        for place in 0..JOBS {
            let job = (round + place) % JOBS;
            let start = Instant::now();
            run(job);
            times[job].push(start.elapsed().as_secs_f64());
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2] * 1e9 / f64::from(units)
    })
}
