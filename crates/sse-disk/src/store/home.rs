//! Checks that the file of a log is still where it was opened.

use std::fs::Metadata;
use std::io;
use std::path::{self, Path, PathBuf};

/// A path, and the identity of the file that was there.
#[derive(Debug)]
pub(super) struct Home {
    /// An absolute path, because the process may change its directory.
    path: PathBuf,
    identity: (u64, u64),
}

impl Home {
    /// Returns the home of an open file; `None` if the system does not tell it.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let path = path::absolute(file).ok()?;
        let identity = identity(&path.metadata().ok()?);
        Some(Self { path, identity })
    }

    /// Returns whether the file was deleted, or moved elsewhere.
    pub(super) fn is_left(&self) -> bool {
        match self.path.metadata() {
            Ok(metadata) => identity(&metadata) != self.identity,
            // The process may no longer have the right to look.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

/// Returns numbers that distinguish a file from another one at the same path.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;

    (metadata.dev(), metadata.ino())
}

/// Windows does not delete or move a file that a program has open.
#[cfg(not(unix))]
fn identity(_metadata: &Metadata) -> (u64, u64) {
    (0, 0)
}
