//! Replicas of one log: scenes of what a client may rely on at any replica, and random runs.
//!
//! The log is a [`MemoryLog`](sse_testing::log::MemoryLog). Its links delay calls, fail, and lose responses. Time is
//! paused: it goes on when all tasks wait.
//!
//! ```text
//! SSE_SIMULATION_RUNS=10000 cargo test -p sse-server --release --test replicas
//! SSE_SIMULATION_SEED=42 cargo test -p sse-server --test replicas
//! ```

mod client;
mod ends;
mod evicted;
mod faults;
mod ids;
mod log;
mod resume;
mod scene;
mod simulation;
