//! The history in a directory, to look at it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use sse_server::log::{Entry, LogError, Position, Record, RecordKind, timed};

use crate::builder::FILE;
use crate::error::{Failure, OpenError, OpenErrorKind};
use crate::store::{self, Finding, Store};

/// How many entries are read at a time.
const PAGE: usize = 1024;

/// The history in a directory that no other process uses, to read it and to check it. Nothing there is changed.
///
/// It has the directory for itself until it is dropped, as a [`DiskLog`](crate::DiskLog) has. It needs the right to write
/// there, because SQLite's lock does.
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

/// What the history has of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskTopic {
    /// Its name.
    pub name: String,
    /// How many messages it has.
    pub messages: u64,
    /// How many bytes their fields have.
    pub bytes: u64,
    /// When its oldest message, or its oldest end, was appended.
    pub oldest: SystemTime,
    /// When its newest message, or its newest end, was appended.
    pub newest: SystemTime,
    /// Whether it has ended, and was not opened again.
    pub is_ended: bool,
}

/// What [`DiskReader::check`] has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskCheck {
    /// How many entries there are.
    pub entries: u64,
    /// What is wrong: the first 100 faults.
    pub faults: Vec<DiskFault>,
    /// How many faults there are.
    pub count: u64,
}

/// What is wrong with a log. Its text says what that means for subscribers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFault(Finding);

/// How many faults are told.
const MOST_FAULTS: usize = 100;

impl DiskReader {
    /// Opens the history in a directory.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which names the path and says what to do. A log of an older version is
    /// [`OpenErrorKind::Older`]: [`DiskLog::open`](crate::DiskLog::open) brings it up to date.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let metadata = directory.metadata().map_err(|error| OpenError::to_read(directory, &error))?;
        if !metadata.is_dir() {
            return Err(OpenError::new(directory, OpenErrorKind::NotADirectory));
        }
        Store::open_to_read(&directory.join(FILE)).map(Self)
    }

    /// The file in the directory, for messages.
    pub fn file(&self) -> &Path {
        self.0.file()
    }

    /// The position before the oldest entry. [`after`](Self::after) it comes the whole history.
    pub fn start(&self) -> Position {
        self.0.start()
    }

    /// The entries right after a position, `limit` at most; none at the end, and `None` if it is not known what followed
    /// the position.
    ///
    /// An entry whose [`previous`](Entry::previous) is not the position of the one before it follows on a gap: what was
    /// between them is damaged or lost.
    ///
    /// # Errors
    ///
    /// [`LogError`] if the disk fails, or the file is damaged.
    pub fn after(&self, position: Position, limit: usize) -> Result<Option<Vec<Entry>>, LogError> {
        self.told(self.0.after(position, limit))
    }

    /// The newest entries before a position, or of all, `limit` at most, in the order of the log.
    ///
    /// # Errors
    ///
    /// As of [`after`](Self::after).
    pub fn before(&self, position: Option<Position>, limit: usize) -> Result<Vec<Entry>, LogError> {
        self.told(self.0.before(position, limit))
    }

    /// What there is of each topic, by name. It reads the whole history.
    ///
    /// # Errors
    ///
    /// As of [`after`](Self::after).
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

    /// Checks the whole history: the file, by SQLite; the checksum of each entry; that positions rise and no entry is
    /// missing between two others; and what is remembered of publishers.
    ///
    /// What was cut off at the end, and nothing else, leaves no trace.
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
    // A client's streams end in all topics.
    if record.kind() == RecordKind::EndClient {
        return;
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(timed::time(position));
    // Most entries are of a topic that is known.
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
                write!(f, "the number of the entry {id} is not above that of the entry before it")
            }
            Finding::Publisher(publisher) => {
                write!(f, "the newest batch of the publisher {publisher} is not in the log")
            }
        }
    }
}

impl fmt::Debug for DiskReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiskReader").field("file", &self.file()).finish_non_exhaustive()
    }
}
