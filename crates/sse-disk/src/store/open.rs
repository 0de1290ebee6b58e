//! Opens a log.

use std::cell::Cell;
use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Ends, Home, Ids, Place, Reserved, Store, Topics};
use crate::builder::Durability;
use crate::error::{OpenError, OpenErrorKind};

/// The format that this version writes: the tables of `schema.sql`, and what the other files add to them.
pub(super) const FORMAT: i32 = 4;

/// Marks the file as a log: "ssed".
pub(super) const APPLICATION: i32 = 0x7373_6564;

/// The settings of a connection.
///
/// With an exclusive lock, SQLite needs no memory that it shares with other processes, and no other process can open
/// the log. Space can be given back only if that is set before there is a table. The worker makes the checkpoints,
/// after it has answered the callers.
const SETTINGS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA wal_autocheckpoint = 0;
    PRAGMA journal_size_limit = 33554432;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
";

/// The file layer of SQLite.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Vfs {
    System,
    /// A file layer that was registered under this name.
    #[cfg(test)]
    Named(&'static str),
}

impl Store {
    /// Opens a log, or makes a new one.
    pub(crate) fn open(file: &Path, vfs: Vfs, durability: Durability) -> Result<Self, OpenError> {
        let error = |error: rusqlite::Error| OpenError::store(file, &error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = match vfs {
            Vfs::System => Connection::open_with_flags(file, flags),
            #[cfg(test)]
            Vfs::Named(name) => Connection::open_with_flags_and_vfs(file, flags, name),
        }
        .map_err(error)?;
        connection.busy_timeout(std::time::Duration::ZERO).map_err(error)?;
        // If SQLite can't write a file, it opens the file as read-only.
        if connection.is_readonly("main").map_err(error)? {
            return Err(OpenError::new(file, OpenErrorKind::ReadOnly));
        }
        let home = match vfs {
            Vfs::System => Home::of(file),
            #[cfg(test)]
            Vfs::Named(_) => None,
        };
        let mut store = Self::new(connection, file, home, durability);
        store.prepare().map_err(error)?.map_or(Ok(store), |kind| Err(OpenError::new(file, kind)))
    }

    pub(super) fn new(
        connection: Connection,
        file: &Path,
        home: Option<Home>,
        durability: Durability,
    ) -> Self {
        Self {
            connection,
            file: file.to_owned(),
            home,
            durability,
            trimmed: Place::default(),
            last: Place::default(),
            ids: Ids::NONE,
            ends: Ends::default(),
            reserved: Reserved::new(durability),
            topics: Topics::default(),
            removed: 0,
            unchecked: 0,
            pages: Cell::new(None),
            is_flushed: true,
            is_expired: false,
        }
    }

    /// Makes the tables, if there are none, and reads where the log ends. Returns why the file can't be used, if it
    /// can't.
    fn prepare(&mut self) -> rusqlite::Result<Option<OpenErrorKind>> {
        let Self { connection, durability, .. } = self;
        connection.execute_batch(SETTINGS)?;
        let transaction = super::begin(connection)?;
        let number = |pragma: &str| transaction.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            transaction.execute_batch(include_str!("schema.sql"))?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
        } else if number("application_id")? != APPLICATION {
            return Ok(Some(OpenErrorKind::Foreign));
        } else if number("user_version")? > FORMAT {
            return Ok(Some(OpenErrorKind::Newer));
        }
        // A new file has format 0.
        if number("user_version")? < 2 {
            transaction.execute_batch(include_str!("ids.sql"))?;
        }
        if number("user_version")? < 4 {
            transaction.execute_batch(include_str!("topics.sql"))?;
        }
        if number("user_version")? < 3 {
            transaction.execute_batch(include_str!("ends.sql"))?;
            Ends::collect(&transaction)?;
            transaction.execute_batch(include_str!("reserved.sql"))?;
        }
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
        connection.execute_batch(match durability {
            Durability::Stored => "PRAGMA synchronous = FULL",
            Durability::Every(_) => "PRAGMA synchronous = NORMAL",
        })?;
        // A process that was killed may have written entries without a flush. They are read from now on, so no loss of power
        // may take them any more. The checkpoint flushes them before it needs any room.
        match self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => {}
            flushed => flushed?,
        }
        self.read_extent()?;
        self.ends = Ends::read(&self.connection)?;
        self.reserved = self.reserved.read(&self.connection)?;
        self.topics.read(&self.connection)?;
        Ok(None)
    }

    /// Reads where the log begins and where it ends, and which ids it has.
    pub(super) fn read_extent(&mut self) -> rusqlite::Result<()> {
        self.trimmed = self.connection.query_row("SELECT position, number FROM trimmed", [], Place::read)?;
        self.removed = self
            .connection
            .query_row("SELECT removed FROM trimmed", [], |row| row.get::<_, i64>(0))?
            .cast_unsigned();
        self.last = self.newest()?.unwrap_or(self.trimmed);
        self.ids = Ids::read(&self.connection)?;
        Ok(())
    }
}
