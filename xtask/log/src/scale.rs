//! Large logs: how long opening takes, how much memory the process has then, and how long `stored()` pauses while the log
//! is trimmed.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use sse_disk::DiskLog;
use sse_server::log::{Batch, Log as _, Record};
use sse_server::{Message, Topics};

use crate::times::Times;
use crate::{Result, directory, process, runtime};

/// How many bytes of data a message has.
const PAYLOAD: usize = 64;

/// How many messages each of many topics has.
const FEW: usize = 3;

/// The pause between the messages of the publisher while the log is trimmed.
const PACE: Duration = Duration::from_millis(2);

/// A log to be made.
struct Shape {
    topics: usize,
    messages: usize,
}

/// Measures a topic with so many messages, and a million topics with few.
pub(crate) fn measure(messages: usize, quick: bool) -> Result<()> {
    let topics = if quick { 100_000 } else { 1_000_000 };
    println!(
        "A message has {PAYLOAD} bytes. Times of `stored()` in ms: the 99th percentile, and the longest.\n"
    );
    println!(
        "| topics | messages | MiB on the disk | opened after ms | resident MiB | without trimming, 99 % | longest \
         | while half is trimmed, 99 % | longest | trimmed messages a second |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for shape in [Shape { topics: 1, messages }, Shape { topics, messages: topics * FEW }] {
        shape.measure(quick)?;
    }
    Ok(())
}

impl Shape {
    fn measure(&self, quick: bool) -> Result<()> {
        let directory = directory()?;
        let path = directory.path();
        eprintln!("{} messages are appended", self.messages);
        let bytes = runtime()?.block_on(self.fill(path))?;
        let opened = Command::new(std::env::current_exe()?).arg("open").arg(path).output()?;
        let opened = String::from_utf8(opened.stdout)?;
        let time = Duration::from_secs(if quick { 3 } else { 10 });
        let (usual, trimmed, speed) = runtime()?.block_on(async {
            let log = DiskLog::builder().max_bytes(None).open(path)?;
            let usual = publish(log, |begun, _| begun.elapsed() > time).await?;
            let log = DiskLog::builder().max_bytes(bytes / 2).open(path)?;
            let (before, begun) = (self.messages as u64, Instant::now());
            let mut until = begun;
            let trimmed = publish(log.clone(), |_, log| {
                until = Instant::now();
                log.stats().bytes <= bytes / 2 + bytes / 16
            })
            .await?;
            let speed = before.saturating_sub(log.stats().entries) as f64 / (until - begun).as_secs_f64();
            Result::Ok((usual, trimmed, speed))
        })?;
        println!(
            "| {} | {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {speed:.0} |",
            self.topics,
            self.messages,
            bytes / 1024 / 1024,
            opened.trim(),
            usual.percentile(99),
            usual.percentile(100),
            trimmed.percentile(99),
            trimmed.percentile(100),
        );
        Ok(())
    }

    /// Appends the messages to a new log. Returns how many bytes it takes.
    async fn fill(&self, path: &Path) -> Result<u64> {
        let log = DiskLog::builder().max_bytes(None).open(path)?;
        let message = Message::new("x".repeat(PAYLOAD));
        let mut number = 0;
        for first in (0..self.messages).step_by(Batch::MAX_MESSAGES) {
            let places = first..self.messages.min(first + Batch::MAX_MESSAGES);
            let records =
                places.filter_map(|place| Record::new(&format!("topic-{}", place % self.topics), &message));
            number += 1;
            log.append(&Batch::new(1, number, records.collect())).await?;
        }
        Ok(log.stats().bytes)
    }
}

/// Publishes one message after the other until it is over.
async fn publish(log: DiskLog, mut is_over: impl FnMut(Instant, &DiskLog) -> bool) -> Result<Times> {
    let topics = Topics::builder().build_on(log.clone()).await?;
    let route = topics.route("bench")?;
    let (begun, mut times) = (Instant::now(), Vec::new());
    while !is_over(begun, &log) {
        let published = Instant::now();
        route.publish(&Message::new("x"))?.stored().await?;
        times.push(published.elapsed());
        tokio::time::sleep(PACE).await;
    }
    Ok(Times::new(times, begun.elapsed()))
}

/// Runs the process that opens a log, and prints the figures.
pub(crate) fn open(path: &str) -> Result<()> {
    runtime()?.block_on(async {
        let begun = Instant::now();
        let topics = Topics::builder().build_on(DiskLog::builder().max_bytes(None).open(path)?).await?;
        let opened = begun.elapsed().as_secs_f64() * 1e3;
        let resident = process::resident_memory("self")? as f64 / 1024.0 / 1024.0;
        println!("{opened:.1} | {resident:.1}");
        drop(topics);
        Ok(())
    })
}
