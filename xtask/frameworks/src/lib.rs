//! The code of `docs/frameworks.md`: each file is one block there, and is tested here.

pub mod actix;
pub mod axum;
pub mod compression;
pub mod hyper;
pub mod poem;
pub mod salvo;
#[cfg(target_os = "linux")]
pub mod socket;
pub mod warp;
