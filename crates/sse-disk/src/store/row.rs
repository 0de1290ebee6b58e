//! An entry as a row of the table.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};
use sse_server::log::{Entry, Position, Record, RecordKind};

use super::{Place, Result};

pub(super) const INSERT: &str =
    "INSERT INTO entries (position, number, topic, fields, key, checksum) VALUES (?, ?, ?, ?, ?, ?)";

/// The columns that [`Row::read`] reads, in its order.
pub(super) const COLUMNS: &str = "position, number, topic, fields, key, checksum, removed";

/// A row to write.
pub(super) struct Row<'r> {
    place: Place,
    record: &'r Record,
}

/// A row that was read.
pub(super) struct Stored {
    pub(super) place: Place,
    record: Option<Record>,
    /// How many entries directly before it were removed, though older entries were kept.
    pub(super) removed: u64,
    /// Whether its bytes are those that were written.
    pub(super) is_whole: bool,
}

impl<'r> Row<'r> {
    pub(super) fn new(place: Place, record: &'r Record) -> Self {
        Self { place, record }
    }

    pub(super) fn insert(&self, statement: &mut CachedStatement<'_>) -> Result<()> {
        let Self { place, record } = self;
        let parts =
            [Some(record.topic().as_bytes()), Some(&record.fields()[..]), record.key().map(str::as_bytes)];
        let checksum = checksum(*place, parts);
        statement.execute(params![
            place.position.get().cast_signed(),
            place.number.cast_signed(),
            record.topic(),
            &record.fields()[..],
            record.key(),
            checksum,
        ])?;
        Ok(())
    }
}

impl Stored {
    pub(super) fn read(row: &rusqlite::Row<'_>) -> Result<Self> {
        let place = Place::read(row)?;
        // A damaged row may have values of other types.
        let [topic, fields, key] =
            [2, 3, 4].map(|column| row.get_ref(column).ok().and_then(|value| value.as_bytes_or_null().ok()));
        let (Some(topic), Some(fields), Some(key)) = (topic, fields, key) else {
            return Ok(Self { place, record: None, removed: 0, is_whole: false });
        };
        let expected = i64::from(checksum(place, [topic, fields, key]));
        let is_whole = row.get(5).is_ok_and(|found: i64| found == expected);
        let text = |bytes| std::str::from_utf8(bytes).ok().map(Arc::from);
        let record = topic.and_then(text).zip(fields).and_then(|(topic, fields)| {
            Record::from_parts(topic, key.and_then(text), Bytes::copy_from_slice(fields)).ok()
        });
        let removed = row.get(6).map_or(0, i64::cast_unsigned);
        Ok(Self { place, record, removed, is_whole })
    }

    /// Returns the record, if its bytes are those that were written.
    pub(super) fn into_record(self) -> Option<Record> {
        self.record.filter(|_| self.is_whole)
    }

    pub(super) fn bytes(&self) -> usize {
        self.record.as_ref().map_or(0, |record| record.fields().len())
    }

    /// Returns the number that it has if no row is missing between it and this one.
    pub(super) fn number_after(&self, before: Place) -> u64 {
        before.number.wrapping_add(1).wrapping_add(self.removed)
    }

    /// Returns the entry, after the row that was read before it. If other rows were between them, the entry is linked
    /// to a position that no reader can have seen.
    pub(super) fn into_entry(self, before: Place) -> Entry {
        let is_linked = self.place.number == self.number_after(before);
        let unknown = Position::new(self.place.position.get().saturating_sub(1));
        Entry::new(self.place.position, if is_linked { before.position } else { unknown }, self.record)
    }
}

/// Removes the content of a row. If it was a message, the row becomes a [mark](mark), because a client may have read the
/// entry before it, which is the newest trimmed one.
pub(super) fn expire(connection: &Connection, place: Place) -> Result<()> {
    let sql = format!("SELECT {COLUMNS} FROM entries WHERE position = ?");
    let mut select = connection.prepare_cached(&sql)?;
    let stored = select.query_row([place.position.get().cast_signed()], Stored::read).optional()?;
    match stored.and_then(Stored::into_record) {
        Some(record) if record.kind() == RecordKind::Message => mark(connection, place, record.topic()),
        Some(record) if record.kind() == RecordKind::Evicted => Ok(()),
        _ => empty(connection, place),
    }
}

/// Removes the content of a row.
fn empty(connection: &Connection, place: Place) -> Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE entries SET topic = NULL, fields = NULL, key = NULL, checksum = ? WHERE position = ?",
    )?;
    update.execute(params![checksum(place, [None; 3]), place.position.get().cast_signed()]).map(drop)
}

/// Replaces the message of a row by a mark: it says that a message of this topic was evicted.
pub(super) fn mark(connection: &Connection, place: Place, topic: &str) -> Result<()> {
    let mark = Record::evicted(topic);
    let checksum = checksum(place, [Some(topic.as_bytes()), Some(mark.fields()), None]);
    let mut update = connection
        .prepare_cached("UPDATE entries SET fields = ?2, key = NULL, checksum = ?3 WHERE position = ?1")?;
    update.execute(params![place.position.get().cast_signed(), &mark.fields()[..], checksum]).map(drop)
}

/// Returns the checksum of a row. It does not cover `removed`, which the numbers of the rows check. The length of each part comes before the part, so that no byte can move from one part
/// to another.
pub(super) fn checksum(place: Place, parts: [Option<&[u8]>; 3]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&place.position.get().to_le_bytes());
    hasher.update(&place.number.to_le_bytes());
    for part in parts {
        // No part has this length.
        hasher.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
        hasher.update(part.unwrap_or_default());
    }
    hasher.finalize()
}
