//! Takes times in interleaved rounds, and returns their medians.

use std::time::Instant;

/// The number of rounds.
const ROUNDS: usize = 15;

/// The median time of each of `JOBS` jobs, in nanoseconds per unit. A job does `units` units.
///
/// `run` does the job with the number that it gets.
pub(crate) fn medians<const JOBS: usize>(units: usize, mut run: impl FnMut(usize)) -> [f64; JOBS] {
    let units = u32::try_from(units).expect("what a computer does in milliseconds");
    let mut times = [const { Vec::new() }; JOBS];
    for round in 0..ROUNDS {
        // Each round begins with another job, so that no job is always the first.
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
