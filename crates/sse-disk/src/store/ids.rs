//! The ids that publishers give, by an index: which message each of them names.

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use sse_server::log::{Batch, Outcome, Position, Record};

use super::topics::IS_MESSAGE;
use super::{Bounds, Result};

/// How many of the newest ids are remembered, of all topics together, though their messages are kept no more.
const REMEMBERED: u64 = 256 * 1024;

/// How many bytes of the disk an id takes, about: its row, and its entry in the index.
const ID_BYTES: u64 = 96;

/// How many ids are forgotten at a time. Each of them lies on another page of the index.
pub(crate) const STEP_IDS: u64 = 128;

/// In an outcome: the message is a repeat.
const REPEAT: u64 = 1 << 63;

/// Which ids there are, and how they are hashed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ids {
    key: [u64; 2],
    /// The numbers of the oldest, at most, and of the newest; both are 0 if there are none.
    oldest: u64,
    newest: u64,
    /// The ids before this number were looked at: those that are left have messages.
    next: u64,
    /// The newest id when all were looked at for the last time.
    passed: u64,
}

/// A message with an id, as hashes.
#[derive(Clone, Copy, Debug)]
struct Named {
    hash: [u8; 16],
    fingerprint: u64,
}

impl Ids {
    /// Those of a log that is not open yet.
    pub(super) const NONE: Self = Self { key: [0; 2], oldest: 0, newest: 0, next: 0, passed: 0 };

    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let key: [u8; 16] = connection.query_row("SELECT key FROM secret", [], |row| row.get(0))?;
        let (high, low) = key.split_at(8);
        let half = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let oldest = number("SELECT min(number) FROM ids")?.unwrap_or_default().cast_unsigned();
        let newest = number("SELECT max(number) FROM ids")?.unwrap_or_default().cast_unsigned();
        Ok(Self { key: [half(high), half(low)], oldest, newest, next: oldest, passed: newest })
    }

    /// The position of the message that an id of a topic names.
    pub(super) fn find(&self, connection: &Connection, topic: &str, id: &str) -> Result<Option<Position>> {
        Ok(known(connection, self.hash([topic.as_bytes(), id.as_bytes()]))?.map(|(position, _)| position))
    }

    /// What is to become of messages that were published together: for each, the message that it repeats, if it does;
    /// `None` if an id names another message.
    pub(super) fn check(
        &self,
        connection: &Connection,
        group: &[Record],
    ) -> Result<Option<Vec<Option<Position>>>> {
        // Those that the group itself names.
        let mut here: Vec<Named> = Vec::new();
        let mut repeated = Vec::with_capacity(group.len());
        for record in group {
            let Some(named) = self.named(record) else {
                repeated.push(None);
                continue;
            };
            let before = known(connection, named.hash)?;
            let other = before.map(|(_, fingerprint)| fingerprint);
            let other =
                other.or_else(|| here.iter().find(|it| it.hash == named.hash).map(|it| it.fingerprint));
            if other.is_some_and(|other| other != named.fingerprint) {
                return Ok(None);
            }
            here.push(named);
            repeated.push(before.map(|(position, _)| position));
        }
        Ok(Some(repeated))
    }

    /// Remembers the id of a message that is appended at a position, if it has one.
    pub(super) fn insert(
        &mut self,
        transaction: &Transaction<'_>,
        record: &Record,
        position: Position,
    ) -> Result<()> {
        let Some(Named { hash, fingerprint }) = self.named(record) else { return Ok(()) };
        self.newest += 1;
        self.oldest = self.oldest.max(1);
        // A row that is damaged is not known, and is replaced.
        let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO ids VALUES (?, ?, ?, ?, ?)")?;
        let checksum = checksum(hash, position, fingerprint);
        let (number, place) = (self.newest.cast_signed(), position.get().cast_signed());
        insert.execute(params![number, hash, place, fingerprint.cast_signed(), checksum]).map(drop)
    }

    /// Returns the number from which on so many ids may be forgotten, if there are that many.
    pub(super) fn surplus(&self, bounds: Bounds, step: u64) -> Option<u64> {
        let remembered = bounds.bytes.map_or(REMEMBERED, |bytes| REMEMBERED.min(bytes / 8 / ID_BYTES));
        let until = (self.newest + 1).saturating_sub(remembered);
        let next = self.next.max(self.oldest);
        if next + step <= until {
            Some(next)
        } else {
            // The messages of the others may have been trimmed or evicted by now.
            (self.passed + remembered <= self.newest && self.oldest + step <= until).then_some(self.oldest)
        }
    }

    /// Forgets those of so many ids whose messages are kept no more. `are_evicted` says that messages may be evicted
    /// though older ones are kept.
    pub(super) fn forget(
        &mut self,
        connection: &Connection,
        from: u64,
        trimmed: Position,
        step: u64,
        are_evicted: bool,
    ) -> Result<()> {
        let mut delete = connection.prepare_cached(&format!(
            "DELETE FROM ids WHERE number >= ? AND number < ? AND (position <= ? OR NOT EXISTS \
             (SELECT 1 FROM entries WHERE entries.position = ids.position AND {IS_MESSAGE}))"
        ))?;
        let deleted = delete.execute([from, from + step, trimmed.get()].map(u64::cast_signed))?;
        let mut oldest = connection.prepare_cached("SELECT min(number) FROM ids")?;
        let oldest: Option<i64> = oldest.query_row([], |row| row.get(0))?;
        if from < self.next {
            self.passed = self.newest;
        }
        // If messages are only trimmed, all later messages are kept, too.
        let is_last = deleted == 0 && !are_evicted;
        self.next = if is_last { self.newest + 1 } else { from + step };
        self.oldest = oldest.unwrap_or_default().cast_unsigned();
        Ok(())
    }

    fn named(&self, record: &Record) -> Option<Named> {
        let id = record.id()?;
        let hash = self.hash([record.topic().as_bytes(), id.as_str().as_bytes()]);
        // The fields have the tag, and a key may be empty.
        let key = record.key().map(str::as_bytes);
        let message = self.hash([&record.fields()[..], key.unwrap_or_default(), &[u8::from(key.is_some())]]);
        let fingerprint = message.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
        Some(Named { hash, fingerprint })
    }

    /// A hash that nobody can foresee. Each part is preceded by its length, so that no byte can change from one part to
    /// another.
    fn hash<const N: usize>(&self, parts: [&[u8]; N]) -> [u8; 16] {
        use std::hash::Hasher as _;

        let mut hasher = SipHasher13::new_with_keys(self.key[0], self.key[1]);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.finish128().as_bytes()
    }
}

/// The position and the fingerprint of the message with the hash of an id.
fn known(connection: &Connection, hash: [u8; 16]) -> Result<Option<(Position, u64)>> {
    let mut select =
        connection.prepare_cached("SELECT position, fingerprint, checksum FROM ids WHERE hash = ?")?;
    let read = |row: &rusqlite::Row<'_>| {
        let position = Position::new(row.get::<_, i64>(0)?.cast_unsigned());
        let fingerprint = row.get::<_, i64>(1)?.cast_unsigned();
        let is_whole = row.get::<_, i64>(2)? == i64::from(checksum(hash, position, fingerprint));
        Ok(is_whole.then_some((position, fingerprint)))
    };
    match select.query_row([hash], read).optional() {
        Ok(known) => Ok(known.flatten()),
        // A damaged row has values of other types.
        Err(rusqlite::Error::InvalidColumnType(..)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// How many rows are not as they were written, or are of positions after the last.
pub(super) fn count_damaged(connection: &Connection, last: Position) -> Result<u64> {
    let mut select = connection.prepare("SELECT hash, position, fingerprint, checksum FROM ids")?;
    let mut rows = select.query([])?;
    let mut damaged = 0;
    while let Some(row) = rows.next()? {
        let read = || Ok((row.get::<_, [u8; 16]>(0)?, row.get(1)?, row.get(2)?, row.get::<_, i64>(3)?));
        let read: Result<(_, i64, i64, _)> = read();
        let is_whole = read.is_ok_and(|(hash, position, fingerprint, found)| {
            let position = Position::new(position.cast_unsigned());
            position <= last && found == i64::from(checksum(hash, position, fingerprint.cast_unsigned()))
        });
        damaged += u64::from(!is_whole);
    }
    Ok(damaged)
}

fn checksum(hash: [u8; 16], position: Position, fingerprint: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&hash);
    hasher.update(&position.get().to_le_bytes());
    hasher.update(&fingerprint.to_le_bytes());
    hasher.finalize()
}

/// What is remembered of the outcomes of a batch; `None` if they follow from the position of the first message.
pub(super) fn encoded(batch: &Batch, outcomes: &[Outcome]) -> Option<Vec<u8>> {
    batch.has_ids().then(|| {
        let number = |outcome: &Outcome| match outcome {
            Outcome::New(position) => position.get(),
            Outcome::Repeat(position) => position.get() | REPEAT,
            Outcome::Taken => 0,
        };
        outcomes.iter().flat_map(|outcome| number(outcome).to_le_bytes()).collect()
    })
}

pub(super) fn decoded(outcomes: &[u8]) -> Vec<Outcome> {
    let (numbers, _) = outcomes.as_chunks();
    let outcome = |number: &[u8; 8]| match u64::from_le_bytes(*number) {
        0 => Outcome::Taken,
        number if number < REPEAT => Outcome::New(Position::new(number)),
        number => Outcome::Repeat(Position::new(number & !REPEAT)),
    };
    numbers.iter().map(outcome).collect()
}
