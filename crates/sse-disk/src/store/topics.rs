//! Bounds for each topic: the oldest messages of a topic are evicted, though older entries of other topics stay.
//!
//! An evicted message becomes a mark: its row stays, and only says that a message of the topic was here. So a reader of
//! any page sees whether it misses something. Of marks without another entry between them, the newest of each topic is
//! enough. The others are removed from time to time, so marks take little room.
//!
//! All this needs an index of the messages by topic, which makes appends slower. It exists only if there are bounds.

mod marks;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Transaction, params};
use sse_server::log::{Position, Record, RecordKind};

use self::marks::Marks;
use super::{Place, Result, STEP_BYTES, STEP_ENTRIES, begin, row};

/// Whether a row is a message, in the words of the index.
pub(super) const IS_MESSAGE: &str = "substr(fields, 1, 9) <> CAST('control: ' AS BLOB)";

/// Whether a row is a mark, in the words of the index: [`Record::evicted`].
const IS_MARK: &str = "fields = CAST('control: evicted' || char(10) AS BLOB)";

/// The order in which the messages of a topic are next to one another. It has messages alone.
const BY_TOPIC: &str = "INDEXED BY by_topic";

/// How many topics are known to be over their bounds. If there are more, the others are looked for.
const MOST_OVER: usize = if cfg!(test) { 2 } else { 16 * 1024 };

/// How many topics are looked at at a time, and how often in one step.
const STEP_TOPICS: u64 = if cfg!(test) { 2 } else { 1000 };
const STEP_LOOKS: u64 = 8;

/// The limits of each topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TopicBounds {
    pub(crate) messages: Option<u64>,
    pub(crate) bytes: Option<u64>,
}

/// Which topics have too much.
#[derive(Debug, Default)]
pub(super) struct Topics {
    bounds: TopicBounds,
    /// Whether the table says what each topic has.
    are_counted: bool,
    over: BTreeSet<Box<str>>,
    /// The one of them from which messages were evicted last.
    last: Box<str>,
    unseen: Unseen,
    /// Whether a topic that is over its bounds is not known, and was perhaps seen before it was.
    is_missed: bool,
    /// Whether the last step has evicted messages.
    has_evicted: bool,
    marks: Marks,
}

/// The topics that must still be looked at, in the order of their names.
#[derive(Debug, Default)]
enum Unseen {
    #[default]
    None,
    All,
    After(Box<str>),
}

/// What a topic has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    messages: u64,
    bytes: u64,
}

/// What is appended to each topic.
#[derive(Debug, Default)]
pub(super) struct Added(BTreeMap<Box<str>, Held>);

impl TopicBounds {
    fn are_set(self) -> bool {
        self != Self::default()
    }

    /// Returns whether a topic has so much more than its bounds that it is worth a step.
    fn are_passed(self, held: Held) -> bool {
        let is_above = |used: u64, most: Option<u64>, slack: u64| {
            most.is_some_and(|most| used > most.saturating_add(slack.min(most / 16)))
        };
        held.messages > 1
            && (is_above(held.messages, self.messages, STEP_ENTRIES / 2)
                || is_above(held.bytes, self.bytes, STEP_BYTES))
    }

    /// Returns whether a topic has more than its bounds. Its newest message stays, whatever its size.
    fn are_exceeded(self, held: Held) -> bool {
        let is_above = |used: u64, most: Option<u64>| most.is_some_and(|most| used > most);
        held.messages > 1 && (is_above(held.messages, self.messages) || is_above(held.bytes, self.bytes))
    }
}

impl Added {
    /// Counts a record, if it is a message.
    pub(super) fn count(&mut self, record: &Record) {
        if record.kind() != RecordKind::Message {
            return;
        }
        let held = match self.0.get_mut(record.topic()) {
            Some(held) => held,
            None => self.0.entry(record.topic().into()).or_default(),
        };
        held.messages += 1;
        held.bytes += record.fields().len() as u64;
    }
}

impl Topics {
    /// Reads whether the messages of topics are counted.
    pub(super) fn read(&mut self, connection: &Connection) -> Result<()> {
        self.are_counted = are_counted(connection)?;
        Ok(())
    }

    /// Sets the bounds. If there were none before, this reads the whole log; and if there are none any more, it removes
    /// what they needed.
    pub(super) fn bound(&mut self, connection: &mut Connection, bounds: TopicBounds) -> Result<()> {
        if self.are_counted != bounds.are_set() {
            // The messages of a large log are sorted in files, unless there is no directory for them.
            connection.execute_batch("PRAGMA temp_store = FILE")?;
            let changed = change(connection, bounds);
            connection.execute_batch("PRAGMA temp_store = MEMORY")?;
            match changed {
                Err(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen) => {
                    change(connection, bounds)?;
                }
                changed => changed?,
            }
        }
        let are_counted = bounds.are_set();
        let marks = if are_counted { Marks::read(connection)? } else { Marks::default() };
        let unseen = if are_counted { Unseen::All } else { Unseen::None };
        *self = Self { bounds, are_counted, unseen, marks, ..Self::default() };
        Ok(())
    }

    /// Returns a count of what is appended; `None` if nobody needs it.
    pub(super) fn begin_counting(&self) -> Option<Added> {
        self.are_counted.then(Added::default)
    }

    /// Adds what was appended in this transaction. Returns the topics that have too much now.
    pub(super) fn add(&self, transaction: &Transaction<'_>, added: Added) -> Result<Vec<Box<str>>> {
        let mut upsert = transaction.prepare_cached(
            "INSERT INTO topics VALUES (?1, ?2, ?3) ON CONFLICT (topic) DO UPDATE \
             SET messages = messages + ?2, bytes = bytes + ?3 RETURNING messages, bytes",
        )?;
        let mut over = Vec::new();
        for (topic, added) in added.0 {
            let [messages, bytes] = [added.messages, added.bytes].map(u64::cast_signed);
            if self.bounds.are_passed(upsert.query_row(params![topic, messages, bytes], Held::read)?) {
                over.push(topic);
            }
        }
        Ok(over)
    }

    /// Notes topics that have too much.
    pub(super) fn note(&mut self, over: Vec<Box<str>>) {
        for topic in over {
            if self.over.len() < MOST_OVER {
                self.over.insert(topic);
            } else {
                // A look that has begun goes on, so that each topic has its turn.
                self.is_missed = true;
            }
        }
        self.look_for_missed();
    }

    /// Looks at all topics again, if one was missed and no look goes on.
    fn look_for_missed(&mut self) {
        if matches!(self.unseen, Unseen::None) && std::mem::take(&mut self.is_missed) {
            self.unseen = Unseen::All;
        }
    }

    /// Returns whether messages may be evicted, though older entries of other topics are kept.
    pub(super) fn are_evicted(&self) -> bool {
        self.are_counted
    }

    /// Takes away what the entries up to a position have, which are about to be removed.
    pub(super) fn leave_until(&self, transaction: &Transaction<'_>, position: Position) -> Result<()> {
        self.leave(transaction, "position <= ?", position)
    }

    /// Takes away the message at a position, which is about to be removed.
    pub(super) fn leave_at(&self, transaction: &Transaction<'_>, position: Position) -> Result<()> {
        self.leave(transaction, "position = ?", position)
    }

    fn leave(&self, transaction: &Transaction<'_>, which: &str, position: Position) -> Result<()> {
        if !self.are_counted {
            return Ok(());
        }
        let mut select = transaction.prepare_cached(&held("NOT INDEXED", which))?;
        let mut subtract = transaction.prepare_cached(
            "UPDATE topics SET messages = messages - ?2, bytes = bytes - ?3 WHERE topic = ?1",
        )?;
        let mut delete =
            transaction.prepare_cached("DELETE FROM topics WHERE topic = ? AND messages <= 0")?;
        let mut rows = select.query([position.get().cast_signed()])?;
        while let Some(row) = rows.next()? {
            let (topic, messages, bytes): (Box<str>, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            subtract.execute(params![topic, messages, bytes])?;
            delete.execute([&topic])?;
        }
        Ok(())
    }

    /// Does one step: evicts messages of a topic that has too much, or looks for such topics, or removes marks. Returns
    /// what it has done; `None` if there is nothing to do. The log has so many entries. Messages after `newest` stay.
    pub(super) fn step(
        &mut self,
        connection: &mut Connection,
        entries: u64,
        newest: Position,
    ) -> Result<Option<Step>> {
        if !self.are_counted {
            return Ok(None);
        }
        let mut has_looked = false;
        for _ in 0..STEP_LOOKS {
            if self.over.len() as u64 >= STEP_TOPICS || matches!(self.unseen, Unseen::None) {
                break;
            }
            self.look(connection)?;
            has_looked = true;
        }
        // The marks of one step are removed in the next one, though there may be more messages to evict.
        if (std::mem::take(&mut self.has_evicted) || self.over.is_empty())
            && let Some(removed) = self.marks.join(connection, entries)?
        {
            return Ok(Some(Step { bytes: 16 * 1024 + removed * 128, removed, ..Step::default() }));
        }
        let step = if self.over.is_empty() { None } else { self.evict(connection, newest)? };
        self.has_evicted = step.is_some();
        Ok(step.or_else(|| has_looked.then(Step::default)))
    }

    /// Looks at some of the unseen topics.
    fn look(&mut self, connection: &Connection) -> Result<()> {
        let after = match &self.unseen {
            Unseen::After(topic) => Some(topic),
            Unseen::All | Unseen::None => None,
        };
        let mut select = connection.prepare_cached(
            "SELECT messages, bytes, topic FROM topics WHERE ?1 IS NULL OR topic > ?1 ORDER BY topic LIMIT ?2",
        )?;
        let mut rows = select.query(params![after, STEP_TOPICS.cast_signed()])?;
        let (mut seen, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            let topic: Box<str> = row.get(2)?;
            if self.bounds.are_exceeded(Held::read(row)?) {
                self.over.insert(topic.clone());
            }
            (seen, last) = (seen + 1, Some(topic));
        }
        self.unseen = last.filter(|_| seen == STEP_TOPICS).map_or(Unseen::None, Unseen::After);
        self.look_for_missed();
        Ok(())
    }

    /// Evicts some of the oldest messages of topics that have too much; `None` if nothing could be done now.
    fn evict(&mut self, connection: &mut Connection, newest: Position) -> Result<Option<Step>> {
        let others = (Bound::Excluded(&*self.last), Bound::Unbounded);
        let topics = self.over.range::<str, _>(others).chain(&self.over).take(self.over.len());
        let transaction = begin(connection)?;
        let (mut evicted, mut within) = (Evicted::before(newest), Vec::new());
        for topic in topics {
            self.last.clone_from(topic);
            if evicted.of_topic(&transaction, topic, self.bounds)? {
                within.push(topic.clone());
            }
            if evicted.is_enough() {
                break;
            }
        }
        transaction.commit()?;
        for topic in &within {
            self.over.remove(topic);
        }
        self.marks.made(evicted.messages);
        let step = Step { until: evicted.until, bytes: 64 * 1024 + evicted.messages * 256, removed: 0 };
        Ok((evicted.messages > 0 || !within.is_empty()).then_some(step))
    }
}

/// Returns how many topics have other messages than what the table says.
pub(super) fn count_damaged(connection: &Connection) -> Result<u64> {
    // Without bounds, nothing is counted.
    let held = if are_counted(connection)? { held(BY_TOPIC, "TRUE") } else { held("NOT INDEXED", "FALSE") };
    let sql = format!(
        "SELECT count(*) FROM ({held}) AS held FULL JOIN topics USING (topic) \
         WHERE held.messages IS NOT topics.messages OR held.bytes IS NOT topics.bytes"
    );
    connection.query_row(&sql, [], |row| row.get(0).map(i64::cast_unsigned))
}

/// Returns the query for what topics have, of the messages that a condition selects, in the order of an index.
fn held(index: &str, condition: &str) -> String {
    format!(
        "SELECT topic, count(*) AS messages, sum(length(fields)) AS bytes FROM entries {index} \
         WHERE {condition} AND {IS_MESSAGE} GROUP BY topic"
    )
}

fn are_counted(connection: &Connection) -> Result<bool> {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name = 'by_topic'";
    connection.query_row(sql, [], |row| row.get::<_, i64>(0)).map(|count| count > 0)
}

/// Makes what bounds need, or removes it.
fn change(connection: &mut Connection, bounds: TopicBounds) -> Result<()> {
    let transaction = begin(connection)?;
    if bounds.are_set() {
        transaction.execute_batch(&format!(
            "CREATE INDEX by_topic ON entries (topic) WHERE {IS_MESSAGE};
             CREATE INDEX marks ON entries (position) WHERE {IS_MARK};
             INSERT INTO topics {}",
            held(BY_TOPIC, "TRUE")
        ))?;
    } else {
        transaction.execute_batch("DROP INDEX by_topic; DROP INDEX marks; DELETE FROM topics")?;
    }
    transaction.commit()
}

/// The messages that a step evicts.
#[derive(Debug, Default)]
struct Evicted {
    messages: u64,
    bytes: u64,
    /// The newest of them.
    until: Position,
    /// Messages after this position stay.
    newest: Position,
}

impl Evicted {
    fn before(newest: Position) -> Self {
        Self { newest, ..Self::default() }
    }

    /// Evicts the oldest messages of a topic. Returns whether the topic is within its bounds now.
    fn of_topic(&mut self, transaction: &Transaction<'_>, topic: &str, bounds: TopicBounds) -> Result<bool> {
        let mut held = Held::of(transaction, topic)?;
        let mut oldest = transaction.prepare_cached(&format!(
            "SELECT position, number, length(fields) FROM entries {BY_TOPIC} \
             WHERE topic = ? AND {IS_MESSAGE} ORDER BY position LIMIT ?"
        ))?;
        let mut rows = oldest.query(params![topic, STEP_ENTRIES.cast_signed()])?;
        let (mut places, mut must_stay) = (Vec::new(), false);
        while !self.is_enough()
            && bounds.are_exceeded(held)
            && let Some(row) = rows.next()?
        {
            let (place, bytes) = (Place::read(row)?, row.get::<_, i64>(2)?.cast_unsigned());
            must_stay = place.position > self.newest;
            if must_stay {
                break;
            }
            held = Held { messages: held.messages - 1, bytes: held.bytes.saturating_sub(bytes) };
            (self.messages, self.bytes) = (self.messages + 1, self.bytes + bytes);
            self.until = self.until.max(place.position);
            places.push(place);
        }
        drop(rows);
        for place in &places {
            row::mark(transaction, *place, topic)?;
        }
        if must_stay && places.is_empty() {
            return Ok(false);
        }
        if places.is_empty() && bounds.are_exceeded(held) {
            // Rows that are damaged had been counted.
            held = Held::counted(transaction, topic)?;
        }
        let [messages, bytes] = [held.messages, held.bytes].map(u64::cast_signed);
        transaction
            .prepare_cached("UPDATE topics SET messages = ?2, bytes = ?3 WHERE topic = ?1")?
            .execute(params![topic, messages, bytes])?;
        Ok(places.is_empty() || !bounds.are_exceeded(held))
    }

    /// Returns whether they take a step.
    fn is_enough(&self) -> bool {
        self.messages >= STEP_ENTRIES || self.bytes >= STEP_BYTES
    }
}

/// What a step has done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Step {
    /// The newest evicted message.
    pub(super) until: Position,
    /// About how many bytes it has written.
    pub(super) bytes: u64,
    /// How many entries it has removed.
    pub(super) removed: u64,
}

impl Held {
    /// Counts what a topic has.
    fn counted(connection: &Connection, topic: &str) -> Result<Self> {
        let sql = format!("SELECT messages, bytes FROM ({})", held(BY_TOPIC, "topic = ?"));
        Ok(connection.query_row(&sql, [topic], Self::read).optional()?.unwrap_or_default())
    }

    /// Returns what a topic has, as it was counted before.
    fn of(connection: &Connection, topic: &str) -> Result<Self> {
        let mut select = connection.prepare_cached("SELECT messages, bytes FROM topics WHERE topic = ?")?;
        Ok(select.query_row([topic], Self::read).optional()?.unwrap_or_default())
    }

    fn read(row: &rusqlite::Row<'_>) -> Result<Self> {
        let (messages, bytes): (i64, i64) = (row.get(0)?, row.get(1)?);
        // They can be negative only if rows were damaged.
        Ok(Self { messages: messages.max(0).cast_unsigned(), bytes: bytes.max(0).cast_unsigned() })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sse_server::Message;
    use sse_server::log::Batch;

    use super::super::{Store, Vfs};
    use super::*;
    use crate::builder::{Durability, FILE};

    /// Each commit brings more topics over their bounds than are remembered, and one step follows it.
    #[test]
    fn each_topic_has_its_turn() {
        const TOPICS: i64 = 40;
        let directory = tempfile::tempdir().unwrap();
        let durability = Durability::Every(Duration::from_secs(60));
        let mut store = Store::open(&directory.path().join(FILE), Vfs::System, durability).unwrap();
        store.bound_topics(TopicBounds { messages: Some(1), bytes: None }).unwrap();
        let record = |topic| Record::new(&format!("{topic:02}"), &Message::new("x")).unwrap();
        let batch = Batch::new(1, 1, (0..TOPICS).map(record).collect());
        let messages = |store: &Store| {
            let sql = "SELECT max(messages) FROM topics";
            store.connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        for number in 0..200 {
            let batch = Batch::new(number, 1, batch.records().to_vec());
            store.append(&[batch], 1_700_000_000_000 + number).unwrap();
            // In tests, a step evicts messages of a few topics.
            for _ in 0..TOPICS {
                store.evict(Position::new(u64::MAX)).unwrap();
            }
            assert!(
                messages(&store) < 20,
                "after {number} commits, a topic has {} messages",
                messages(&store)
            );
        }
        while store.evict(Position::new(u64::MAX)).unwrap().is_some() {}
        assert_eq!(messages(&store), 1);
    }
}
