//! Reads and checks the history in a directory.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sse_server::log::{Entry, LogError, Position, Record, RecordKind, timed};

use crate::builder::FILE;
use crate::error::{Failure, OpenError, OpenErrorKind};
use crate::store::{self, Finding, Store};

/// How many entries are read at once.
const PAGE: usize = 1024;

/// The history in a directory that no other process uses. It can be read and checked, and nothing is changed.
///
/// No other process can open the directory until the reader is dropped. The reader needs the right to write there,
/// because SQLite's lock needs it.
///
/// ```no_run
/// use sse_disk::DiskReader;
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let history = DiskReader::open("/var/lib/shop/events")?;
/// for topic in history.topics()? {
///     println!("{}: {} messages", topic.name, topic.messages);
/// }
/// # Ok(())
/// # }
/// ```
pub struct DiskReader(Store);

/// The history of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskTopic {
    /// The name of the topic.
    pub name: String,
    /// How many messages the topic has.
    pub messages: u64,
    /// How many bytes the fields of these messages have.
    pub bytes: u64,
    /// When its oldest message, or its oldest end, was appended.
    pub oldest: SystemTime,
    /// When its newest message, or its newest end, was appended.
    pub newest: SystemTime,
    /// Whether the topic has ended, and was not opened again.
    pub is_ended: bool,
}

/// The result of [`DiskReader::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskCheck {
    /// How many entries there are.
    pub entries: u64,
    /// The first 100 faults.
    pub faults: Vec<DiskFault>,
    /// How many faults there are.
    pub count: u64,
}

/// A fault of a log. Its text says what it means for subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFault(Finding);

/// How many faults are returned.
const MOST_FAULTS: usize = 100;

impl DiskReader {
    /// Opens the history in a directory.
    ///
    /// # Errors
    ///
    /// [`OpenError`], whose text names the path and says what to do. For a log of an older version, it is
    /// [`OpenErrorKind::Older`]: [`DiskLog::open`](crate::DiskLog::open) converts the log.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let metadata = directory.metadata().map_err(|error| OpenError::to_read(directory, &error))?;
        if !metadata.is_dir() {
            return Err(OpenError::new(directory, OpenErrorKind::NotADirectory));
        }
        Store::open_to_read(&directory.join(FILE)).map(Self)
    }

    /// Returns the path of the file in the directory, for messages.
    pub fn file(&self) -> &Path {
        self.0.file()
    }

    /// Returns the position before the oldest entry. All entries come [after](Self::after) it.
    pub fn start(&self) -> Position {
        self.0.start()
    }

    /// Returns the entries directly after a position, `limit` at most; none at the end, and `None` if it is not known
    /// which entries come after the position.
    ///
    /// If the [`previous`](Entry::previous) of an entry is not the position of the entry before it, there is a gap: the
    /// entries between them are damaged or lost.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the disk fails, or the file is damaged.
    pub fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.told(self.0.after(position, limit))
    }

    /// Returns the newest entries before a position, or of all entries, `limit` at most, in the order of the log.
    ///
    /// # Errors
    ///
    /// The same as of [`after`](Self::after).
    pub fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        self.told(self.0.before(position, limit))
    }

    /// Returns the position of the message of a topic that has this id of a publisher; `None` if the id is not
    /// remembered. The message itself may be evicted.
    ///
    /// # Errors
    ///
    /// The same as of [`after`](Self::after).
    pub fn find(&self, topic: &str, id: &str) -> Result<Option<Position>, LogError> {
        self.told(self.0.find(topic, id))
    }

    /// Returns the history of each topic, sorted by name. It reads all entries.
    ///
    /// # Errors
    ///
    /// The same as of [`after`](Self::after).
    pub fn topics(&self) -> Result<Vec<DiskTopic>, LogError> {
        let mut topics = BTreeMap::new();
        let mut position = self.start();
        while let Some(page) = self.after(position, PAGE)?
            && let Some(last) = page.last()
        {
            position = last.position;
            for entry in &page {
                if let Some(record) = &entry.record {
                    count(&mut topics, entry.position, record);
                }
            }
        }
        Ok(topics.into_values().collect())
    }

    /// Checks the whole history: the file, by SQLite; the checksum of each entry; that positions rise, and that no
    /// entry is missing between two others; what is remembered of publishers and of the ends of topics; and, with bounds of
    /// topics, how many messages are counted.
    ///
    /// If only the newest entries were cut off, the check can't see it.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the disk fails.
    pub fn check(&self) -> Result<DiskCheck, LogError> {
        let mut check = DiskCheck::default();
        let entries = self.0.check(|finding| {
            check.count += 1;
            if check.faults.len() < MOST_FAULTS {
                check.faults.push(DiskFault(finding));
            }
        });
        check.entries = self.told(entries)?;
        Ok(check)
    }

    fn told<T>(&self, outcome: store::Result<T>) -> Result<T, LogError> {
        outcome.map_err(|error| Failure::new(self.file(), &error).into_log_error())
    }
}

fn count(topics: &mut BTreeMap<String, DiskTopic>, position: Position, record: &Record) {
    let name = record.topic();
    // A client's streams end in all topics, and an evicted message is no more.
    if matches!(record.kind(), RecordKind::EndClient | RecordKind::Evicted) {
        return;
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(timed::time(position));
    // Most entries belong to a topic that is known already.
    if !topics.contains_key(name) {
        let (name, oldest) = (name.to_owned(), time);
        let topic = DiskTopic { name, messages: 0, bytes: 0, oldest, newest: time, is_ended: false };
        topics.insert(topic.name.clone(), topic);
    }
    let Some(topic) = topics.get_mut(name) else { return };
    topic.newest = time;
    match record.kind() {
        RecordKind::End => topic.is_ended = true,
        RecordKind::Open => topic.is_ended = false,
        _ => {
            topic.messages += 1;
            topic.bytes += record.fields().len() as u64;
        }
    }
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Finding::File(said) => write!(f, "the file is damaged: {said}"),
            Finding::Damaged(position) => {
                let id = timed::text(*position);
                write!(f, "the entry {id} is not as it was written; subscribers get a gap event instead")
            }
            Finding::Missing { before, entries } => {
                let id = timed::text(*before);
                write!(f, "before the entry {id}, {entries} are missing; subscribers get a gap event instead")
            }
            Finding::Disordered(position) => {
                let id = timed::text(*position);
                write!(f, "the number of the entry {id} is not higher than that of the entry before it")
            }
            Finding::Publisher(publisher) => {
                write!(f, "the newest batch of the publisher {publisher} is not in the log")
            }
            Finding::Ids(count) => write!(
                f,
                "what is remembered of {count} publishers' ids is damaged: they may be published again, and clients that \
                 come with them get a gap event"
            ),
            Finding::Ends(count) => write!(
                f,
                "what is remembered of the ends of {count} topics is damaged: after a restart, these topics may be open"
            ),
            Finding::Topics(count) => write!(
                f,
                "the messages of {count} topics are not counted as they are, so their bounds may not be kept: to count \
                 them again, start once without bounds of topics"
            ),
        }
    }
}

impl fmt::Debug for DiskReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskReader").field("file", &self.file()).finish_non_exhaustive()
    }
}
