//! What the guide shows of browsers: `cargo xtask tidy` compiles it for them.

#[cfg(target_family = "wasm")]
include!("program.rs");

#[cfg(not(target_family = "wasm"))]
fn main() {}
