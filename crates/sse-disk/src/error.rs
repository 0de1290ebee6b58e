//! The errors of a log.

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use sse_server::log::LogError;

/// The reason why a log could not be opened. Its text names the path, and says what to do.
#[derive(Debug)]
pub struct OpenError {
    path: PathBuf,
    kind: OpenErrorKind,
    /// The error of the system or of SQLite, if it says more than the kind.
    said: Option<String>,
}

/// The kind of an [`OpenError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpenErrorKind {
    /// The path is a file, or a part of the path is one.
    NotADirectory,
    /// Another process has the log open, or this process has it open by another handle that is not a clone.
    InUse,
    /// The directory or its files are read-only, or this user may not write them.
    ReadOnly,
    /// There is no log in the directory. Only a [`DiskReader`](crate::DiskReader) needs one.
    Missing,
    /// The file has the format of an older version of this crate. Only a [`DiskReader`](crate::DiskReader) returns
    /// this, because a [`DiskLog`](crate::DiskLog) converts the file.
    Older,
    /// The file has the format of a newer version of this crate.
    Newer,
    /// The file was not made by this crate.
    Foreign,
    /// The file is damaged.
    Damaged,
    /// The disk is full.
    Full,
    /// The system has refused another operation.
    System,
}

impl OpenError {
    pub(crate) fn new(path: &Path, kind: OpenErrorKind) -> Self {
        Self { path: path.to_owned(), kind, said: None }
    }

    pub(crate) fn system(path: &Path, error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => OpenErrorKind::NotADirectory,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => OpenErrorKind::ReadOnly,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => OpenErrorKind::Full,
            _ => OpenErrorKind::System,
        };
        Self { said: Some(error.to_string()), ..Self::new(path, kind) }
    }

    /// Returns why a directory can't be read.
    pub(crate) fn to_read(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::new(path, OpenErrorKind::Missing),
            _ => Self::system(path, error),
        }
    }

    pub(crate) fn store(path: &Path, error: &rusqlite::Error) -> Self {
        // SQLite does not say why it can't open a file.
        if error.sqlite_error_code() == Some(ErrorCode::CannotOpen)
            && let Err(error) = writable(path)
        {
            return Self::system(path, &error);
        }
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenErrorKind::InUse,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => OpenErrorKind::ReadOnly,
            Some(ErrorCode::NotADatabase) => OpenErrorKind::Foreign,
            // Other errors: a row that each log has is missing, or its values have other types.
            Some(ErrorCode::DatabaseCorrupt) | None => OpenErrorKind::Damaged,
            Some(ErrorCode::DiskFull) => OpenErrorKind::Full,
            _ => OpenErrorKind::System,
        };
        Self { said: Some(error.to_string()), ..Self::new(path, kind) }
    }

    /// Returns the kind of the error.
    pub fn kind(&self) -> OpenErrorKind {
        self.kind
    }

    /// Returns the path of the directory, or of the file in it.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let said = self.said.as_deref().unwrap_or("no reason was given");
        match self.kind {
            OpenErrorKind::NotADirectory => {
                write!(f, "{path} is not a directory; give the log a directory of its own")
            }
            OpenErrorKind::InUse => write!(
                f,
                "{path} is in use by another process; end that one, or give this one another directory"
            ),
            OpenErrorKind::ReadOnly => {
                write!(f, "{path} can't be written ({said}); let the user of this process write there")
            }
            OpenErrorKind::Missing => {
                write!(f, "{path} is not there, or has nothing in it; name the directory of a log")
            }
            OpenErrorKind::Older => write!(
                f,
                "{path} was written by an older version of this program; open it as a log once, which brings it up to date"
            ),
            OpenErrorKind::Newer => {
                write!(f, "{path} was written by a newer version of this program; use that one")
            }
            OpenErrorKind::Foreign => {
                write!(f, "{path} is not a log of this program; give the log a directory of its own")
            }
            OpenErrorKind::Damaged => write!(
                f,
                "{path} is damaged ({said}); restore a copy of the directory, or move it away to begin a new log: \
                 each client then gets a gap event"
            ),
            OpenErrorKind::Full => write!(f, "the disk of {path} is full; make room on it"),
            OpenErrorKind::System => write!(f, "{path} can't be opened: {said}"),
        }
    }
}

impl Error for OpenError {}

/// Checks whether the file and those beside it can be written.
fn writable(path: &Path) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push("-wal");
    for path in [path, Path::new(&beside)] {
        File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    }
    Ok(())
}

/// The reason why the disk takes no messages now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DiskRefusal {
    /// The disk is full.
    Full,
    /// The directory was deleted or moved while it was in use.
    Moved,
    /// The files are read-only, or this user may not write them.
    ReadOnly,
    /// The file is damaged.
    Damaged,
    /// The system has returned another error.
    Failing,
}

impl DiskRefusal {
    fn of(error: &rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::ReadOnly) if is_moved(error) => Self::Moved,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged,
            _ => Self::Failing,
        }
    }
}

impl fmt::Display for DiskRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the disk is full; make room on it",
            Self::Moved => {
                "the directory was deleted or moved while it was in use; move it back, or restart the process to begin a new log"
            }
            Self::ReadOnly => "the files can't be written; let the user of the process write there",
            Self::Damaged => "the file is damaged; end the process, and restore a copy or begin a new log",
            Self::Failing => "the disk gives errors",
        })
    }
}

/// The error of an operation, for each caller that waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    refusal: DiskRefusal,
    text: String,
}

impl Failure {
    pub(crate) fn new(path: &Path, error: &rusqlite::Error) -> Self {
        let path = path.display();
        let refusal = DiskRefusal::of(error);
        let text = match refusal {
            DiskRefusal::Full => format!("the disk of {path} is full; make room on it"),
            DiskRefusal::Moved => format!(
                "{path} was deleted or moved while it was in use, so what is published would be lost; move it back, or \
                 restart the process to begin a new log"
            ),
            DiskRefusal::ReadOnly => {
                format!("{path} can't be written; let the user of this process write there")
            }
            DiskRefusal::Damaged => {
                format!("{path} is damaged ({error}); end the hub, and restore a copy or begin a new log")
            }
            DiskRefusal::Failing => format!("{path}: {error}"),
        };
        Self { refusal, text }
    }

    pub(crate) fn refusal(&self) -> DiskRefusal {
        self.refusal
    }

    pub(crate) fn into_log_error(self) -> LogError {
        // After an error of the system, it is not known what is on the disk.
        let is_refused = self.refusal != DiskRefusal::Failing;
        if is_refused { LogError::refused(self.text) } else { LogError::unavailable(self.text) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns whether the error shows that the file is no longer at its path.
fn is_moved(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_READONLY_DBMOVED)
}

/// Returns whether the error shows that the bytes on the disk are not those that were written.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
