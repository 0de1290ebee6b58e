//! What the tests of several crates of this workspace need: [`programs`] that they run, and a disk that can be full.

#[cfg(target_os = "linux")]
mod disk;
pub mod programs;

#[cfg(target_os = "linux")]
pub use self::disk::SmallDisk;
