//! fjall, with and without files of their own for large values.

use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};

use super::{Result, Store};

struct Fjall {
    database: Database,
    entries: Keyspace,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Store>> {
    open_with(folder, None)
}

pub(super) fn open_with_blobs(folder: &Path) -> Result<Box<dyn Store>> {
    open_with(folder, Some(KvSeparationOptions::default()))
}

fn open_with(folder: &Path, blobs: Option<KvSeparationOptions>) -> Result<Box<dyn Store>> {
    let database = Database::builder(folder.join("log")).open()?;
    let options = || KeyspaceCreateOptions::default().with_kv_separation(blobs);
    let entries = database.keyspace("entries", options)?;
    Ok(Box::new(Fjall { database, entries }))
}

impl Store for Fjall {
    fn append(&mut self, first: u64, messages: &[&[u8]]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (position, message) in (first..).zip(messages) {
            batch.insert(&self.entries, position.to_be_bytes(), *message);
        }
        Ok(batch.commit()?)
    }

    fn after(&mut self, position: u64, limit: usize) -> Result<usize> {
        let mut count = 0;
        for entry in self.entries.range((position + 1).to_be_bytes()..).take(limit) {
            count += usize::from(!entry.into_inner()?.1.to_vec().is_empty());
        }
        Ok(count)
    }

    fn trim(&mut self, position: u64) -> Result<()> {
        let keys: Vec<_> = self
            .entries
            .range(..=position.to_be_bytes())
            .map(fjall::Guard::key)
            .collect::<std::result::Result<_, _>>()?;
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for key in keys {
            batch.remove(&self.entries, key);
        }
        Ok(batch.commit()?)
    }

    fn shrink(&mut self) -> Result<()> {
        self.entries.rotate_memtable_and_wait()?;
        Ok(self.entries.major_compact()?)
    }
}
