//! redb, as it is, and with quick repair, which makes a crash cheap to recover from.

use std::path::Path;

use redb::{Database, ReadableDatabase as _, TableDefinition};

use super::{Result, Store};

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");

struct Redb {
    database: Database,
    is_quick: bool,
}

pub(super) fn open(folder: &Path) -> Result<Box<dyn Store>> {
    open_with(folder, false)
}

pub(super) fn open_quick(folder: &Path) -> Result<Box<dyn Store>> {
    open_with(folder, true)
}

fn open_with(folder: &Path, is_quick: bool) -> Result<Box<dyn Store>> {
    let database = Database::create(folder.join("log.redb"))?;
    Ok(Box::new(Redb { database, is_quick }))
}

impl Store for Redb {
    fn append(&mut self, first: u64, messages: &[&[u8]]) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_quick_repair(self.is_quick);
        let mut entries = transaction.open_table(ENTRIES)?;
        for (position, message) in (first..).zip(messages) {
            entries.insert(position, message)?;
        }
        drop(entries);
        Ok(transaction.commit()?)
    }

    fn after(&mut self, position: u64, limit: usize) -> Result<usize> {
        let entries = self.database.begin_read()?.open_table(ENTRIES)?;
        let mut count = 0;
        for entry in entries.range(position + 1..)?.take(limit) {
            count += usize::from(!entry?.1.value().to_vec().is_empty());
        }
        Ok(count)
    }

    fn trim(&mut self, position: u64) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_quick_repair(self.is_quick);
        transaction.open_table(ENTRIES)?.retain_in(..=position, |_, _| false)?;
        Ok(transaction.commit()?)
    }

    fn shrink(&mut self) -> Result<()> {
        while self.database.compact()? {}
        Ok(())
    }
}
