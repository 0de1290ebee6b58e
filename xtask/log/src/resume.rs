//! Many clients that come back at once, each of which resumes many messages back: from the log on the disk, beside a
//! history in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use sse_disk::DiskLog;
use sse_server::{Body, Message, Published, Route, RouteBuilder, Subscription, Topics};
use tokio::task::JoinSet;

use crate::figures::thousands;
use crate::report::Table;
use crate::{Result, directory, runtime};

/// How many messages each client has missed. By default, 16,384 of them are in memory.
const MISSED: usize = 100_000;

/// How many bytes of data a message has.
const PAYLOAD: usize = 256;

/// How many messages are published together.
const BATCH: usize = 1_000;

const CLIENTS: [usize; 3] = [100, 1_000, 10_000];

/// The data of the last message.
const LAST: &str = "the last message";

const MEMORY: &str = "a history in memory";
const DISK: &str = "sse-disk";

/// Topics with messages, of which the clients have had the first.
struct History {
    name: &'static str,
    topics: Topics,
    route: Route,
    first: Arc<str>,
    /// How many bytes each client gets.
    bytes: usize,
}

/// What came of a round.
struct Figures {
    time: Duration,
    reads: u64,
}

/// Measures so many clients, or several numbers of them.
pub(crate) fn compare(clients: &[&str], quick: bool) -> Result<()> {
    let clients =
        clients.iter().map(|clients| clients.parse()).collect::<std::result::Result<Vec<_>, _>>()?;
    let clients = match (&clients[..], quick) {
        ([], true) => &CLIENTS[..2],
        ([], false) => &CLIENTS[..],
        (chosen, _) => chosen,
    };
    let rounds = 3;
    let mut times =
        Table::new("Until all clients have all messages, in s.", "clients", 2, true, [MEMORY, DISK]);
    let mut speeds = Table::new("Million messages to clients a second.", "clients", 2, true, [MEMORY, DISK]);
    let mut reads = Table::new("Reads of the store.", "clients", 0, false, [DISK]);
    runtime()?.block_on(async {
        let directory = directory()?;
        let log = DiskLog::open(directory.path())?;
        let histories = [
            History::fill(MEMORY, Topics::builder().max_memory(1024 * 1024 * 1024).route(settings()).build())
                .await?,
            History::fill(DISK, Topics::builder().route(settings().history(1_000)).build_on(log).await?)
                .await?,
        ];
        for round in 0..rounds {
            for clients in clients {
                let label = thousands(*clients);
                for history in &histories {
                    eprintln!("round {} of {rounds}: {}, {label} clients", round + 1, history.name);
                    let figures = history.resume(*clients).await?;
                    let seconds = figures.time.as_secs_f64();
                    times.add(&label, history.name, seconds);
                    speeds.add(&label, history.name, (*clients * MISSED) as f64 / seconds / 1e6);
                    reads.add(&label, history.name, figures.reads as f64);
                }
            }
        }
        Result::Ok(())
    })?;
    println!(
        "Each client has missed {} messages of {PAYLOAD} bytes. In brackets: how many times the value of the first \
         column.",
        thousands(MISSED)
    );
    [times, speeds, reads].iter().for_each(Table::print);
    Ok(())
}

fn settings() -> RouteBuilder {
    Route::builder()
        .history(2 * MISSED)
        .history_bytes(256 * 1024 * 1024)
        .heartbeat(None)
        .max_subscribers(20_000)
}

impl History {
    async fn fill(name: &'static str, topics: Topics) -> Result<Self> {
        let route = topics.route("bench")?;
        let first = route.publish(&Message::new("the first message"))?.stored().await?;
        let text = "x".repeat(PAYLOAD);
        let batch = vec![Message::new(&*text); BATCH];
        for _ in 0..MISSED / BATCH - 1 {
            stored(route.publish_all(&batch)?).await?;
        }
        stored(route.publish_all(&batch[1..])?).await?;
        stored(vec![route.publish(&Message::new(LAST))?]).await?;
        let first = first.ok_or("an event has no id")?.as_str().into();
        let mut history = Self { name, topics, route, first, bytes: 0 };
        let all = history.subscribe().respond().into_body();
        history.bytes = read(all, |bytes| bytes.windows(2).filter(|end| *end == b"\n\n").count()).await?;
        // The comment at the beginning of the stream is a block, too.
        if !(MISSED..=MISSED + 1).contains(&history.bytes) {
            return Err(format!("{name}: a client got {} messages", history.bytes).into());
        }
        let all = history.subscribe().respond().into_body();
        history.bytes = read(all, |bytes| bytes.len()).await?;
        Ok(history)
    }

    fn subscribe(&self) -> Subscription {
        self.route.subscribe_from(&self.first)
    }

    /// Lets clients resume after the first message, and returns when all of them have got the last one.
    async fn resume(&self, clients: usize) -> Result<Figures> {
        let reads = self.reads();
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..clients {
            let body = self.subscribe().respond().into_body();
            tasks.spawn(read(body, |bytes| bytes.len()));
        }
        while let Some(task) = tasks.join_next().await {
            let bytes = task??;
            if bytes != self.bytes {
                return Err(format!("{}: a client got {bytes} bytes, not {}", self.name, self.bytes).into());
            }
        }
        Ok(Figures { time: begun.elapsed(), reads: self.reads() - reads })
    }

    fn reads(&self) -> u64 {
        self.topics.stats().total.log.map_or(0, |log| log.reads)
    }
}

/// Reads the body of a stream until the last message. Returns the sum of what `count` returns for each piece.
async fn read(mut body: Body, count: impl Fn(&[u8]) -> usize) -> Result<usize> {
    let mut sum = 0;
    while let Some(frame) = body.frame().await {
        let bytes = frame?.into_data().unwrap_or_default();
        sum += count(&bytes);
        let end = &bytes[bytes.len().saturating_sub(LAST.len() + 64)..];
        if end.windows(LAST.len()).any(|part| part == LAST.as_bytes()) {
            return Ok(sum);
        }
        // A socket is full after some pieces. So clients read side by side, and not one after the other.
        tokio::task::yield_now().await;
    }
    Err("a stream has ended".into())
}

async fn stored(published: Vec<Published>) -> Result<()> {
    for message in published {
        message.stored().await?;
    }
    Ok(())
}
