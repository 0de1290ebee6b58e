//! Whether the file of a log is still where it was opened.

use std::fs::Metadata;
use std::io;
use std::path::{self, Path, PathBuf};

/// A path, and which file was there.
#[derive(Debug)]
pub(super) struct Home {
    /// From the root: the process may change its directory.
    path: PathBuf,
    identity: (u64, u64),
}

impl Home {
    /// That of a file which is open; `None` if the system does not tell of it.
    pub(super) fn of(file: &Path) -> Option<Self> {
        let path = path::absolute(file).ok()?;
        let identity = identity(&path.metadata().ok()?);
        Some(Self { path, identity })
    }

    /// Whether the file was deleted, or moved elsewhere.
    pub(super) fn is_left(&self) -> bool {
        match self.path.metadata() {
            Ok(metadata) => identity(&metadata) != self.identity,
            // The process may have given up the right to look.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

/// What tells a file from another one at the same path.
#[cfg(unix)]
fn identity(metadata: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;

    (metadata.dev(), metadata.ino())
}

/// Windows deletes and moves no file that a program has open.
#[cfg(not(unix))]
fn identity(_metadata: &Metadata) -> (u64, u64) {
    (0, 0)
}
