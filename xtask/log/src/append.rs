//! Many publishers, each of which publishes a message and waits until it is stored.

mod file;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use sse_disk::{DiskLog, Durability};
use sse_redis::RedisLog;
use sse_server::log::{Log, Publisher};
use sse_server::{Message, Route, Topics};
use sse_testing::log::MemoryLog;

use self::file::File;
use crate::figures::thousands;
use crate::redis::Redis;
use crate::report::Table;
use crate::times::Times;
use crate::{Result, directory, runtime};

/// How many bytes of data a message has.
const PAYLOAD: usize = 256;

const PUBLISHERS: [usize; 3] = [1, 100, 10_000];

/// How long the publishers run before they are measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// What is measured, as an argument and as a column.
const CONTENDERS: [(&str, &str); 7] = [
    ("file", "a file"),
    ("memory", "the log in memory"),
    ("disk", "sse-disk"),
    ("disk-second", "sse-disk, each second"),
    ("disk-topic", "sse-disk, 1,000 of a topic"),
    ("redis-always", "Redis, always"),
    ("redis-second", "Redis, everysec"),
];

/// The measured time of a round, and the number of rounds.
struct Effort {
    time: Duration,
    rounds: usize,
}

/// What the publishers append to.
#[derive(Clone)]
enum Target {
    File(File),
    Topic(Route),
}

/// What came of a round.
struct Round {
    times: Times,
    /// The CPU time of this process while it was measured.
    cpu: Duration,
    /// How many messages a flush had, if it is known.
    per_flush: Option<f64>,
}

/// Measures the named contenders and numbers of publishers, or all of them.
pub(crate) fn compare(choice: &[&str], quick: bool) -> Result<()> {
    let (mut chosen, mut numbers) = (Vec::new(), Vec::new());
    for choice in choice {
        match (CONTENDERS.iter().find(|(name, _)| name == choice), choice.parse::<usize>()) {
            (Some(contender), _) => chosen.push(*contender),
            (None, Ok(number)) => numbers.push(number),
            (None, Err(_)) => {
                return Err(format!("there is no contender `{choice}`\n{}", crate::USAGE).into());
            }
        }
    }
    if chosen.is_empty() {
        chosen.extend(CONTENDERS);
    }
    if numbers.is_empty() {
        numbers.extend(PUBLISHERS);
    }
    let effort = match quick {
        true => Effort { time: Duration::from_secs(1), rounds: 3 },
        false => Effort { time: Duration::from_secs(3), rounds: 7 },
    };
    let columns = || chosen.iter().map(|(_, column)| *column);
    let mut appends = Table::new("Appends a second.", "publishers", 0, true, columns());
    let mut half = Table::new("Until it is stored, the median in ms.", "publishers", 2, false, columns());
    let mut most = Table::new("The same, the 99th percentile in ms.", "publishers", 2, false, columns());
    let mut cpu = Table::new(
        "CPU time of an append in µs, without that of the kernel's threads and of Redis.",
        "publishers",
        1,
        true,
        columns(),
    );
    let mut shared = Table::new("Messages for each flush.", "publishers", 1, false, columns());
    for round in 0..effort.rounds {
        for &publishers in &numbers {
            for (name, column) in &chosen {
                eprintln!("round {} of {}: {name}, {publishers} publishers", round + 1, effort.rounds);
                let figures = runtime()?.block_on(measure(name, publishers, effort.time))?;
                let label = thousands(publishers);
                appends.add(&label, column, figures.times.per_second);
                half.add(&label, column, figures.times.percentile(50));
                most.add(&label, column, figures.times.percentile(99));
                cpu.add(&label, column, figures.cpu.as_secs_f64() * 1e6 / figures.times.count() as f64);
                if let Some(per_flush) = figures.per_flush {
                    shared.add(&label, column, per_flush);
                }
            }
        }
    }
    println!("A message has {PAYLOAD} bytes. In brackets: how many times the value of the first column.");
    [appends, half, most, cpu, shared].iter().for_each(Table::print);
    Ok(())
}

/// Measures a contender.
async fn measure(name: &str, publishers: usize, time: Duration) -> Result<Round> {
    let directory = directory()?;
    let path = directory.path();
    match name {
        "file" => {
            let file = File::create(&path.join("file"))?;
            let round = run(Target::File(file.clone()), publishers, time).await?;
            Ok(Round { per_flush: Some(file.messages_per_flush()), ..round })
        }
        "memory" => on(MemoryLog::new(), publishers, time).await,
        "disk" => {
            let log = DiskLog::open(path)?;
            let round = on(log.clone(), publishers, time).await?;
            let stats = log.stats();
            Ok(Round { per_flush: Some(stats.entries as f64 / stats.commits as f64), ..round })
        }
        "disk-second" => {
            let log = DiskLog::builder().durability(Durability::Every(Duration::from_secs(1)));
            on(log.open(path)?, publishers, time).await
        }
        // Each append beyond the bound evicts a message.
        "disk-topic" => on(DiskLog::builder().max_topic_messages(1000).open(path)?, publishers, time).await,
        _ => {
            let redis = Redis::start(path, if name == "redis-always" { "always" } else { "everysec" })?;
            on(RedisLog::connect(&redis.url, "bench").await?, publishers, time).await
        }
    }
}

/// Measures topics on a log.
async fn on(log: impl Log, publishers: usize, time: Duration) -> Result<Round> {
    // By default, fewer messages may wait than the most publishers publish.
    let publisher = Publisher::builder().max_queued(2 * PUBLISHERS[2]);
    let topics = Topics::builder().publisher(publisher).build_on(log).await?;
    run(Target::Topic(topics.route("bench")?), publishers, time).await
}

/// Lets the publishers publish.
async fn run(target: Target, publishers: usize, time: Duration) -> Result<Round> {
    let (is_measured, is_over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let tasks: Vec<_> = (0..publishers)
        .map(|_| {
            let (target, is_measured, is_over) = (target.clone(), is_measured.clone(), is_over.clone());
            tokio::spawn(async move {
                let text = "x".repeat(PAYLOAD);
                let mut times = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    target.append(&text).await?;
                    if is_measured.load(Ordering::Relaxed) {
                        times.push(begun.elapsed());
                    }
                }
                Result::Ok(times)
            })
        })
        .collect();
    tokio::time::sleep(WARM_UP).await;
    is_measured.store(true, Ordering::Relaxed);
    let (begun, cpu) = (Instant::now(), cpu_time()?);
    tokio::time::sleep(time).await;
    is_measured.store(false, Ordering::Relaxed);
    let (measured, cpu) = (begun.elapsed(), cpu_time()? - cpu);
    is_over.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    Ok(Round { times: Times::new(times, measured), cpu, per_flush: None })
}

/// The CPU time of this process, in user mode and in the kernel.
fn cpu_time() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

impl Target {
    async fn append(&self, text: &str) -> Result<()> {
        match self {
            Self::File(file) => file.append(text).await,
            Self::Topic(route) => {
                route.publish(&Message::new(text))?.stored().await?;
                Ok(())
            }
        }
    }
}
