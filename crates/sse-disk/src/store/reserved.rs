//! The times that are reserved for positions, if commits are not flushed.
//!
//! A loss of power takes the entries that were not flushed, and clients may have their ids. No such id may name another
//! message later, also if the clock was set back. So a time is reserved on the disk before a position has it, and a log
//! that was not closed goes on after the reserved times.

use rusqlite::Connection;
use sse_server::log::{Position, timed};

use super::open::FORMAT;
use super::{Result, begin};
use crate::builder::Durability;

/// By how much the times within one append can rise: far more than any number of its messages needs.
const APPEND: u64 = 1000;

/// The reserved times, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reserved {
    /// All positions have earlier times.
    until: u64,
    /// How much is reserved at a time. `None` if each commit is flushed, so that nothing need be reserved.
    lead: Option<u64>,
    /// Positions are given after this one. Earlier ones may have been lost.
    floor: Position,
}

impl Reserved {
    pub(super) fn new(durability: Durability) -> Self {
        let lead = match durability {
            Durability::Stored => None,
            // Each flush reserves anew.
            Durability::Every(time) => Some(
                u64::try_from(time.as_millis())
                    .unwrap_or(u64::MAX)
                    .saturating_mul(2)
                    .saturating_add(2 * APPEND),
            ),
        };
        Self { until: 0, lead, floor: Position::START }
    }

    /// Reads what an earlier process has reserved.
    pub(super) fn read(self, connection: &Connection) -> Result<Self> {
        let until = connection.query_row("SELECT time FROM reserved", [], |row| row.get::<_, i64>(0))?;
        let until = until.cast_unsigned();
        Ok(Self { until, floor: timed::position(until, 0).unwrap_or_default(), ..self })
    }

    pub(super) fn floor(self) -> Position {
        self.floor
    }

    /// Returns whether positions of this time need more than is reserved.
    pub(super) fn is_short(self, time: u64) -> bool {
        self.lead.is_some() && time.saturating_add(APPEND) >= self.until
    }

    /// Returns the times to reserve for positions from this time on. They must be saved and flushed before a position
    /// has one of them.
    #[must_use]
    pub(super) fn from(self, time: u64) -> Self {
        let until = time.saturating_add(self.lead.unwrap_or_default()).max(self.until);
        Self { until, ..self }
    }

    /// Returns that no times are reserved, because all entries are flushed, and no other follows.
    #[must_use]
    pub(super) fn released(self) -> Self {
        Self { until: 0, ..self }
    }

    /// Writes them in a commit, which is never empty. So it flushes all commits before it, if it is flushed itself.
    pub(super) fn save(self, connection: &mut Connection) -> Result<()> {
        let transaction = begin(connection)?;
        transaction.prepare_cached("UPDATE reserved SET time = ?")?.execute([self.until.cast_signed()])?;
        // SQLite does not write a row that stays the same.
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()
    }
}
