//! Directories that can't be used: the error names the path and says what to do.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_remount, unmount};
use sse_disk::{DiskLog, OpenErrorKind};
use sse_server::log::{Batch, Log as _, Position, Record};
use sse_server::{EventId, Message};

/// Appends some messages, and returns the id of the last one.
async fn fill(log: &DiskLog, messages: usize) -> String {
    let record = |number: usize| Record::new("news", &Message::new(number.to_string())).unwrap();
    let mut last = None;
    for start in (0..messages).step_by(1000) {
        let records = (start..messages.min(start + 1000)).map(record).collect();
        last = log.append(&Batch::new(fastrand::u64(..), 1, records)).await.unwrap().pop();
    }
    log.id(last.unwrap()).to_string()
}

#[track_caller]
fn check(path: &Path, kind: OpenErrorKind, says: &str) {
    let error = DiskLog::open(path).expect_err("the log can't be opened");
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(text.contains(&*path.to_string_lossy()) && text.contains(says), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

#[tokio::test]
async fn a_directory_is_made_and_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a/b/c", "ä \u{1F980} \"%'?#&=\\", "file:x?mode=ro"] {
        let path = directory.path().join(name);
        let log = DiskLog::open(&path).unwrap();
        let id = fill(&log, 3).await;
        drop(log);
        let log = DiskLog::open(&path).unwrap();
        let entries = log.before(None, 10).await.unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(log.position(&id), Some(entries[2].position));
        assert!(path.join("log.db").is_file(), "{name}");
    }
}

#[test]
fn a_path_through_a_file_is_not_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "x").unwrap();
    check(&file, OpenErrorKind::NotADirectory, "give the log a directory of its own");
    check(&file.join("below"), OpenErrorKind::NotADirectory, "give the log a directory of its own");
}

#[tokio::test]
async fn two_processes_cant_open_one_directory() {
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    check(directory.path(), OpenErrorKind::InUse, "in use by another process");
    fill(&log, 1).await;
    // The process that is replaced may need a while to end.
    let begun = Instant::now();
    let path = directory.path().to_owned();
    let other = std::thread::spawn(move || {
        DiskLog::builder().open_within(Duration::from_secs(30)).open(path).map(|_| begun.elapsed())
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(log);
    assert!(other.join().unwrap().unwrap() >= Duration::from_millis(50));
}

#[cfg(unix)]
#[tokio::test]
async fn a_deleted_or_moved_log_refuses_messages() {
    let directory = tempfile::tempdir().unwrap();
    let (path, elsewhere) = (directory.path().join("log"), directory.path().join("elsewhere"));
    let log = DiskLog::open(&path).unwrap();
    fill(&log, 3).await;
    let batch = || Batch::new(fastrand::u64(..), 1, vec![Record::new("news", &Message::new("a")).unwrap()]);
    fs::rename(&path, &elsewhere).unwrap();
    let error = log.append(&batch()).await.unwrap_err();
    assert!(error.is_refused(), "{error}");
    let text = error.to_string();
    assert!(text.contains(&*path.to_string_lossy()) && text.contains("was deleted or moved"), "{text}");
    assert_eq!(log.before(None, 10).await.unwrap().len(), 3, "the entries can still be read");
    // The log goes on when the directory is back.
    fs::rename(&elsewhere, &path).unwrap();
    log.append(&batch()).await.unwrap();
    // Another file at this path is not the log.
    fs::remove_dir_all(&path).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("log.db"), "").unwrap();
    assert!(log.append(&batch()).await.unwrap_err().is_refused());
}

#[test]
fn a_file_that_is_not_a_log_is_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log.db");
    fs::write(&file, "a letter to my aunt, ".repeat(1000)).unwrap();
    check(directory.path(), OpenErrorKind::Foreign, "not a log of this program");
    assert!(fs::read_to_string(&file).unwrap().starts_with("a letter"));
    fs::remove_file(&file).unwrap();
    let other = rusqlite::Connection::open(&file).unwrap();
    other.execute_batch("CREATE TABLE entries (x); INSERT INTO entries VALUES (7)").unwrap();
    drop(other);
    check(directory.path(), OpenErrorKind::Foreign, "not a log of this program");
    let other = rusqlite::Connection::open(&file).unwrap();
    let kept: i64 = other.query_row("SELECT x FROM entries", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 7);
}

#[tokio::test]
async fn a_newer_format_is_not_changed() {
    let directory = tempfile::tempdir().unwrap();
    fill(&DiskLog::open(directory.path()).unwrap(), 3).await;
    let file = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
    file.pragma_update(None, "user_version", 5).unwrap();
    drop(file);
    check(directory.path(), OpenErrorKind::Newer, "newer version");
}

/// The first format had no ids of publishers, the second one neither ends of topics nor reserved times, and the third one
/// no bounds for topics.
#[tokio::test]
async fn an_older_format_is_brought_up_to_this_one() {
    const NO_BOUNDS: &str = "ALTER TABLE entries DROP COLUMN removed; ALTER TABLE trimmed DROP COLUMN removed; DROP TABLE topics; PRAGMA user_version = 3";
    const NO_ENDS: &str = "DROP TABLE ends; DROP TABLE reserved; PRAGMA user_version = 2";
    const NO_IDS: &str = "DROP TABLE ids; DROP TABLE secret; ALTER TABLE publishers DROP COLUMN outcomes; PRAGMA user_version = 1";
    for made_older in [vec![NO_BOUNDS], vec![NO_BOUNDS, NO_ENDS], vec![NO_BOUNDS, NO_ENDS, NO_IDS]] {
        let directory = tempfile::tempdir().unwrap();
        let last = fill(&DiskLog::open(directory.path()).unwrap(), 3).await;
        let control = |topic: &str, command: &str| {
            Record::from_parts(topic.into(), None, format!("control: {command}\n").into()).unwrap()
        };
        let records = vec![
            Record::new("news", &Message::new("again")).unwrap(),
            control("news", "end 7"),
            control("a", "end 0"),
            control("b", "end 0"),
            control("b", "open"),
            control("anna", "end-client anna"),
            control("a", "end 9"),
        ];
        let batch = Batch::new(7, 1, records);
        let positions = DiskLog::open(directory.path()).unwrap().append(&batch).await.unwrap();
        let file = rusqlite::Connection::open(directory.path().join("log.db")).unwrap();
        for change in made_older {
            file.execute_batch(change).unwrap();
        }
        drop(file);
        let log = DiskLog::open(directory.path()).unwrap();
        let after = log.after(log.position(&last).unwrap(), 9).await.unwrap().unwrap();
        assert_eq!(after.iter().map(|entry| entry.position).collect::<Vec<_>>(), positions);
        assert_eq!(log.append(&batch).await.unwrap(), positions, "the batch is known");
        let ends = log.ends(9).await.unwrap().unwrap();
        let ended: Vec<_> =
            ends.iter().map(|end| (end.position, end.record.as_ref().unwrap().topic())).collect();
        assert_eq!(ended, [(positions[1], "news"), (positions[2], "a")]);
        let named =
            Record::new("news", &Message::new("x")).unwrap().with_id(&EventId::from_static("order 1"));
        let position = log.append(&Batch::new(7, 2, vec![named.unwrap()])).await.unwrap()[0];
        drop(log);
        let log = DiskLog::open(directory.path()).unwrap();
        assert_eq!(log.find("news", "order 1").await.unwrap(), Some(position));
    }
}

/// A cut file shows that it was cut: when it is opened, or by an unknown position.
#[tokio::test]
async fn a_file_that_was_cut_is_damaged_or_has_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    let id = fill(&log, 5000).await;
    drop(log);
    let file = directory.path().join("log.db");
    let length = fs::metadata(&file).unwrap().len();
    for left in [length - 1, length - 4097, length - 9000, length / 2, 4096, 100, 1] {
        File::options().write(true).open(&file).unwrap().set_len(left).unwrap();
        let kinds = [OpenErrorKind::Damaged, OpenErrorKind::Foreign, OpenErrorKind::System];
        match DiskLog::open(directory.path()) {
            Err(error) => assert!(kinds.contains(&error.kind()), "{left}: {error}"),
            Ok(log) => {
                // The newest entry is lost, or it is damaged and left out, or everything is there.
                let position = log.position(&id).unwrap();
                let is_known = log.after(position, 10).await.unwrap().is_some();
                let kept = log.before(None, 9999).await.unwrap().len();
                assert!(!is_known || kept >= 4999, "{left} of {length} bytes: {kept} entries");
            }
        }
    }
    // An empty file is a new log, which does not know the position.
    File::options().write(true).open(&file).unwrap().set_len(0).unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    assert_eq!(log.after(log.position(&id).unwrap(), 10).await.unwrap(), None);
}

#[tokio::test]
async fn a_log_that_was_deleted_begins_with_higher_positions() {
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    let id = fill(&log, 100).await;
    let last = log.position(&id).unwrap();
    drop(log);
    fs::remove_dir_all(directory.path()).unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    assert_eq!(log.after(Position::START, 10).await.unwrap(), Some(vec![]));
    let id = fill(&log, 1).await;
    assert!(log.position(&id).unwrap() > last);
    assert_eq!(log.after(last, 10).await.unwrap(), None);
}

/// A message with a flipped bit is left out, and its place is a gap.
#[tokio::test]
async fn a_damaged_message_is_a_gap() {
    let directory = tempfile::tempdir().unwrap();
    fill(&DiskLog::open(directory.path()).unwrap(), 3).await;
    let file = directory.path().join("log.db");
    let bytes = fs::read(&file).unwrap();
    let place = bytes.windows(8).position(|window| window == b"data: 1\n").unwrap();
    let mut file = File::options().write(true).open(&file).unwrap();
    file.seek(SeekFrom::Start(place as u64 + 6)).unwrap();
    file.write_all(b"7").unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    let entries = log.after(Position::START, 10).await.unwrap().unwrap();
    let seen: Vec<_> = entries.iter().map(|entry| entry.record.as_ref().unwrap().fields()).collect();
    assert_eq!(seen, ["data: 0\n", "data: 2\n"]);
    assert_ne!(entries[1].previous, entries[0].position);
}

/// A directory that this user can't write: on a read-only file system if root can mount one, or by its mode.
#[tokio::test]
async fn a_read_only_directory_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    if rustix::process::geteuid().is_root() {
        mount("none", path, "tmpfs", MountFlags::empty(), None).unwrap();
        fill(&DiskLog::open(path).unwrap(), 3).await;
        mount_remount(path, MountFlags::RDONLY, "").unwrap();
        check(path, OpenErrorKind::ReadOnly, "can't be written");
        check(&path.join("below"), OpenErrorKind::ReadOnly, "can't be written");
        mount_remount(path, MountFlags::empty(), "").unwrap();
        assert_eq!(DiskLog::open(path).unwrap().before(None, 10).await.unwrap().len(), 3);
        unmount(path, UnmountFlags::DETACH).unwrap();
    } else {
        fill(&DiskLog::open(path).unwrap(), 3).await;
        let chmod = |mode| {
            let status = Command::new("chmod").args(["-R", mode]).arg(path).status();
            assert!(status.unwrap().success());
        };
        chmod("a-w");
        check(path, OpenErrorKind::ReadOnly, "can't be written");
        chmod("u+w");
    }
}
