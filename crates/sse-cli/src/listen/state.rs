//! The file in which the last event ID is kept.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sse_client::EventId;
use tempfile::NamedTempFile;

use crate::failure::Failure;

/// How large a file may be: the client accepts no larger event, and so no larger id.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// A file with the last event ID and a line ending. It is replaced as a whole. No other listener uses it.
#[derive(Debug)]
pub(crate) struct StateFile {
    path: PathBuf,
    saved: String,
    /// Held while the program runs. The system releases it, however the program ends.
    _lock: File,
}

impl StateFile {
    /// Reads the file, if there is one, and makes sure that it can be replaced, and that no other listener uses it.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Failure> {
        let path = match real_path(&path) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => path,
            Err(error) => return Err(unreadable(&path, &error)),
        };
        temporary(&path).map_err(|error| {
            Failure::usage(format!("--state {}: nothing can be written there: {error}", path.display()))
        })?;
        // Before it is read: the listener that has it may be about to save another id.
        let lock = lock(&path)?;
        let saved = match read(&path) {
            Ok(saved) => saved,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        let saved = saved
            .strip_suffix('\n')
            .map_or(&*saved, |line| line.strip_suffix('\r').unwrap_or(line))
            .to_owned();
        EventId::new(&saved).map_err(|_| {
            let path = path.display();
            Failure::usage(format!(
                "--state {path}: it holds no event ID, which is one line; name another file"
            ))
        })?;
        Ok(Self { path, saved, _lock: lock })
    }

    /// The id that was saved; empty if there is none.
    pub(crate) fn last_event_id(&self) -> EventId<'static> {
        EventId::new(&self.saved).map_or_else(|_| EventId::from_static(""), EventId::into_owned)
    }

    /// Saves another id: the old one stays if that fails.
    pub(crate) fn save(&mut self, id: &str) -> Result<(), Failure> {
        if self.saved == id {
            return Ok(());
        }
        self.replace(id).map_err(|error| {
            Failure::failed(format!(
                "--state {}: the id {id} could not be saved ({error}); the file still has the id before it",
                self.path.display()
            ))
        })?;
        id.clone_into(&mut self.saved);
        Ok(())
    }

    fn replace(&self, id: &str) -> io::Result<()> {
        let mut file = temporary(&self.path)?;
        file.write_all(format!("{id}\n").as_bytes())?;
        file.persist(&self.path)?;
        Ok(())
    }
}

/// Returns the path of the file itself, so that no link is replaced.
fn real_path(path: &Path) -> io::Result<PathBuf> {
    let path = fs::canonicalize(path)?;
    // Reading a pipe could take for ever, and a device would be replaced.
    if !fs::metadata(&path)?.is_file() {
        return Err(io::Error::other("it is no regular file; name another one"));
    }
    Ok(path)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_SIZE + 2).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SIZE + 1 {
        return Err(io::Error::other("it is too large for an event ID; name another one"));
    }
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("--state {}: it can't be read: {error}", path.display()))
}

/// Locks a file beside this one, because the file itself is replaced. The lock file stays there. If it were removed,
/// one program could hold it while another one makes it anew.
fn lock(path: &Path) -> Result<File, Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let locked = File::options().create(true).truncate(false).write(true).open(&name).map(|file| {
        let locked = file.try_lock();
        (file, locked)
    });
    let name = Path::new(&name).display();
    match locked {
        Ok((file, Ok(()))) => Ok(file),
        // Some file systems have no locks.
        Ok((file, Err(TryLockError::Error(error)))) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Ok((_, Err(TryLockError::WouldBlock))) => Err(Failure::failed(format!(
            "--state {}: another sse listen is using it; end that one, or name another file",
            path.display()
        ))),
        Ok((_, Err(TryLockError::Error(error)))) | Err(error) => {
            Err(Failure::usage(format!("--state {}: {name} can't be locked: {error}", path.display())))
        }
    }
}

/// A file that can take the place of this one.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sse-");
    // With the usual mode, and not for the owner alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: Option<&str>, expected: Result<&str, &str>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        content.inspect(|content| fs::write(&path, content).unwrap());
        match (StateFile::open(path), expected) {
            (Ok(file), Ok(expected)) => assert_eq!(file.last_event_id().as_str(), expected, "{content:?}"),
            (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
            (found, _) => panic!("{found:?}"),
        }
        let lock = folder.path().join("state.lock").exists();
        let others = fs::read_dir(folder.path()).unwrap().count() - usize::from(lock);
        assert_eq!(others, usize::from(content.is_some()), "nothing else is left there");
    }

    #[test]
    fn a_file_has_one_id_or_none() {
        check(None, Ok(""));
        check(Some(""), Ok(""));
        check(Some("\n"), Ok(""));
        check(Some("7\n"), Ok("7"));
        check(Some("a b"), Ok("a b"));
        check(Some("7\r\n"), Ok("7"));
        check(Some("7\n8\n"), Err("it holds no event ID"));
        check(Some("\0"), Err("it holds no event ID"));
    }

    #[test]
    fn a_file_has_one_listener_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut first = StateFile::open(path.clone()).unwrap();
        let check = || {
            let refused = StateFile::open(path.clone()).unwrap_err().to_string();
            assert!(
                refused
                    .ends_with("state: another sse listen is using it; end that one, or name another file")
            );
        };
        check();
        first.save("7").unwrap();
        check();
        drop(first);
        assert_eq!(StateFile::open(path.clone()).unwrap().last_event_id().as_str(), "7");
    }

    #[test]
    fn an_id_replaces_the_one_before_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut file = StateFile::open(path.clone()).unwrap();
        file.save("").unwrap();
        assert!(!path.exists(), "there is nothing to save");
        for id in ["1", "a longer one", "3", "3"] {
            file.save(id).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{id}\n"));
        }
        fs::remove_dir_all(folder.path()).unwrap();
        assert!(file.save("4").unwrap_err().to_string().contains("the id 4 could not be saved"));
    }
}
