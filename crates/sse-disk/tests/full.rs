//! A full disk: publishing is refused, reading goes on, and publishing goes on when there is room again.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use sse_disk::{DiskLog, Durability};
use sse_server::Message;
use sse_server::log::{Batch, Log as _, Position, Record};

/// The size of the file system.
const MEGABYTES: usize = 8;

/// A small file system in memory. Only root may mount it, or the root of a user namespace.
struct Small<'d>(&'d Path);

impl<'d> Small<'d> {
    fn mount(path: &'d Path) -> Self {
        let options = format!("size={MEGABYTES}m");
        let options = std::ffi::CString::new(options).unwrap();
        mount("none", path, "tmpfs", MountFlags::empty(), Some(options.as_c_str())).unwrap();
        Self(path)
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = unmount(self.0, UnmountFlags::DETACH);
    }
}

/// Runs the test of this name again, as root of a user namespace.
fn again_as_root(name: &str) {
    let test = std::env::current_exe().unwrap();
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount"])
        .arg(test)
        .args(["--exact", name, "--nocapture"])
        .status()
        .expect("`unshare` of util-linux, since this user is not root");
    assert!(status.success(), "the test has failed as root of a namespace");
}

fn batch(number: u64) -> Batch {
    let record = Record::new("news", &Message::new(format!("{number} {}", "x".repeat(50_000)))).unwrap();
    Batch::new(7, number, vec![record])
}

#[test]
fn a_full_disk_refuses_and_keeps_serving() {
    if !rustix::process::geteuid().is_root() {
        return again_as_root("a_full_disk_refuses_and_keeps_serving");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for durability in [Durability::Stored, Durability::Every(std::time::Duration::from_millis(10))] {
        runtime.block_on(fill(durability));
    }
}

async fn fill(durability: Durability) {
    let directory = tempfile::tempdir().unwrap();
    let small = Small::mount(directory.path());
    // Another file takes half of the room.
    let ballast = directory.path().join("ballast");
    fs::write(&ballast, vec![0; MEGABYTES * 1024 * 1024 / 2]).unwrap();
    let log =
        DiskLog::builder().max_bytes(None).durability(durability).open(directory.path().join("log")).unwrap();
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
    let open =
        || DiskLog::builder().max_bytes(None).durability(durability).open(directory.path().join("log"));
    let log = match open() {
        Ok(log) => log,
        Err(error) => {
            assert_eq!(error.kind(), sse_disk::OpenErrorKind::Full, "{error}");
            fs::remove_file(&ballast).unwrap();
            open().unwrap()
        }
    };
    assert_eq!(read(&log).await, stored);

    // There is room again.
    let _ = fs::remove_file(&ballast);
    for number in number..number + 5 {
        stored.extend(log.append(&batch(number)).await.unwrap());
    }
    assert_eq!(read(&log).await, stored);
    drop(log);
    assert_eq!(read(&open().unwrap()).await, stored);
    drop(small);
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
