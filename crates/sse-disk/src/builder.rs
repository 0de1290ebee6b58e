//! Settings of a log.

use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{OpenError, OpenErrorKind};
use crate::log::DiskLog;
use crate::store::{Store, Vfs};
use crate::worker::Settings;

/// The file in the directory.
pub(crate) const FILE: &str = "log.db";

/// Settings of a [`DiskLog`].
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

/// When messages are flushed to the disk. A crash of the process costs nothing in either case: it is the machine that
/// may lose power or crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// A message is [stored](sse_server::Published::stored), and reaches subscribers, when it is flushed to the disk. All
    /// messages that come during one flush share the next one. A loss of power costs no stored message.
    #[default]
    Stored,
    /// A message is stored when the system has it, and the log is flushed after this time, if there is something to flush.
    /// A loss of power costs the stored messages of this time, and each client that has seen one gets a gap event.
    Every(Duration),
}

impl Default for DiskLogBuilder {
    fn default() -> Self {
        Self { settings: Settings::default(), open_within: Duration::ZERO }
    }
}

impl DiskLogBuilder {
    /// How many entries the log keeps, about, of all topics together; any number by default.
    ///
    /// All bounds take effect while messages are published, and within seconds after. A log may keep some hundred entries
    /// more.
    pub fn max_entries(mut self, entries: impl Into<Option<u64>>) -> Self {
        self.settings.bounds.entries = entries.into();
        self
    }

    /// How many bytes the log takes of the disk, about; 1 GiB by default, `None` for any number. Besides these bytes, it
    /// needs some 20 MiB for what is being written.
    pub fn max_bytes(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.settings.bounds.bytes = bytes.into();
        self
    }

    /// For how long the log keeps entries, about; `None`, the default, for as long as there is room.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.settings.bounds.age = age.into();
        self
    }

    /// When messages are flushed to the disk.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// How long to try to open a log that is in use, before it is an error; by default once. The process that this one
    /// replaces may not have ended yet.
    pub fn open_within(mut self, time: Duration) -> Self {
        self.open_within = time;
        self
    }

    /// Opens the log in a directory; see [`DiskLog::open`].
    ///
    /// # Errors
    ///
    /// [`OpenError`], which names the path and says what to do.
    pub fn open(self, directory: impl AsRef<Path>) -> Result<DiskLog, OpenError> {
        let directory = directory.as_ref();
        prepare(directory)?;
        let end = Instant::now() + self.open_within;
        let file = directory.join(FILE);
        let store = loop {
            match Store::open(&file, Vfs::System, self.settings.durability) {
                Err(error) if error.kind() == OpenErrorKind::InUse && Instant::now() < end => {
                    thread::sleep(Duration::from_millis(20));
                }
                opened => break opened?,
            }
        };
        DiskLog::start(store, self.settings)
    }
}

/// Makes the directory, so that it is there after a loss of power too.
fn prepare(directory: &Path) -> Result<(), OpenError> {
    if directory.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(directory).map_err(|error| OpenError::system(directory, &error))?;
    // A system that can't flush a directory keeps it otherwise.
    if let Some(parent) = directory.parent().and_then(|parent| File::open(parent).ok()) {
        let _ = parent.sync_all();
    }
    Ok(())
}
