//! The log in SQLite, by one connection, and no other connection at the same time.
//!
//! The code here waits only for the disk, and reads no clock.

mod ends;
mod home;
mod ids;
mod inspect;
mod open;
mod read;
mod reserved;
mod row;
#[cfg(test)]
mod simulation;
mod topics;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use sse_server::log::{Batch, Entry, Outcome, Position, Record, timed};

use self::ends::Ends;
pub(crate) use self::ends::STEP_ENDS;
use self::home::Home;
use self::ids::Ids;
pub(crate) use self::ids::STEP_IDS;
pub(crate) use self::inspect::Finding;
pub(crate) use self::open::Vfs;
use self::reserved::Reserved;
use self::row::Row;
pub(crate) use self::topics::TopicBounds;
use self::topics::{Added, Topics};
use crate::builder::Durability;

pub(crate) type Result<T> = rusqlite::Result<T>;

/// How long the newest batch of a publisher is remembered, in milliseconds. The trait `Log` requires an hour.
const REMEMBERED: u64 = 2 * 60 * 60 * 1000;

/// How many bytes are written to the write-ahead log before it is copied to the file.
const CHECKPOINT: u64 = 16 * 1024 * 1024;

/// How much is trimmed at a time, which takes a few milliseconds.
pub(crate) const STEP_ENTRIES: u64 = 1000;
pub(crate) const STEP_BYTES: u64 = 1024 * 1024;

/// How many pages are given back at a time, and how many must be free before that.
const STEP_PAGES: u64 = 256;

/// The size of a page in bytes, which is SQLite's default.
const PAGE: u64 = 4096;

/// The limits of a log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    pub(crate) entries: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) age: Option<Duration>,
}

/// A log on the disk.
#[derive(Debug)]
pub(crate) struct Store {
    connection: Connection,
    file: PathBuf,
    /// `None` if the system does not tell it.
    home: Option<Home>,
    durability: Durability,
    /// The newest entry that was trimmed, which is the entry before the oldest one.
    trimmed: Place,
    /// The newest entry.
    last: Place,
    /// The publishers' ids.
    ids: Ids,
    /// The topics that have ended.
    ends: Ends,
    /// The times that positions may have.
    reserved: Reserved,
    /// The messages of each topic, if there are bounds for a topic.
    topics: Topics,
    /// How many of the entries after the trimmed one were removed before it was their turn.
    removed: u64,
    /// About how many bytes were written since the last checkpoint.
    unchecked: u64,
    /// The size of the file, if nothing was written since it was read.
    pages: Cell<Option<Pages>>,
    is_flushed: bool,
    /// Whether the message of the newest entry has expired and was removed.
    is_expired: bool,
}

/// The position and the number of an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    position: Position,
    number: u64,
}

/// The result of appending batches.
#[derive(Debug)]
pub(crate) struct Appended {
    /// For each batch, what became of its messages.
    pub(crate) outcomes: Vec<Vec<Outcome>>,
    /// The new entries.
    pub(crate) entries: Vec<Entry>,
    /// How long the commit took, which waits for the disk.
    pub(crate) commit: Duration,
}

/// The end of the log while batches are appended to it.
struct End {
    last: Place,
    ids: Ids,
    ends: Ends,
    entries: Vec<Entry>,
    /// What is appended to each topic, if it must be counted.
    added: Option<Added>,
    /// Of the messages.
    bytes: u64,
}

/// The size of the file, in pages.
#[derive(Clone, Copy, Debug)]
struct Pages {
    count: u64,
    free: u64,
}

/// The size of a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) entries: u64,
    /// The bytes in use, without free pages.
    pub(crate) bytes: u64,
    /// The time of the oldest entry, in milliseconds.
    pub(crate) oldest: Option<u64>,
}

impl Bounds {
    /// Returns the time before which entries have expired.
    fn expired(&self, now: u64) -> Option<u64> {
        now.checked_sub(u64::try_from(self.age?.as_millis()).ok()?)
    }
}

impl Place {
    /// Reads the first two columns of a row.
    fn read(row: &rusqlite::Row<'_>) -> Result<Self> {
        let (position, number): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok(Self { position: Position::new(position.cast_unsigned()), number: number.cast_unsigned() })
    }
}

impl Store {
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Returns the position of the newest entry.
    pub(crate) fn end(&self) -> Position {
        self.last.position
    }

    /// Returns whether all appended entries are flushed.
    pub(crate) fn is_flushed(&self) -> bool {
        self.is_flushed
    }

    /// Appends batches at this time, in milliseconds since 1970: all or none. Batches that the log already has are
    /// skipped.
    pub(crate) fn append(&mut self, batches: &[Batch], now: u64) -> Result<Appended> {
        self.check_home()?;
        let floor = self.reserved.floor();
        let time = now.max(timed::time(self.last.position.max(floor)));
        if self.reserved.is_short(time) {
            self.reserve(time)?;
        }
        let transaction = begin(&mut self.connection)?;
        let added = self.topics.begin_counting();
        let mut end =
            End { last: self.last, ids: self.ids, ends: self.ends, entries: Vec::new(), added, bytes: 0 };
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            if let Some(known) = known(&transaction, batch)? {
                outcomes.push(known);
                continue;
            }
            let first = first_position(end.last.position.max(floor), now, batch.records().len())?;
            let became = end.append(&transaction, batch, first)?;
            remember(&transaction, batch, first, &became, now)?;
            outcomes.push(became);
        }
        let over = end.added.take().map(|added| self.topics.add(&transaction, added)).transpose()?;
        let begun = Instant::now();
        transaction.commit()?;
        self.topics.note(over.unwrap_or_default());
        // About as many bytes as a small commit writes.
        self.wrote(16 * 1024 + end.bytes);
        self.is_expired = self.is_expired && self.last == end.last;
        (self.last, self.ids, self.ends) = (end.last, end.ids, end.ends);
        self.is_flushed = self.durability == Durability::Stored;
        Ok(Appended { outcomes, entries: end.entries, commit: begun.elapsed() })
    }

    /// Fails if the file is no longer at its path. SQLite would go on writing to a file that nobody can open again.
    pub(crate) fn check_home(&self) -> Result<()> {
        if self.home.as_ref().is_some_and(Home::is_left) {
            let moved = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY_DBMOVED);
            return Err(rusqlite::Error::SqliteFailure(moved, None));
        }
        Ok(())
    }

    /// Writes this many bytes and removes them again, to see whether the disk has room for them.
    pub(crate) fn probe(&mut self, bytes: usize) -> Result<()> {
        self.check_home()?;
        self.connection.execute_batch("CREATE TABLE IF NOT EXISTS probe (bytes BLOB)")?;
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let probed = self.connection.execute("INSERT INTO probe VALUES (zeroblob(?1))", [bytes]);
        self.pages.set(None);
        // An empty table that stays, because not even this change has room, harms nothing.
        let removed = self.connection.execute_batch("DROP TABLE probe");
        probed.and(removed)
    }

    /// Flushes the entries that were appended without a flush.
    pub(crate) fn flush(&mut self) -> Result<()> {
        self.reserve(timed::time(self.last.position))
    }

    /// Flushes all entries, and lets the next process give the positions that follow them directly.
    pub(crate) fn close(mut self) -> Result<()> {
        if self.durability == Durability::Stored {
            return Ok(());
        }
        self.save(self.reserved.released())
    }

    /// Reserves times for positions, from this one on.
    fn reserve(&mut self, time: u64) -> Result<()> {
        self.save(self.reserved.from(time))
    }

    /// Writes which times are reserved, and flushes that and everything that was written before it.
    fn save(&mut self, reserved: Reserved) -> Result<()> {
        self.connection.execute_batch("PRAGMA synchronous = FULL")?;
        let saved = reserved.save(&mut self.connection);
        self.connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        saved?;
        self.reserved = reserved;
        self.is_flushed = true;
        Ok(())
    }

    /// Copies the write-ahead log to the file, if it is large.
    pub(crate) fn checkpoint(&mut self) -> Result<()> {
        if self.unchecked < CHECKPOINT {
            return Ok(());
        }
        // If the copy fails, the next attempt is after as many bytes again, and not at each commit.
        self.unchecked = 0;
        self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
    }

    /// Trims some of the oldest entries, if the log exceeds its limits. Returns the last trimmed position. If there is
    /// one, there may be more to trim.
    pub(crate) fn trim(&mut self, bounds: Bounds, now: u64) -> Result<Option<Position>> {
        let Some(until) = self.surplus(bounds, now)? else { return Ok(None) };
        self.unflushed(|store| store.trim_until(until, now))?;
        Ok(Some(until.position))
    }

    /// Sets the limits of each topic. This takes as long as reading the log, if there were none before.
    pub(crate) fn bound_topics(&mut self, bounds: TopicBounds) -> Result<()> {
        self.topics.bound(&mut self.connection, bounds)
    }

    /// Does a step so that topics don't exceed their limits. Returns the position up to which messages may have been
    /// evicted. If there is one, there may be more to do. Messages after `newest` stay.
    pub(crate) fn evict(&mut self, newest: Position) -> Result<Option<Position>> {
        self.unflushed(|store| {
            let entries = store.entries();
            let Some(step) = store.topics.step(&mut store.connection, entries, newest)? else {
                return Ok(None);
            };
            store.removed += step.removed;
            store.wrote(step.bytes);
            Ok(Some(step.until))
        })
    }

    /// Removes the message of the newest entry if it has expired. The entry itself stays, because the next entry is
    /// linked to it, and tells that it had a message. Returns whether it has expired only now.
    pub(crate) fn expire(&mut self, bounds: Bounds, now: u64) -> Result<bool> {
        let is_expired = bounds.expired(now).is_some_and(|expired| timed::time(self.last.position) < expired);
        if self.is_expired || !is_expired || self.last == self.trimmed {
            return Ok(false);
        }
        let last = self.last;
        self.unflushed(|store| {
            let transaction = begin(&mut store.connection)?;
            store.topics.leave_at(&transaction, last.position)?;
            row::expire(&transaction, last)?;
            transaction.commit()
        })?;
        self.wrote(16 * 1024);
        self.is_expired = true;
        Ok(true)
    }

    /// Forgets publishers that have not published for long.
    pub(crate) fn forget_publishers(&self, now: u64) -> Result<()> {
        let forgotten = now.saturating_sub(REMEMBERED).cast_signed();
        let mut delete = self.connection.prepare_cached("DELETE FROM publishers WHERE time < ?")?;
        delete.execute([forgotten]).map(drop)
    }

    /// Looks at so many of the oldest publishers' ids, if there are as many more than the bounds let, and forgets those
    /// whose messages are kept no more. Returns whether there may be more.
    pub(crate) fn forget_ids(&mut self, bounds: Bounds, step: u64) -> Result<bool> {
        let Some(from) = self.ids.surplus(bounds, step) else { return Ok(false) };
        self.unflushed(|store| {
            let are_evicted = store.topics.are_evicted();
            store.ids.forget(&store.connection, from, store.trimmed.position, step, are_evicted)?;
            store.wrote(512 * 1024);
            Ok(true)
        })
    }

    /// Forgets some of the oldest ends of topics, if they have expired or are too many. Returns whether there may be more.
    pub(crate) fn forget_ends(&mut self, bounds: Bounds, now: u64, step: u64) -> Result<bool> {
        if !self.ends.are_over(bounds, now, step) {
            return Ok(false);
        }
        self.unflushed(|store| {
            let is_forgotten = store.ends.forget(&store.connection, bounds, now, step)?;
            store.wrote(if is_forgotten { 64 * 1024 } else { 0 });
            Ok(is_forgotten)
        })
    }

    /// Makes a change without a flush. If a loss of power undoes it, it is made again.
    fn unflushed<T>(&mut self, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.durability != Durability::Stored {
            return change(self);
        }
        self.connection.execute_batch("PRAGMA synchronous = NORMAL")?;
        let changed = change(self);
        self.connection.execute_batch("PRAGMA synchronous = FULL")?;
        changed
    }

    /// Gives some space back, if much is free. Returns whether there may be more.
    pub(crate) fn shrink(&mut self) -> Result<bool> {
        let Pages { count, free } = self.pages()?;
        if free < STEP_PAGES + count / 8 {
            return Ok(false);
        }
        let mut vacuum = self.connection.prepare_cached("PRAGMA incremental_vacuum(256)")?;
        let mut rows = vacuum.query([])?;
        while rows.next()?.is_some() {}
        drop(rows);
        drop(vacuum);
        self.wrote(STEP_PAGES * PAGE);
        Ok(true)
    }

    /// Returns the size of the log.
    pub(crate) fn size(&self) -> Result<Size> {
        let Pages { count, free } = self.pages()?;
        let bytes = count.saturating_sub(free) * PAGE;
        let oldest = self.oldest()?.map(|oldest| timed::time(oldest.position));
        Ok(Size { entries: self.entries(), bytes, oldest })
    }

    /// Returns how many entries there are; about, if the file was damaged.
    fn entries(&self) -> u64 {
        self.last.number.saturating_sub(self.trimmed.number).saturating_sub(self.removed)
    }

    /// Returns the last entry that must be trimmed now, if there is one. The newest entry stays, because the next entry
    /// is linked to it.
    fn surplus(&self, bounds: Bounds, now: u64) -> Result<Option<Place>> {
        // Some surplus is left for the next time, because it takes as long to trim one entry as to trim some hundred.
        let above = |used: u64, most: u64, slack: u64| {
            if used > most + slack.min(most / 16) { used - most } else { 0 }
        };
        let entries = bounds.entries.map_or(0, |most| above(self.entries(), most.max(1), STEP_ENTRIES / 2));
        let bytes = match bounds.bytes {
            Some(most) => above(self.size()?.bytes, most, STEP_BYTES).min(STEP_BYTES),
            None => 0,
        };
        let expired = bounds.expired(now);
        if entries == 0 && bytes == 0 && expired.is_none() {
            return Ok(None);
        }
        let mut oldest = self.connection.prepare_cached(
            "SELECT position, number, coalesce(length(fields), 0) + coalesce(length(topic), 0) + 32 FROM entries \
             WHERE position < ? ORDER BY position LIMIT ?",
        )?;
        let mut rows = oldest.query([self.last.position.get(), STEP_ENTRIES].map(u64::cast_signed))?;
        let (mut until, mut step, mut count) = (None, 0, 0);
        while step < STEP_BYTES
            && let Some(row) = rows.next()?
        {
            let place = Place::read(row)?;
            let is_expired = expired.is_some_and(|expired| timed::time(place.position) < expired);
            if !(is_expired || count < entries || step < bytes) {
                break;
            }
            count += 1;
            step += row.get::<_, i64>(2)?.cast_unsigned();
            until = Some(place);
        }
        Ok(until)
    }

    fn trim_until(&mut self, until: Place, now: u64) -> Result<()> {
        let position = until.position.get().cast_signed();
        let transaction = begin(&mut self.connection)?;
        self.topics.leave_until(&transaction, until.position)?;
        let mut delete = transaction.prepare_cached("DELETE FROM entries WHERE position <= ?")?;
        let deleted = delete.execute([position])? as u64;
        drop(delete);
        // The others of these numbers had been removed before.
        let numbers = until.number.saturating_sub(self.trimmed.number);
        let removed = self.removed.saturating_sub(numbers.saturating_sub(deleted));
        let mut update =
            transaction.prepare_cached("UPDATE trimmed SET position = ?, number = ?, removed = ?")?;
        update.execute([position, until.number.cast_signed(), removed.cast_signed()])?;
        drop(update);
        transaction.commit()?;
        (self.trimmed, self.removed) = (until, removed);
        self.wrote(64 * 1024);
        self.forget_publishers(now)
    }

    /// Notes that about so many bytes were written.
    fn wrote(&mut self, bytes: u64) {
        self.unchecked += bytes;
        self.pages.set(None);
    }

    fn pages(&self) -> Result<Pages> {
        if let Some(pages) = self.pages.get() {
            return Ok(pages);
        }
        let pages = Pages { count: self.number("page_count")?, free: self.number("freelist_count")? };
        self.pages.set(Some(pages));
        Ok(pages)
    }

    fn number(&self, pragma: &str) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(&format!("PRAGMA {pragma}"))?;
        statement.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    }
}

fn begin(connection: &mut Connection) -> Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

impl End {
    /// Appends the messages of a batch, the first one at a position, but for those that were there before. Returns what
    /// became of each.
    fn append(&mut self, transaction: &Transaction<'_>, batch: &Batch, first: u64) -> Result<Vec<Outcome>> {
        let mut insert = transaction.prepare_cached(row::INSERT)?;
        let mut position = first;
        let mut append = |end: &mut Self, record: &Record| {
            let before = end.last;
            end.last = Place { position: Position::new(position), number: before.number.wrapping_add(1) };
            position += 1;
            Row::new(end.last, record).insert(&mut insert)?;
            end.ids.insert(transaction, record, end.last.position)?;
            end.ends.take(transaction, record, end.last.position)?;
            end.bytes += record.fields().len() as u64;
            if let Some(added) = &mut end.added {
                added.count(record);
            }
            end.entries.push(Entry::new(end.last.position, before.position, Some(record.clone())));
            Ok(Outcome::New(end.last.position))
        };
        if !batch.has_ids() {
            return batch.records().iter().map(|record| append(self, record)).collect();
        }
        let mut outcomes = Vec::with_capacity(batch.records().len());
        for group in batch.groups() {
            let Some(repeated) = self.ids.check(transaction, group)? else {
                outcomes.extend(group.iter().map(|_| Outcome::Taken));
                continue;
            };
            for (record, repeated) in group.iter().zip(repeated) {
                // One that the group itself repeats has its position by now.
                let repeated = match (repeated, record.id()) {
                    (None, Some(id)) => self.ids.find(transaction, record.topic(), id.as_str())?,
                    (repeated, _) => repeated,
                };
                outcomes.push(match repeated {
                    Some(position) => Outcome::Repeat(position),
                    None => append(self, record)?,
                });
            }
        }
        Ok(outcomes)
    }
}

/// What became of a batch, if the newest batch of its publisher is this one or a later one.
fn known(transaction: &Transaction<'_>, batch: &Batch) -> Result<Option<Vec<Outcome>>> {
    let mut newest = transaction
        .prepare_cached("SELECT number, first, messages, outcomes FROM publishers WHERE publisher = ?")?;
    let mut rows = newest.query([batch.publisher().cast_signed()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let [number, first, messages] = [row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?].map(i64::cast_unsigned);
    if number < batch.number() {
        return Ok(None);
    }
    let outcomes: Option<Vec<u8>> = row.get(3)?;
    let appended =
        || (first..first + messages).map(|position| Outcome::New(Position::new(position))).collect();
    Ok(Some(outcomes.map_or_else(appended, |outcomes| ids::decoded(&outcomes))))
}

fn remember(
    transaction: &Transaction<'_>,
    batch: &Batch,
    first: u64,
    outcomes: &[Outcome],
    now: u64,
) -> Result<()> {
    let mut replace =
        transaction.prepare_cached("INSERT OR REPLACE INTO publishers VALUES (?, ?, ?, ?, ?, ?)")?;
    let [publisher, number, first, messages, now] =
        [batch.publisher(), batch.number(), first, outcomes.len() as u64, now].map(u64::cast_signed);
    let outcomes = ids::encoded(batch, outcomes);
    replace.execute(params![publisher, number, first, messages, now, outcomes]).map(drop)
}

/// Positions are made of the time, so they are higher than those of a log that was deleted. They must rise also if the
/// clock is set back.
fn first_position(last: Position, now: u64, messages: usize) -> Result<u64> {
    let by_time = timed::position(now, 0).map_or(u64::MAX, Position::get);
    let first = by_time.max(last.get().saturating_add(1));
    // SQLite's integers have a sign. This limit is reached in the year 2248.
    if first.saturating_add(messages as u64) > i64::MAX.cast_unsigned() {
        return Err(rusqlite::Error::IntegralValueOutOfRange(0, i64::MAX));
    }
    Ok(first)
}
