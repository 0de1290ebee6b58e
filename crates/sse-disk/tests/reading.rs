//! A history is listed, read and checked, and nothing in it is changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use sse_disk::{DiskLog, DiskReader, OpenErrorKind};
use sse_server::log::{Batch, Entry, Log as _, Record, RecordKind};
use sse_server::{EventId, Message, Topics};

/// Returns the files and their bytes.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(Result::unwrap);
    files.map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap())).collect()
}

async fn append(log: &DiskLog, topic: &str, data: &[&str]) {
    let records = data.iter().map(|data| Record::new(topic, &Message::new(*data)).unwrap()).collect();
    log.append(&Batch::new(fastrand::u64(..), 1, records)).await.unwrap();
}

fn data(entries: &[Entry]) -> Vec<String> {
    let records = entries.iter().filter_map(|entry| entry.record.as_ref());
    let events = records.filter_map(|record| record.event(EventId::from_static("7")));
    events.map(|event| event.data().to_owned()).collect()
}

/// Changes the file by SQL.
fn damage(directory: &Path, broken: &str) {
    Connection::open(directory.join("log.db")).unwrap().execute_batch(broken).unwrap();
}

/// Checks that the history has one fault that says this, or none.
#[track_caller]
fn assert_faults(directory: &Path, says: Option<&str>, broken: &str) {
    let faults = DiskReader::open(directory).unwrap().check().unwrap().faults;
    let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), says.iter().len(), "{broken}: {texts:?}");
    assert!(says.is_none_or(|says| texts[0].contains(says)), "{broken}: {texts:?}");
}

/// Makes a history of two topics, one of which has ended, as a killed process leaves it: the newest entries are only in
/// the write-ahead log.
async fn killed(directory: &Path) {
    let running = tempfile::tempdir().unwrap();
    let log = DiskLog::open(running.path()).unwrap();
    append(&log, "news", &["1", "2"]).await;
    append(&log, "weather", &["rain"]).await;
    let topics = Topics::builder().build_on(log.clone()).await.unwrap();
    topics.route("weather").unwrap().close().stored().await.unwrap();
    append(&log, "news", &["3"]).await;
    for (name, bytes) in files(running.path()) {
        fs::write(directory.join(name), bytes).unwrap();
    }
}

#[tokio::test]
async fn a_history_is_listed_read_and_checked_without_a_change() {
    let directory = tempfile::tempdir().unwrap();
    killed(directory.path()).await;
    let before = files(directory.path());
    assert!(before["log.db-wal"].len() > 10_000, "the entries are in the write-ahead log");

    let history = DiskReader::open(directory.path()).unwrap();
    let topics = history.topics().unwrap();
    let found: Vec<_> = topics.iter().map(|it| (&*it.name, it.messages, it.bytes, it.is_ended)).collect();
    assert_eq!(found, [("news", 3, 24, false), ("weather", 1, 11, true)]);
    let minute = Duration::from_secs(60);
    for topic in &topics {
        assert!(topic.oldest <= topic.newest);
        assert!(topic.oldest > SystemTime::now() - minute && topic.newest < SystemTime::now() + minute);
    }
    let entries = history.after(history.start(), 100).unwrap().unwrap();
    assert_eq!(data(&entries), ["1", "2", "rain", "3"]);
    let kinds: Vec<_> = entries.iter().map(|entry| entry.record.as_ref().unwrap().kind()).collect();
    assert!(kinds.contains(&RecordKind::End), "{kinds:?}");
    assert_eq!(data(&history.before(None, 1).unwrap()), ["3"]);
    assert_eq!(history.after(entries[0].position, 1).unwrap().unwrap(), entries[1..2]);
    let unknown = sse_server::log::Position::new(entries[0].position.get() - 1);
    assert_eq!(history.after(unknown, 1).unwrap(), None);
    let check = history.check().unwrap();
    assert_eq!((check.entries, &check.faults[..], check.count), (5, &[][..], 0));

    // No other process can open the directory meanwhile.
    assert_eq!(DiskLog::open(directory.path()).unwrap_err().kind(), OpenErrorKind::InUse);
    assert_eq!(DiskReader::open(directory.path()).unwrap_err().kind(), OpenErrorKind::InUse);
    drop(history);
    assert!(files(directory.path()) == before, "a file was changed");
    let log = DiskLog::open(directory.path()).unwrap();
    assert_eq!(data(&log.before(None, 100).await.unwrap()), ["1", "2", "rain", "3"]);
    let error = DiskReader::open(directory.path()).unwrap_err();
    assert_eq!(error.kind(), OpenErrorKind::InUse, "{error}");
}

#[tokio::test]
async fn each_fault_is_reported() {
    async fn check(broken: &str, says: &[&str], kept: &[&str]) {
        let directory = tempfile::tempdir().unwrap();
        killed(directory.path()).await;
        damage(directory.path(), broken);
        let history = DiskReader::open(directory.path()).unwrap();
        let check = history.check().unwrap();
        let faults: Vec<_> = check.faults.iter().map(ToString::to_string).collect();
        assert_eq!((faults.len(), check.count), (says.len(), says.len() as u64), "{broken}: {faults:?}");
        for (fault, says) in faults.iter().zip(says) {
            assert!(fault.contains(says), "{broken}: {fault}");
        }
        let entries = history.after(history.start(), 100).unwrap().unwrap();
        assert_eq!(data(&entries), kept, "{broken}");
    }

    let entry = |number: u32| format!("position = (SELECT position FROM entries WHERE number = {number})");
    check("", &[], &["1", "2", "rain", "3"]).await;
    check(
        &format!("UPDATE entries SET fields = x'646174613a20370a' WHERE {}", entry(2)),
        &["is not as it was written; subscribers get a gap event"],
        &["1", "rain", "3"],
    )
    .await;
    check(
        &format!("DELETE FROM entries WHERE {} OR {}", entry(2), entry(3)),
        &["2 are missing"],
        &["1", "3"],
    )
    .await;
    check(&format!("DELETE FROM entries WHERE {}", entry(1)), &["1 are missing"], &["2", "rain", "3"]).await;
    check(
        "UPDATE publishers SET messages = 1 << 60",
        &["the newest batch of the publisher"; 4],
        &["1", "2", "rain", "3"],
    )
    .await;
    check(
        &format!("UPDATE entries SET number = 1 WHERE {}", entry(2)),
        // The checksum covers the number, too.
        &["is not as it was written"],
        &["1", "rain", "3"],
    )
    .await;
    check(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'key TEXT', 'key TEXT NOT NULL')
         WHERE name = 'entries'",
        &["NULL value in entries.key"; 5],
        &["1", "2", "rain", "3"],
    ).await;
}

#[tokio::test]
async fn faults_of_ids_are_reported() {
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    let named = |id: &'static str| {
        let record = Record::new("news", &Message::new(id)).unwrap();
        record.with_id(&EventId::from_static(id)).unwrap()
    };
    // A batch of repeats alone has positions of its own nowhere.
    for number in 1..3 {
        let batch = Batch::new(7, number, ["a", "b", "c"].map(named).to_vec());
        log.append_with_ids(&batch).await.unwrap();
    }
    drop(log);
    for (broken, says) in [
        ("", None),
        ("UPDATE ids SET position = position + 1 WHERE number < 3", Some("of 2 publishers' ids is damaged")),
        ("UPDATE ids SET hash = 'x' WHERE number = 1", Some("of 2 publishers' ids is damaged")),
        ("DELETE FROM ids; UPDATE publishers SET outcomes = zeroblob(8)", Some("the newest batch of the")),
    ] {
        damage(directory.path(), broken);
        assert_faults(directory.path(), says, broken);
    }
}

#[tokio::test]
async fn faults_of_ends_are_reported() {
    for (broken, says) in [
        ("", None),
        ("UPDATE ends SET fields = x'00'", Some("of the ends of 1 topics is damaged")),
        ("UPDATE ends SET topic = 'news'", Some("of the ends of 1 topics is damaged")),
        ("UPDATE ends SET position = 1 << 62", Some("of the ends of 1 topics is damaged")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        killed(directory.path()).await;
        damage(directory.path(), broken);
        assert_faults(directory.path(), says, broken);
        // A damaged end is not listed. Then the topic is open by mistake, and nothing is lost.
        let is_ended = !DiskLog::open(directory.path()).unwrap().ends(9).await.unwrap().unwrap().is_empty();
        assert_eq!(is_ended, says.is_none(), "{broken}");
    }
}

#[tokio::test]
async fn wrong_counts_of_topics_are_reported_and_can_be_mended() {
    const SAYS: &str = "the messages of 1 topics are not counted as they are";
    let bounds = || DiskLog::builder().max_topic_messages(2);
    for (broken, says) in [
        ("", None),
        ("UPDATE topics SET messages = 7 WHERE topic = 'news'", Some(SAYS)),
        ("UPDATE topics SET bytes = 'x' WHERE topic = 'weather'", Some(SAYS)),
        ("DELETE FROM topics WHERE topic = 'news'", Some(SAYS)),
        ("INSERT INTO topics VALUES ('other', 0, 0)", Some(SAYS)),
    ] {
        let directory = tempfile::tempdir().unwrap();
        killed(directory.path()).await;
        drop(bounds().open(directory.path()).unwrap());
        damage(directory.path(), broken);
        assert_faults(directory.path(), says, broken);
        drop(DiskLog::open(directory.path()).unwrap());
        drop(bounds().open(directory.path()).unwrap());
        assert_faults(directory.path(), None, broken);
    }
}

#[tokio::test]
async fn an_unreadable_page_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let log = DiskLog::open(directory.path()).unwrap();
    for _ in 0..100 {
        append(&log, "news", &["x"; 100]).await;
    }
    drop(log);
    let file = directory.path().join("log.db");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 4096 / 2 * 4096;
    bytes[middle..middle + 4096].fill(0xff);
    fs::write(&file, bytes).unwrap();
    let history = DiskReader::open(directory.path()).unwrap();
    let check = history.check().unwrap();
    assert!(check.count > 0 && check.entries < 10_000, "{check:?}");
    assert!(check.faults[0].to_string().contains("the file is damaged: "), "{check:?}");
    let text = history.topics().unwrap_err().to_string();
    assert!(text.contains("log.db is damaged") && text.contains("restore a copy"), "{text}");
}

#[tokio::test]
async fn a_directory_that_cant_be_read_is_named() {
    #[track_caller]
    fn check(path: &Path, kind: OpenErrorKind, says: &str) {
        let error = DiskReader::open(path).expect_err("the history can't be opened");
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains(&*path.to_string_lossy()) && text.contains(says), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let missing = path.join("missing");
    check(&missing, OpenErrorKind::Missing, "name the directory of a log");
    assert!(!missing.exists());
    check(path, OpenErrorKind::Missing, "log.db is not there");
    assert_eq!(fs::read_dir(path).unwrap().count(), 0);
    let file = path.join("log.db");
    check(&file.join("below"), OpenErrorKind::Missing, "name the directory of a log");
    fs::write(&file, "").unwrap();
    check(path, OpenErrorKind::Missing, "has nothing in it");
    check(&file, OpenErrorKind::NotADirectory, "is not a directory");
    check(&file.join("below"), OpenErrorKind::NotADirectory, "is not a directory");
    fs::write(&file, "a letter to my aunt, ".repeat(1000)).unwrap();
    check(path, OpenErrorKind::Foreign, "not a log of this program");
    for mode in ["DELETE", "WAL"] {
        fs::remove_file(&file).unwrap();
        let other = Connection::open(&file).unwrap();
        other.execute_batch(&format!("PRAGMA journal_mode = {mode}; CREATE TABLE entries (x)")).unwrap();
        drop(other);
        check(path, OpenErrorKind::Foreign, "not a log of this program");
    }

    let log = tempfile::tempdir().unwrap();
    let path = log.path();
    append(&DiskLog::open(path).unwrap(), "news", &["1"]).await;
    let version = |version: i32| {
        let file = Connection::open(path.join("log.db")).unwrap();
        let found: i32 = file.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        file.pragma_update(None, "user_version", found + version).unwrap();
    };
    version(1);
    check(path, OpenErrorKind::Newer, "newer version");
    version(-3);
    check(path, OpenErrorKind::Older, "older version");
    version(2);
    let cut = Connection::open(path.join("log.db")).unwrap();
    cut.execute_batch("DELETE FROM trimmed").unwrap();
    drop(cut);
    check(path, OpenErrorKind::Damaged, "restore a copy");
}
