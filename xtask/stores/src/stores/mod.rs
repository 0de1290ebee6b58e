//! The stores, each as its documentation uses it for a list that grows at one end and is trimmed at the other.

mod file;
mod lsm;
mod redb;
mod sqlite;

use std::error::Error;
use std::path::Path;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What `sse-disk` needs of a store.
pub(crate) trait Store {
    /// Appends messages, and returns when they are on the disk.
    fn append(&mut self, first: u64, messages: &[&[u8]]) -> Result<()>;

    /// How many messages there are right after a position, at most `limit`; each is read.
    fn after(&mut self, position: u64, limit: usize) -> Result<usize>;

    /// Removes all messages up to a position.
    fn trim(&mut self, position: u64) -> Result<()>;

    /// Gives space back, as far as the store does so on request.
    fn shrink(&mut self) -> Result<()> {
        Ok(())
    }
}

type Open = fn(&Path) -> Result<Box<dyn Store>>;

/// The name of each store, and how it is opened in a folder.
pub(crate) const ALL: [(&str, Open); 6] = [
    ("file", file::open),
    ("sqlite", sqlite::open),
    ("redb", redb::open),
    ("redb-quick", redb::open_quick),
    ("fjall", lsm::open),
    ("fjall-blobs", lsm::open_with_blobs),
];

pub(crate) fn open(name: &str, folder: &Path) -> Result<Box<dyn Store>> {
    let (_, open) =
        ALL.iter().find(|(known, _)| *known == name).ok_or_else(|| format!("there is no store `{name}`"))?;
    open(folder)
}
