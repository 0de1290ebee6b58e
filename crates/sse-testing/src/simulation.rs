//! Random runs of a test. Each run has a seed, and the same seed gives the same run.
//!
//! A simulation is a test with random events: a server, clients and faults that act at random. Its clock stands still
//! while a task can run, and jumps to the next timer when all tasks wait. So hours pass in milliseconds.
//!
//! ```
//! use std::time::Duration;
//!
//! use sse_testing::simulation::{Simulation, Tally};
//! use tokio::time::{Instant, sleep};
//!
//! let seen = Simulation::new().runs(20).run(async |seed| {
//!     let mut rng = fastrand::Rng::with_seed(seed);
//!     let mut seen = Tally::new();
//!     let start = Instant::now();
//!     sleep(Duration::from_secs(rng.u64(1..1000))).await;
//!     seen.count(if start.elapsed() < Duration::from_secs(500) { "early" } else { "late" });
//!     seen
//! });
//! // If one of the two never happened, the simulation would test nothing. `seen` is `None` if the environment asks
//! // for one seed only.
//! if let Some(seen) = seen {
//!     seen.assert_seen(&["early", "late"]);
//! }
//! ```
//!
//! Two environment variables choose the runs:
//!
//! | variable | meaning |
//! |---|---|
//! | `SSE_SIMULATION_RUNS=10000` | this many runs, with the seeds from 0 on |
//! | `SSE_SIMULATION_SEED=42` | one run, with this seed |
//!
//! ```text
//! SSE_SIMULATION_RUNS=10000 cargo test --release --test simulation -- --nocapture
//! ```

mod tally;

use std::env;
use std::fmt::Debug;
use std::ops::AddAssign;
use std::thread;
use std::time::Duration;

use tokio::runtime;
use tokio::task::LocalSet;
use tokio::time::timeout;

pub use self::tally::Tally;

const RUNS: &str = "SSE_SIMULATION_RUNS";
const SEED: &str = "SSE_SIMULATION_SEED";

/// The settings of a simulation. [`run`](Self::run) runs it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Simulation {
    runs: u64,
    limit: Duration,
}

impl Simulation {
    /// Returns a simulation of 100 runs, each of which may take one day by its own clock.
    pub fn new() -> Self {
        Self { runs: 100, limit: Duration::from_secs(24 * 60 * 60) }
    }

    /// Sets how many runs there are, unless the environment says otherwise.
    pub fn runs(mut self, runs: u64) -> Self {
        self.runs = runs;
        self
    }

    /// Sets how long a run may take by its own clock. If the tasks of a run wait for each other for ever, the run fails
    /// after this time.
    ///
    /// The clock stands still while a task is busy, so an endless loop is not noticed.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Runs `story` with the seeds from 0 on, and returns the sum of its results, which is also printed to standard
    /// error. Returns `None` if the environment asks for one seed only, or for no run.
    ///
    /// Each run has a runtime of its own, with one thread, a [`LocalSet`] and a paused clock. The generator of
    /// `fastrand` of this thread is seeded before each run. `sse-server` and `sse-client` take their random numbers
    /// from it, so a seed always gives the same run. Other random sources (`HashMap`, threads, real sockets) break
    /// this.
    ///
    /// # Panics
    ///
    /// If a run panics, or takes longer than the [`limit`](Self::limit). The seed is then printed to standard error. It
    /// also panics if an environment variable is not a number.
    pub fn run<S: AddAssign + Debug>(&self, story: impl AsyncFn(u64) -> S) -> Option<S> {
        if let Some(seed) = number(SEED) {
            let seen = self.run_seed(seed, story);
            eprintln!("{SEED}={seed}: {seen:?}");
            return None;
        }
        let runs = number(RUNS).unwrap_or(self.runs);
        let sum = (0..runs).map(|seed| self.run_seed(seed, &story)).reduce(|mut sum, seen| {
            sum += seen;
            sum
        })?;
        eprintln!("{runs} runs: {sum:?}");
        Some(sum)
    }

    /// Runs `story` once with this seed, whatever the environment says, and returns its result.
    ///
    /// # Panics
    ///
    /// The same as [`run`](Self::run).
    pub fn run_seed<S>(&self, seed: u64, story: impl AsyncFn(u64) -> S) -> S {
        let named = SeedOfPanic(seed);
        fastrand::seed(seed);
        let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without I/O needs no resources of the system");
        let end = LocalSet::new().block_on(&runtime, async { timeout(self.limit, story(seed)).await });
        let Ok(result) = end else { panic!("the run has not ended within {:?} of its own time", self.limit) };
        drop(named);
        result
    }
}

impl Default for Simulation {
    fn default() -> Self {
        Self::new()
    }
}

/// Prints the seed if a panic drops it.
struct SeedOfPanic(u64);

impl Drop for SeedOfPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{SEED}={} gives this run again", self.0);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is {value:?}, which is not a number")))
}
