//! The settings of a log.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{OpenError, OpenErrorKind};
use crate::log::DiskLog;
use crate::store::{Store, Vfs};
use crate::worker::Settings;

/// The name of the file in the directory.
pub(crate) const FILE: &str = "log.db";

/// The settings of a [`DiskLog`].
///
/// ```no_run
/// use std::time::Duration;
/// use sse_disk::{DiskLog, Durability};
///
/// # fn example() -> Result<(), sse_disk::OpenError> {
/// let log = DiskLog::builder()
///     .max_age(Duration::from_secs(24 * 60 * 60))
///     .max_bytes(10 * 1024 * 1024 * 1024)
///     .durability(Durability::Every(Duration::from_millis(50)))
///     .open("/var/lib/shop/events")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct DiskLogBuilder {
    settings: Settings,
    open_within: Duration,
}

/// When messages are flushed to the disk. A crash of the process loses no stored message in either case. The difference
/// is what happens if the machine crashes or loses power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A message is [stored](sse_server::Published::stored), and reaches subscribers, when it is flushed to the disk.
    /// All messages that come during one flush share the next one. A loss of power costs no stored message.
    #[default]
    Stored,
    /// A message is stored when the system has it, and the log is flushed after this time if there is something to
    /// flush. A loss of power costs the messages that were stored within this time. A client that has seen one of them
    /// misses none of the others.
    Every(Duration),
}

impl Default for DiskLogBuilder {
    fn default() -> Self {
        Self { settings: Settings::default(), open_within: Duration::ZERO }
    }
}

impl DiskLogBuilder {
    /// Sets about how many entries the log keeps, of all topics together: any number by default.
    ///
    /// All limits take effect while messages are published, and within seconds after. The log may keep some hundred
    /// entries more.
    pub fn max_entries(mut self, entries: impl Into<Option<u64>>) -> Self {
        self.settings.bounds.entries = entries.into();
        self
    }

    /// Sets about how many bytes of the disk the log takes: 1 GiB by default, `None` for any number. It needs about 20
    /// MiB more while it writes.
    pub fn max_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.bounds.bytes = bytes.into();
        self
    }

    /// Sets about how many messages the log keeps of each topic: any number by default. So a topic with many messages does
    /// not push out the messages of the others. A subscriber that comes back to an evicted message gets a gap event.
    ///
    /// This needs an index, which makes appends slower. The first start with a limit of topics reads the whole log and
    /// writes the index, which takes some seconds for a million messages. The first start without one removes the index.
    pub fn max_topic_messages(mut self, messages: impl Into<Option<u64>>) -> Self {
        self.settings.topics.messages = messages.into().map(|messages| messages.max(1));
        self
    }

    /// Sets about how many bytes the messages of each topic have: any number by default. Only the bytes of the messages
    /// count. The newest message of a topic is kept whatever its size. See
    /// [`max_topic_messages`](Self::max_topic_messages).
    pub fn max_topic_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.topics.bytes = bytes.into();
        self
    }

    /// Sets about how long the log keeps entries, and how long it remembers after its end that a topic has ended. `None`,
    /// the default, keeps them as long as there is room.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.settings.bounds.age = age.into();
        self
    }

    /// Sets when messages are flushed to the disk.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Sets how long to try to open a log that is in use, because the process that this one replaces may not have ended
    /// yet. By default it tries once.
    pub fn open_within(mut self, time: Duration) -> Self {
        self.open_within = time;
        self
    }

    /// Opens the log in a directory. See [`DiskLog::open`].
    ///
    /// # Errors
    ///
    /// [`OpenError`], whose text names the path and says what to do.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<DiskLog, OpenError> {
        let directory = directory.as_ref();
        prepare(directory)?;
        let end = Instant::now() + self.open_within;
        let file = directory.join(FILE);
        let mut store = loop {
            match Store::open(&file, Vfs::System, self.settings.durability) {
                Err(error) if error.kind() == OpenErrorKind::InUse && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(20));
                }
                opened => break opened?,
            }
        };
        store.bound_topics(self.settings.topics).map_err(|error| OpenError::store(&file, &error))?;
        DiskLog::start(store, self.settings)
    }
}

/// Makes the directory, and flushes it, so that it survives a loss of power.
fn prepare(directory: &Path) -> Result<(), OpenError> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(|error| OpenError::system(directory, &error))?;
    // A system that can't flush a directory keeps it in another way.
    if let Some(parent) = directory.parent().and_then(|parent| File::open(parent).ok()) {
        let _ = parent.sync_all();
    }
    Ok(())
}
