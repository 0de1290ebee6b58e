//! Tests the promise of sse-server's front page in random runs.
//!
//! One run is one seed. A publisher publishes bursts, batches and ids of all kinds, and makes pauses. A server crashes,
//! starts anew, and ends the streams of single clients. Some clients are slow, stall, lose their connections and
//! resume. The pipes have small buffers, and the clock goes on only when all tasks wait. So hours pass in seconds, and
//! a seed always gives the same run.
//!
//! ```text
//! SSE_SIMULATION_RUNS=10000 cargo test -p sse-server --release --test simulation
//! SSE_SIMULATION_SEED=42 cargo test -p sse-server --test simulation
//! ```

mod client;
mod world;

use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use sse_testing::simulation::{Simulation, Tally};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::client::Client;
use self::world::World;

/// How often each thing has happened in a run, or in many.
type Seen = Tally<&'static str>;

/// If one of these things does not happen, the runs do not test the promise.
const EXPECTED: [&str; 13] = [
    "batch",
    "early end",
    "end",
    "fresh start",
    "gap by lag",
    "gap by restart",
    "gap of a late comer",
    "number",
    "own id",
    "refused id",
    "repeat",
    "resumed without loss",
    "stall cut",
];

#[test]
fn each_client_gets_all_events_in_order_or_a_gap_event() {
    let Some(seen) = Simulation::new().runs(100).run(simulate) else { return };
    seen.assert_seen(&EXPECTED);
}

async fn simulate(seed: u64) -> Seen {
    let mut rng = Rng::with_seed(seed);
    let clients = rng.usize(3..=8);
    let world = Rc::new(World::new(seed, clients, &mut rng));
    let mut tasks = JoinSet::new();
    for name in 0..clients {
        tasks.spawn_local(Client::new(name, world.clone(), rng.fork()).run());
    }
    tasks.spawn_local({
        let world = world.clone();
        async move { world.publish_all(&mut rng).await }
    });
    let all = async {
        // The first failure ends the run, because later ones say nothing.
        while let Some(end) = tasks.join_next().await {
            end.unwrap_or_else(|error| resume_unwind(error.into_panic()));
        }
        world.closed().await;
    };
    let end = timeout(Duration::from_secs(3600), all).await;
    assert!(end.is_ok(), "SSE_SIMULATION_SEED={seed}: a client waits for ever: {world:?}");
    world.take_seen()
}
