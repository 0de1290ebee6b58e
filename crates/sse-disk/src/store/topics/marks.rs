//! Removes marks that tell nothing new: of those without another entry between them, the newest of each topic is enough.
//!
//! A pass goes from the newest mark to the oldest, in steps. The next pass begins when there are twice as many marks as
//! the last one has left. So the marks that can be removed are never more than the others, but for some thousand, or for an
//! eighth of a small log.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::super::{Place, Result, STEP_ENTRIES, begin};
use super::IS_MARK;

/// How many marks are made at least before the next pass.
const FEW: u64 = if cfg!(test) { 4 } else { 4 * STEP_ENTRIES };

/// The same for a small log, in which so many marks would push out the other entries.
const FEWEST: u64 = 64;

/// How many topics of neighbouring marks are remembered. With more, some marks stay that could be removed.
const MOST_TOPICS: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(super) struct Marks {
    /// How many were made since the last pass began, and how many that pass has left.
    made: u64,
    left: u64,
    pass: Option<Pass>,
}

/// How far a pass has come.
#[derive(Debug, Default)]
struct Pass {
    /// The oldest mark that was seen and is kept.
    newer: Option<Mark>,
    /// The topics of this mark and of those directly after it.
    told: HashSet<String>,
    kept: u64,
}

/// A mark, and how many entries directly before it were removed.
#[derive(Clone, Copy, Debug)]
struct Mark {
    place: Place,
    removed: u64,
}

impl Marks {
    /// Counts the marks of a log that is opened.
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let sql = format!("SELECT count(*) FROM entries INDEXED BY marks WHERE {IS_MARK}");
        let made: i64 = connection.query_row(&sql, [], |row| row.get(0))?;
        Ok(Self { made: made.cast_unsigned(), ..Self::default() })
    }

    /// Counts new marks.
    pub(super) fn made(&mut self, marks: u64) {
        self.made += marks;
    }

    /// Does a step of a pass, in a log with so many entries. Returns how many were removed; `None` if no pass is due.
    pub(super) fn join(&mut self, connection: &mut Connection, entries: u64) -> Result<Option<u64>> {
        let few = FEW.min(FEWEST.max(entries / 8));
        // If the step fails, another pass begins later.
        let mut pass = match self.pass.take() {
            Some(pass) => pass,
            None if self.made >= few.max(self.left) => {
                self.made = 0;
                Pass::default()
            }
            None => return Ok(None),
        };
        let (removed, is_done) = pass.step(connection)?;
        if is_done {
            self.left = pass.kept;
        } else {
            self.pass = Some(pass);
        }
        Ok(Some(removed))
    }
}

impl Pass {
    /// Looks at some older marks. Returns how many were removed, and whether these were the last.
    fn step(&mut self, connection: &mut Connection) -> Result<(u64, bool)> {
        let transaction = begin(connection)?;
        let mut select = transaction.prepare_cached(&format!(
            "SELECT position, number, removed, topic FROM entries INDEXED BY marks \
             WHERE {IS_MARK} AND position < ? ORDER BY position DESC LIMIT ?"
        ))?;
        let before = self.newer.map_or(i64::MAX, |mark| mark.place.position.get().cast_signed());
        let mut rows = select.query([before, STEP_ENTRIES.cast_signed()])?;
        let (mut seen, mut removed) = (0, 0);
        while let Some(row) = rows.next()? {
            seen += 1;
            let mark = Mark { place: Place::read(row)?, removed: row.get::<_, i64>(2)?.cast_unsigned() };
            let topic: String = row.get(3)?;
            removed += u64::from(self.take(&transaction, mark, topic)?);
        }
        drop(rows);
        drop(select);
        let mut update = transaction.prepare_cached("UPDATE trimmed SET removed = removed + ?")?;
        update.execute([removed.cast_signed()])?;
        drop(update);
        transaction.commit()?;
        Ok((removed, seen < STEP_ENTRIES))
    }

    /// Keeps the next older mark, or removes it. Returns whether it was removed.
    fn take(&mut self, connection: &Connection, mark: Mark, topic: String) -> Result<bool> {
        // The numbers of damaged rows may be any.
        let follows = |newer: &Mark| {
            newer.place.number == mark.place.number.wrapping_add(1).wrapping_add(newer.removed)
        };
        let newer = self.newer.filter(follows);
        if newer.is_none() || self.told.len() >= MOST_TOPICS {
            self.told.clear();
        }
        let is_new = self.told.insert(topic);
        let Some(newer) = newer.filter(|_| !is_new) else {
            self.kept += 1;
            self.newer = Some(mark);
            return Ok(false);
        };
        let removed = newer.removed.wrapping_add(1).wrapping_add(mark.removed);
        let newer = Mark { removed, ..newer };
        let [position, next] = [mark.place, newer.place].map(|place| place.position.get().cast_signed());
        connection.prepare_cached("DELETE FROM entries WHERE position = ?")?.execute([position])?;
        connection
            .prepare_cached("UPDATE entries SET removed = ?2 WHERE position = ?1")?
            .execute(params![next, newer.removed.cast_signed()])?;
        self.newer = Some(newer);
        Ok(true)
    }
}
