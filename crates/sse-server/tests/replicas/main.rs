//! Replicas of one log: what a client may rely on, whichever of them it comes to; and then the same against chance.
//!
//! The log is a [`MemoryLog`](sse_testing::log::MemoryLog), reached over links that delay, fail, and lose answers. Time
//! is paused: it goes on when all wait.
//!
//! ```text
//! SSE_SIMULATION_RUNS=10000 cargo test -p sse-server --release --test replicas
//! SSE_SIMULATION_SEED=42 cargo test -p sse-server --test replicas
//! ```

mod client;
mod faults;
mod log;
mod resume;
mod scene;
mod simulation;
