//! A full disk: publishing is refused, reading goes on, and publishing goes on when there is room again.

use std::time::Duration;

use sse_disk::{DiskLog, Durability};
use sse_server::Message;
use sse_server::log::{Batch, Log as _, Position, Record};
use test_support::SmallDisk;

fn batch(number: u64) -> Batch {
    let record = Record::new("news", &Message::new(format!("{number} {}", "x".repeat(50_000)))).unwrap();
    Batch::new(7, number, vec![record])
}

#[test]
fn a_full_disk_refuses_and_keeps_serving() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for durability in [Durability::Stored, Durability::Every(Duration::from_millis(10))] {
        SmallDisk::run("a_full_disk_refuses_and_keeps_serving", |disk| {
            runtime.block_on(fill(&disk, durability));
        });
    }
}

async fn fill(disk: &SmallDisk, durability: Durability) {
    let open = || DiskLog::builder().max_bytes(None).durability(durability).open(disk.path().join("log"));
    let log = open().unwrap();
    let mut stored = Vec::new();
    let refused = loop {
        let number = stored.len() as u64 + 1;
        assert!(number < 1000, "the disk is never full");
        match log.append(&batch(number)).await {
            Ok(positions) => stored.extend(positions),
            Err(error) => break (number, error),
        }
    };
    let (number, error) = refused;
    assert!(number > 10, "{number}");
    let text = error.to_string();
    assert!(error.is_refused(), "{text}");
    let says = ["is full", "make room", &*log.file().to_string_lossy()];
    assert!(says.iter().all(|says| text.contains(says)), "{text}");
    assert!(log.stats().failures > 0);

    // Readers get the stored entries, and publishers get the same error each time.
    for _ in 0..3 {
        assert!(log.append(&batch(number)).await.unwrap_err().is_refused());
        assert_eq!(read(&log).await, stored);
    }
    // Opening the log again fails in the same way.
    drop(log);
    let log = match open() {
        Ok(log) => log,
        Err(error) => {
            assert_eq!(error.kind(), sse_disk::OpenErrorKind::Full, "{error}");
            disk.make_room();
            open().unwrap()
        }
    };
    assert_eq!(read(&log).await, stored);

    // There is room again.
    disk.make_room();
    for number in number..number + 5 {
        stored.extend(log.append(&batch(number)).await.unwrap());
    }
    assert_eq!(read(&log).await, stored);
    drop(log);
    assert_eq!(read(&open().unwrap()).await, stored);
}

async fn read(log: &DiskLog) -> Vec<Position> {
    let mut positions = Vec::new();
    let mut position = Position::START;
    loop {
        let page = log.after(position, 10).await.unwrap().unwrap();
        let Some(last) = page.last() else { return positions };
        position = last.position;
        positions.extend(page.iter().map(|entry| entry.position));
    }
}
