//! A process is killed while it publishes. Everything that was reported as stored must be there, in order and once.
//!
//! The environment chooses how often: `SSE_DISK_KILLS=1000`.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use sse_disk::{DiskLog, Durability};
use sse_server::log::{Batch, Log as _, Outcome, Position, Record};
use sse_server::{EventId, Message};

/// The directory and the durability of the child.
const CHILD: &str = "SSE_DISK_KILLED_CHILD";

/// How many publishers the child has.
const PUBLISHERS: usize = 4;

fn open(directory: &Path) -> DiskLog {
    DiskLog::builder()
        .max_entries(2000)
        .durability(match env::var_os("SSE_DISK_KILLED_EVERY") {
            Some(_) => Durability::Every(Duration::from_millis(5)),
            None => Durability::Stored,
        })
        .open(directory)
        .unwrap()
}

/// The child publishes until it is killed, and prints what is stored, line by line.
#[test]
fn child() {
    let Some(directory) = env::var_os(CHILD) else { return };
    let log = open(Path::new(&directory));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    runtime.block_on(async {
        let base = fastrand::u64(..);
        let publishers = (0..PUBLISHERS).map(|publisher| {
            let log = log.clone();
            tokio::spawn(async move {
                for number in 1.. {
                    let messages = fastrand::usize(1..20);
                    let data = |message| {
                        format!("{publisher} {number} {message} {}", "x".repeat(fastrand::usize(..2000)))
                    };
                    // Every third message has an id. All messages with ids are sent again in the next batch.
                    let records: Vec<_> = (0..messages)
                        .map(|message| {
                            let record = Record::new("t", &Message::new(data(message))).unwrap();
                            let id = format!("{base} {publisher} {number} {message}");
                            let id = EventId::try_from(id).unwrap();
                            if message % 3 == 0 { record.with_id(&id).unwrap() } else { record }
                        })
                        .collect();
                    let again: Vec<_> = records.iter().filter(|it| it.id().is_some()).cloned().collect();
                    let batch = Batch::new(base.wrapping_add(publisher as u64), 2 * number, records);
                    let positions = log.append(&batch).await.unwrap();
                    // One line in one write, so that none is cut.
                    println!("stored {} {}", positions[0], positions.len());
                    let batch = Batch::new(base.wrapping_add(publisher as u64), 2 * number + 1, again);
                    let outcomes = log.append_with_ids(&batch).await.unwrap();
                    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Repeat(_))));
                }
            })
        });
        for publisher in publishers.collect::<Vec<_>>() {
            publisher.await.unwrap();
        }
    });
}

fn check(is_flushed: bool) {
    let rounds = env::var("SSE_DISK_KILLS").map_or(15, |rounds| rounds.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let mut stored: Vec<(u64, u64)> = Vec::new();
    let mut last = Position::START;
    for round in 0..rounds {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture"]).env(CHILD, directory.path());
        if !is_flushed {
            command.env("SSE_DISK_KILLED_EVERY", "1");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let killer = fastrand::u64(1..60);
        let mut count = 0;
        for line in lines {
            let Ok(line) = line else { break };
            let Some(line) = line.strip_prefix("stored ") else { continue };
            let (position, messages) = line.split_once(' ').unwrap();
            stored.push((position.parse().unwrap(), messages.parse().unwrap()));
            count += 1;
            if count == killer {
                // At any moment within the next few commits.
                thread::sleep(Duration::from_micros(fastrand::u64(..5000)));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(count >= killer, "round {round}: the child has stored only {count} batches");
        last = read(directory.path(), &stored, last);
        stored.retain(|(position, _)| *position > last.get());
        assert!(stored.is_empty(), "round {round}: {stored:?} are lost");
    }
}

/// Checks the entries after a position, or from the oldest entry on. Returns the last position.
fn read(directory: &Path, stored: &[(u64, u64)], after: Position) -> Position {
    let log = open(directory);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut entries = Vec::new();
        let mut before = None;
        loop {
            let mut page = log.before(before, 500).await.unwrap();
            let Some(first) = page.first() else { break };
            before = Some(first.position);
            page.extend(entries);
            entries = page;
        }
        let start = entries[0].previous;
        let mut position = start;
        for entry in &entries {
            assert_eq!(entry.previous, position);
            assert!(entry.position > position);
            position = entry.position;
        }
        let there: Vec<u64> = entries.iter().map(|entry| entry.position.get()).collect();
        for &(first, messages) in stored {
            for position in (first..first + messages).filter(|position| *position > start.get()) {
                assert!(there.binary_search(&position).is_ok(), "{position} is lost");
            }
        }
        // Each publisher's batches are in order, whole, and there once.
        let mut newest = [(0, 0); PUBLISHERS];
        for entry in entries.iter().filter(|entry| entry.position > after) {
            let record = entry.record.as_ref().unwrap();
            if let Some(id) = record.id() {
                assert_eq!(log.find("t", id.as_str()).await.unwrap(), Some(entry.position), "{id:?}");
            }
            let fields = std::str::from_utf8(record.fields()).unwrap();
            let text = fields.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
            let mut numbers = text.split(' ').take(3).map(|number| number.parse::<usize>().unwrap());
            let [publisher, number, message] = [(); 3].map(|()| numbers.next().unwrap());
            let newest = &mut newest[publisher];
            let follows = *newest == (0, 0)
                || *newest == (number, message.wrapping_sub(1))
                || newest.0 + 1 == number && message == 0;
            assert!(follows, "{publisher}: {number} {message} after {newest:?}");
            *newest = (number, message);
        }
        position
    })
}

#[test]
fn stored_messages_survive_a_kill() {
    check(true);
}

#[test]
fn messages_that_were_stored_without_a_flush_survive_a_kill() {
    check(false);
}
