//! Checks that the log does what replicas rely on.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use sse_disk::{DiskLog, Durability};
use sse_testing::log;

/// Logs by their names, each with a directory of its own.
struct Logs<'d> {
    directory: &'d Path,
    durability: Durability,
    opened: Mutex<HashMap<String, DiskLog>>,
}

impl<'d> Logs<'d> {
    fn new(directory: &'d Path, durability: Durability) -> Self {
        Self { directory, durability, opened: Mutex::default() }
    }

    fn open(&self, name: &str) -> DiskLog {
        let mut opened = self.opened.lock().unwrap();
        let log = opened.entry(name.to_owned()).or_insert_with(|| {
            DiskLog::builder().durability(self.durability).open(self.directory.join(name)).unwrap()
        });
        log.clone()
    }
}

#[tokio::test]
async fn the_log_does_what_replicas_rely_on() {
    for durability in [Durability::Stored, Durability::Every(Duration::from_millis(10))] {
        let directory = tempfile::tempdir().unwrap();
        let logs = Logs::new(directory.path(), durability);
        log::check(async |name: &str| logs.open(name)).await;
    }
}

#[tokio::test]
async fn trimmed_entries_are_known_to_be_trimmed() {
    let directory = tempfile::tempdir().unwrap();
    let logs = Logs::new(directory.path(), Durability::Stored);
    let open = async |name: &str| logs.open(name);
    log::check_trimming(open, async |name: &str, entries: usize| {
        logs.open(name).trim(entries as u64).await.unwrap();
    })
    .await;
}
