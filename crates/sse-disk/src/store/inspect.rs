//! Opens a log without a change, and checks everything in it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use sse_server::log::{Outcome, Position};

use super::open::{APPLICATION, FORMAT};
use super::row::{COLUMNS, Stored};
use super::{Result, Store, ends, ids, topics};
use crate::builder::Durability;
use crate::error::{OpenError, OpenErrorKind, is_damage};

/// The settings of a connection that only reads.
///
/// With an exclusive lock, SQLite reads the write-ahead log that a crash has left, without writing to any file.
const SETTINGS: &str = "
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA query_only = ON;
    PRAGMA cache_size = -8192;
    PRAGMA temp_store = MEMORY;
    PRAGMA cell_size_check = ON;
    PRAGMA trusted_schema = OFF;
";

/// How many faults of the file SQLite reports.
const FILE_FAULTS: u32 = 20;

/// A fault of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The file is damaged, with the message of SQLite.
    File(String),
    /// The bytes of this entry are not those that were written.
    Damaged(Position),
    /// This number of entries is missing directly before this one.
    Missing { before: Position, entries: u64 },
    /// The number of this entry is not higher than that of the entry before it.
    Disordered(Position),
    /// The remembered newest batch of this publisher has positions that the log does not have.
    Publisher(u64),
    /// What is remembered of so many publishers' ids is not as it was written, or is of positions that the log has not.
    Ids(u64),
    /// What is remembered of the ends of so many topics is not as it was written, or is of positions that the log has not.
    Ends(u64),
    /// What is counted of so many topics is not what they have.
    Topics(u64),
}

impl Store {
    /// Opens a log to read it. Nothing is changed, and no other process can open it meanwhile.
    pub(crate) fn open_to_read(file: &Path) -> std::result::Result<Self, OpenError> {
        if let Some(kind) = unfit(file).map_err(|error| OpenError::system(file, &error))? {
            return Err(OpenError::new(file, kind));
        }
        let error = |error: rusqlite::Error| OpenError::store(file, &error);
        // The lock needs the right to write.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let connection = Connection::open_with_flags(file, flags).map_err(error)?;
        connection.busy_timeout(Duration::ZERO).map_err(error)?;
        if connection.is_readonly("main").map_err(error)? {
            return Err(OpenError::new(file, OpenErrorKind::ReadOnly));
        }
        let mut store = Self::new(connection, file, None, Durability::default());
        store.prepare_to_read().map_err(error)?.map_or(Ok(store), |kind| Err(OpenError::new(file, kind)))
    }

    /// Reads where the log begins and ends. Returns why it can't be read, if it can't.
    fn prepare_to_read(&mut self) -> Result<Option<OpenErrorKind>> {
        let connection = &self.connection;
        // The write-ahead log stays as it is, too.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.execute_batch(SETTINGS)?;
        let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i32>(0));
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if tables == 0 {
            return Ok(Some(OpenErrorKind::Missing));
        }
        if number("application_id")? != APPLICATION {
            return Ok(Some(OpenErrorKind::Foreign));
        }
        match number("user_version")? {
            version if version > FORMAT => return Ok(Some(OpenErrorKind::Newer)),
            version if version < FORMAT => return Ok(Some(OpenErrorKind::Older)),
            _ => {}
        }
        self.read_extent()?;
        Ok(None)
    }

    /// Returns the position before the oldest entry.
    pub(crate) fn start(&self) -> Position {
        self.trimmed.position
    }

    /// Checks the file and all entries, and calls `tell` for each fault. Returns how many entries it has read.
    pub(crate) fn check(&self, mut tell: impl FnMut(Finding)) -> Result<u64> {
        let mut entries = 0;
        let checked = self
            .check_file(&mut tell)
            .and_then(|()| self.check_entries(&mut entries, &mut tell))
            .and_then(|()| self.check_publishers(&mut tell))
            .and_then(|()| self.check_tables(&mut tell));
        match checked {
            // SQLite reads no further.
            Err(error) if is_damage(&error) => tell(Finding::File(error.to_string())),
            checked => checked?,
        }
        Ok(entries)
    }

    fn check_file(&self, tell: &mut impl FnMut(Finding)) -> Result<()> {
        let mut check = self.connection.prepare(&format!("PRAGMA integrity_check({FILE_FAULTS})"))?;
        let mut rows = check.query([])?;
        while let Some(row) = rows.next()? {
            let said: String = row.get(0)?;
            if said != "ok" {
                // SQLite writes several lines for one fault.
                tell(Finding::File(said.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
        }
        Ok(())
    }

    fn check_entries(&self, entries: &mut u64, tell: &mut impl FnMut(Finding)) -> Result<()> {
        let sql = format!("SELECT {COLUMNS} FROM entries ORDER BY position");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let mut before = self.trimmed;
        while let Some(row) = rows.next()? {
            let stored = Stored::read(row)?;
            *entries += 1;
            let place = stored.place;
            let next = stored.number_after(before);
            if !stored.is_whole {
                tell(Finding::Damaged(place.position));
                // The number of this entry may be the fault.
                (before.position, before.number) = (place.position, next);
                continue;
            }
            if place.number < next || place.position <= before.position {
                tell(Finding::Disordered(place.position));
            } else if place.number > next {
                tell(Finding::Missing { before: place.position, entries: place.number - next });
            }
            before = place;
        }
        Ok(())
    }

    fn check_publishers(&self, tell: &mut impl FnMut(Finding)) -> Result<()> {
        let sql = "SELECT publisher, first, messages, outcomes FROM publishers";
        let mut statement = self.connection.prepare(sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let [publisher, first, messages] =
                [row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?].map(i64::cast_unsigned);
            let last = self.last.position.get();
            let can_be = match row.get::<_, Option<Vec<u8>>>(3)? {
                None => first > 0 && first.checked_add(messages).is_some_and(|end| end - 1 <= last),
                Some(outcomes) => {
                    let outcomes = ids::decoded(&outcomes);
                    outcomes.len() as u64 == messages
                        && outcomes.iter().all(|outcome| match outcome {
                            Outcome::New(position) | Outcome::Repeat(position) => position.get() <= last,
                            Outcome::Taken => true,
                        })
                }
            };
            if !can_be {
                tell(Finding::Publisher(publisher));
            }
        }
        Ok(())
    }

    fn check_tables(&self, tell: &mut impl FnMut(Finding)) -> Result<()> {
        let (connection, last) = (&self.connection, self.last.position);
        let mut count = |wrong: u64, finding: fn(u64) -> Finding| {
            if wrong > 0 {
                tell(finding(wrong));
            }
        };
        // One by one: if SQLite can't read a table, what was found before is told.
        count(ids::count_damaged(connection, last)?, Finding::Ids);
        count(ends::count_damaged(connection, last)?, Finding::Ends);
        count(topics::count_damaged(connection)?, Finding::Topics);
        Ok(())
    }
}

/// Returns why a file is not a log, if its first bytes show it. SQLite would complete what another program has left
/// half done there.
fn unfit(file: &Path) -> io::Result<Option<OpenErrorKind>> {
    const MAGIC: &[u8] = b"SQLite format 3\0";
    /// The value 2 stands for a database with a write-ahead log.
    const FORM: usize = 18;

    let mut opened = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(OpenErrorKind::Missing)),
        opened => opened?,
    };
    let mut head = Vec::new();
    opened.by_ref().take(FORM as u64 + 1).read_to_end(&mut head)?;
    Ok(match head.get(FORM) {
        _ if head.is_empty() => Some(OpenErrorKind::Missing),
        Some(2) if head.starts_with(MAGIC) => None,
        _ => Some(OpenErrorKind::Foreign),
    })
}
