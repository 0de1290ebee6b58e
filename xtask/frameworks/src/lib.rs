//! What `docs/frameworks.md` shows: each file is one block of code there, and is tested here.

pub mod actix;
pub mod axum;
pub mod compression;
pub mod hyper;
pub mod poem;
pub mod salvo;
#[cfg(target_os = "linux")]
pub mod socket;
pub mod warp;
