//! Random tests of the client: over any network, it returns every event of the server in order and once, or the gap
//! event of the server if events are missing.
//!
//! One run is one seed: a real `EventSource`, a real route of `sse-server`, and between them a network that delays,
//! cuts, stalls and breaks. The clock goes on only when all tasks wait, so that hours pass in milliseconds, and a seed
//! gives the same run each time. There is one connection at a time. So the network knows at each byte what the client
//! must know: its last event ID, the reconnection time, and the earliest time of its next attempt.
//!
//! ```text
//! SSE_SIMULATION_RUNS=10000 cargo test -p sse-client --release --lib simulation -- --nocapture
//! SSE_SIMULATION_SEED=42 cargo test -p sse-client --lib simulation -- --nocapture
//! ```

mod client;
mod network;
mod world;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use sse_testing::simulation::Simulation;
use tokio::time::{Instant, sleep};

use self::client::Client;
use self::world::{Fact, Facts, World, lock, millis};

#[test]
fn events_arrive_in_order_and_once_or_there_is_a_gap_event() {
    let Some(facts) = Simulation::new().runs(300).run(simulate) else { return };
    assert_eq!(
        facts.seen().count(),
        Fact::Unavailable as usize + 1,
        "a fact that never happens is not tested"
    );
}

#[test]
fn a_seed_gives_the_same_run() {
    let run = || Simulation::new().run_seed(7, simulate);
    assert_eq!(run(), run());
}

async fn simulate(seed: u64) -> Facts {
    let mut rng = Rng::with_seed(seed);
    let world = Arc::new(Mutex::new(World::new(seed, &mut rng)));
    let client = Client::new(&world, rng.fork());
    tokio::join!(publish_all(&world, rng), client.run());
    let world = lock(&world);
    world.facts.clone()
}

/// Publishes and crashes at random, and at last publishes until the client has recovered.
async fn publish_all(world: &Mutex<World>, mut rng: Rng) {
    for _ in 0..rng.u32(10..80) {
        if rng.u32(0..12) == 0 {
            lock(world).crash();
        }
        let most = if rng.u32(0..10) == 0 { 100 } else { 5 };
        (0..rng.usize(0..most)).for_each(|_| lock(world).publish());
        sleep(millis(&mut rng, &[0, 20, 500, 5_000, 60_000])).await;
        if rng.u32(0..50) == 0 {
            // Longer than any of the client's time-outs.
            sleep(Duration::from_secs(1200)).await;
        }
    }
    let limit = {
        let mut world = lock(world);
        world.down_until = Instant::now();
        world.calm = Some(world.newest());
        world.tell("the faults are over");
        Instant::now() + world.longest_recovery()
    };
    loop {
        // More than one, because a client without an id starts at the end.
        lock(world).publish();
        sleep(Duration::from_secs(10)).await;
        let world = lock(world);
        if world.is_done {
            return;
        }
        world.check(Instant::now() < limit, "the client does not recover");
    }
}
