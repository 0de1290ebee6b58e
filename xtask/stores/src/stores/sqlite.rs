//! SQLite, with a write-ahead log that is flushed at each commit.

use std::path::Path;

use rusqlite::{Connection, params};

use super::{Result, Store};

struct Sqlite(Connection);

pub(super) fn open(folder: &Path) -> Result<Box<dyn Store>> {
    let connection = Connection::open(folder.join("log.db"))?;
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA locking_mode = EXCLUSIVE;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS entries (position INTEGER PRIMARY KEY, message BLOB NOT NULL);",
    )?;
    Ok(Box::new(Sqlite(connection)))
}

impl Store for Sqlite {
    fn append(&mut self, first: u64, messages: &[&[u8]]) -> Result<()> {
        let transaction = self.0.transaction()?;
        let mut insert = transaction.prepare_cached("INSERT INTO entries VALUES (?, ?)")?;
        for (position, message) in (first..).zip(messages) {
            insert.execute(params![position.cast_signed(), message])?;
        }
        drop(insert);
        Ok(transaction.commit()?)
    }

    fn after(&mut self, position: u64, limit: usize) -> Result<usize> {
        let mut select = self
            .0
            .prepare_cached("SELECT position, message FROM entries WHERE position > ? ORDER BY 1 LIMIT ?")?;
        let mut rows = select.query(params![position.cast_signed(), limit.cast_signed()])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += usize::from(!row.get_ref(1)?.as_blob()?.to_vec().is_empty());
        }
        Ok(count)
    }

    fn trim(&mut self, position: u64) -> Result<()> {
        self.0.execute("DELETE FROM entries WHERE position <= ?", params![position.cast_signed()])?;
        Ok(())
    }

    fn shrink(&mut self) -> Result<()> {
        Ok(self.0.execute_batch("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE);")?)
    }
}
