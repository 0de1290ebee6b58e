//! The topics that have ended, by a table: so a hub knows them when it starts, also if their entries are old or were trimmed.

use rusqlite::{Connection, OptionalExtension as _, params};
use sse_server::log::{Entry, Position, Record, RecordKind, timed};

use super::row::{self, COLUMNS, Stored};
use super::{Bounds, Place, Result};
use crate::trace;

/// How many ends are remembered at most: as many as a hub asks for. And how many bytes of the disk they take, about.
const REMEMBERED: u64 = 16 * 1024;
const BYTES: u64 = 8 * 1024 * 1024;

/// How many bytes an end takes, about, beside the name of its topic.
const END_BYTES: u64 = 96;

/// How many ends are forgotten at a time.
pub(crate) const STEP_ENDS: u64 = 128;

/// The columns that [`Stored::read`] reads. An end has neither a number nor a key.
const AS_ROW: &str = "position, 0, topic, fields, NULL, checksum, 0";

/// How many ends there are, and how old they are.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    count: u64,
    /// About how many bytes of the disk they take.
    bytes: u64,
    /// The oldest end is at this position or later.
    oldest: Position,
}

impl Ends {
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let sql = "SELECT count(*), sum(length(CAST(topic AS BLOB))), min(position) FROM ends";
        connection.query_row(sql, [], |row| {
            let number = |column: usize| {
                row.get::<_, Option<i64>>(column).map(|number| number.unwrap_or_default().cast_unsigned())
            };
            let (count, names) = (number(0)?, number(1)?);
            let bytes = count * END_BYTES + 2 * names;
            Ok(Self { count, bytes, oldest: Position::new(number(2)?) })
        })
    }

    /// Reads the ends from the entries of a log that has no table of them yet. This reads the whole log, once.
    pub(super) fn collect(connection: &Connection) -> Result<()> {
        let sql = format!(
            "SELECT {COLUMNS} FROM entries WHERE substr(fields, 1, 9) = CAST('control: ' AS BLOB) ORDER BY position"
        );
        let (mut ends, mut select) = (Self::default(), connection.prepare(&sql)?);
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let stored = Stored::read(row)?;
            let position = stored.place.position;
            if let Some(record) = stored.into_record() {
                ends.take(connection, &record, position)?;
            }
        }
        Ok(())
    }

    /// Remembers or forgets the end of a topic, if this record ends or opens one.
    pub(super) fn take(
        &mut self,
        connection: &Connection,
        record: &Record,
        position: Position,
    ) -> Result<()> {
        match record.kind() {
            RecordKind::End => self.end(connection, record, position),
            RecordKind::Open => self.open(connection, record.topic()),
            _ => Ok(()),
        }
    }

    fn end(&mut self, connection: &Connection, record: &Record, position: Position) -> Result<()> {
        let sql = format!("SELECT {AS_ROW} FROM ends WHERE topic = ?");
        let mut select = connection.prepare_cached(&sql)?;
        let known = select.query_row([record.topic()], Stored::read).optional()?;
        if known.is_some_and(|known| known.is_whole) {
            return Ok(());
        }
        // A row that is damaged is not known, and is replaced.
        let mut insert = connection.prepare_cached("INSERT OR REPLACE INTO ends VALUES (?, ?, ?, ?)")?;
        let parts = [Some(record.topic().as_bytes()), Some(&record.fields()[..]), None];
        let checksum = row::checksum(Place { position, number: 0 }, parts);
        let place = position.get().cast_signed();
        insert.execute(params![place, record.topic(), &record.fields()[..], checksum])?;
        if self.count == 0 {
            self.oldest = position;
        }
        self.count += 1;
        self.bytes += bytes(record.topic().len() as u64);
        Ok(())
    }

    fn open(&mut self, connection: &Connection, topic: &str) -> Result<()> {
        let mut delete = connection.prepare_cached("DELETE FROM ends WHERE topic = ?")?;
        if delete.execute([topic])? > 0 {
            self.leave(topic.len() as u64);
        }
        Ok(())
    }

    /// Counts one end less, of a topic whose name has this length.
    fn leave(&mut self, name: u64) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes(name));
    }

    /// Returns whether there are ends to forget: because they have expired, or because there are so many more than are
    /// remembered.
    pub(super) fn are_over(&self, bounds: Bounds, now: u64, step: u64) -> bool {
        let most = most_bytes(bounds);
        self.count >= REMEMBERED + step
            || self.bytes > most + most / 8
            || self.count > 0 && self.has_expired(bounds, now)
    }

    fn has_expired(&self, bounds: Bounds, now: u64) -> bool {
        bounds.expired(now).is_some_and(|expired| timed::time(self.oldest) < expired)
    }

    /// Forgets the oldest ends that have expired or are too many, `step` of them at most. Returns whether there may be
    /// more.
    pub(super) fn forget(
        &mut self,
        connection: &Connection,
        bounds: Bounds,
        now: u64,
        step: u64,
    ) -> Result<bool> {
        let most = most_bytes(bounds);
        let mut select = connection.prepare_cached(
            "SELECT position, length(CAST(topic AS BLOB)) FROM ends ORDER BY position LIMIT ?",
        )?;
        let mut rows = select.query([step.cast_signed()])?;
        let (mut left, mut forgotten) = (*self, 0);
        let is_done = loop {
            let Some(row) = rows.next()? else { break forgotten < step };
            left.oldest = Position::new(row.get::<_, i64>(0)?.cast_unsigned());
            if left.count <= REMEMBERED && left.bytes <= most && !left.has_expired(bounds, now) {
                break true;
            }
            left.leave(row.get::<_, Option<i64>>(1)?.unwrap_or_default().cast_unsigned());
            forgotten += 1;
        };
        drop(rows);
        let sql = "DELETE FROM ends WHERE position IN (SELECT position FROM ends ORDER BY position LIMIT ?)";
        connection.prepare_cached(sql)?.execute([forgotten.cast_signed()])?;
        // If a row was damaged, the counts were not exact.
        *self = if forgotten == 0 { Self::read(connection)? } else { left };
        Ok(!is_done)
    }
}

/// Returns the entries of the newest ends, oldest first, `limit` at most.
pub(super) fn list(connection: &Connection, limit: usize) -> Result<Vec<Entry>> {
    let sql = format!("SELECT {AS_ROW} FROM ends ORDER BY position DESC LIMIT ?");
    let mut select = connection.prepare_cached(&sql)?;
    let mut rows = select.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
    let mut ends = Vec::new();
    while let Some(row) = rows.next()? {
        let stored = Stored::read(row)?;
        let position = stored.place.position;
        match stored.into_record() {
            Some(record) => ends.push(Entry::new(position, Position::START, Some(record))),
            None => trace::damaged_end(position.get()),
        }
    }
    ends.reverse();
    Ok(ends)
}

/// Returns how many ends are not as they were written, or are at positions after the last.
pub(super) fn count_damaged(connection: &Connection, last: Position) -> Result<u64> {
    let mut select = connection.prepare(&format!("SELECT {AS_ROW} FROM ends"))?;
    let mut rows = select.query([])?;
    let mut damaged = 0;
    while let Some(row) = rows.next()? {
        let stored = Stored::read(row)?;
        let is_sound = stored.place.position <= last;
        damaged += u64::from(!is_sound || stored.into_record().is_none());
    }
    Ok(damaged)
}

/// Returns about how many bytes an end takes. The name of its topic is in the table and in its index.
fn bytes(name: u64) -> u64 {
    END_BYTES + 2 * name
}

fn most_bytes(bounds: Bounds) -> u64 {
    bounds.bytes.map_or(BYTES, |bytes| BYTES.min(bytes / 8))
}
