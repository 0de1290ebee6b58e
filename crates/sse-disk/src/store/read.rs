//! Reads entries of the log.

use rusqlite::{OptionalExtension as _, params_from_iter};
use sse_server::log::{Entry, Position};

use super::row::{COLUMNS, Stored};
use super::{Place, Result, Store, ends};
use crate::trace;

/// A page ends after this many bytes.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

impl Store {
    /// Returns the entries directly after a position, as [`Log::after`](sse_server::log::Log::after) does.
    pub(crate) fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>> {
        let Some(mut before) = self.known(position)? else { return Ok(None) };
        let sql = format!("SELECT {COLUMNS} FROM entries WHERE position > ? ORDER BY position");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([clamped(position)])?;
        let (mut entries, mut bytes) = (Vec::new(), 0);
        while entries.len() < limit
            && bytes < PAGE_BYTES
            && let Some(row) = rows.next()?
        {
            let stored = Stored::read(row)?;
            if !stored.is_whole {
                trace::damaged(stored.place.position.get());
                continue;
            }
            bytes += stored.bytes();
            let place = stored.place;
            entries.push(stored.into_entry(before));
            before = place;
        }
        Ok(Some(entries))
    }

    /// Returns the newest entries before a position, as [`Log::before`](sse_server::log::Log::before) does.
    pub(crate) fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>> {
        let sql = format!("SELECT {COLUMNS} FROM entries WHERE position < ? ORDER BY position DESC");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut rows = statement.query([position.map_or(i64::MAX, clamped)])?;
        let (mut newest_first, mut bytes) = (Vec::new(), 0);
        // The first entry of the page is linked to the row before the page.
        let mut before = self.trimmed;
        while let Some(row) = rows.next()? {
            let stored = Stored::read(row)?;
            if !stored.is_whole {
                trace::damaged(stored.place.position.get());
                continue;
            }
            if newest_first.len() >= limit || bytes >= PAGE_BYTES {
                before = stored.place;
                break;
            }
            bytes += stored.bytes();
            newest_first.push(stored);
        }
        let entries = newest_first.into_iter().rev().map(|stored| {
            let place = stored.place;
            let entry = stored.into_entry(before);
            before = place;
            entry
        });
        Ok(entries.collect())
    }

    /// Returns the position of the message that an id of a topic names, as [`Log::find`](sse_server::log::Log::find) returns it.
    pub(crate) fn find(&self, topic: &str, id: &str) -> Result<Option<Position>> {
        self.ids.find(&self.connection, topic, id)
    }

    /// Returns the ends of topics, as [`Log::ends`](sse_server::log::Log::ends) does.
    pub(crate) fn ends(&self, limit: usize) -> Result<Vec<Entry>> {
        ends::list(&self.connection, limit)
    }

    /// Returns the oldest entry.
    pub(super) fn oldest(&self) -> Result<Option<Place>> {
        self.place("SELECT position, number FROM entries ORDER BY position LIMIT 1", &[])
    }

    /// Returns the newest entry.
    pub(super) fn newest(&self) -> Result<Option<Place>> {
        self.place("SELECT position, number FROM entries ORDER BY position DESC LIMIT 1", &[])
    }

    /// Returns the entry at a position, if it is known which entries come after it.
    fn known(&self, position: Position) -> Result<Option<Place>> {
        if position == self.trimmed.position {
            return Ok(Some(self.trimmed));
        }
        if position.get() > i64::MAX.cast_unsigned() {
            return Ok(None);
        }
        let known =
            self.place("SELECT position, number FROM entries WHERE position = ?", &[clamped(position)])?;
        if known.is_some() || position < self.trimmed.position { Ok(known) } else { self.removed(position) }
    }

    /// Returns the place from which to read on, if an entry at this position may have been
    /// [removed](super::topics). Which positions the removed entries had is not kept.
    fn removed(&self, position: Position) -> Result<Option<Place>> {
        let sql = format!("SELECT {COLUMNS} FROM entries WHERE position > ? ORDER BY position LIMIT 1");
        let mut select = self.connection.prepare_cached(&sql)?;
        let next = select.query_row([clamped(position)], Stored::read).optional()?;
        let Some(next) = next.filter(|next| next.removed > 0) else { return Ok(None) };
        let sql = "SELECT position, number FROM entries WHERE position < ? ORDER BY position DESC LIMIT 1";
        let before = self.place(sql, &[clamped(position)])?.unwrap_or(self.trimmed);
        let is_between = next.place.number == next.number_after(before);
        Ok(is_between.then_some(Place { position, ..before }))
    }

    fn place(&self, sql: &str, values: &[i64]) -> Result<Option<Place>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row(params_from_iter(values), Place::read).optional()
    }
}

/// Converts a position to an integer of SQLite, which has a sign. No entry has a higher position.
fn clamped(position: Position) -> i64 {
    i64::try_from(position.get()).unwrap_or(i64::MAX)
}
