//! The memory of sources that wait for their next event.

use std::process::Command;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use crate::contenders::{Contender, Http};
use crate::report::{Figure, Report};
use crate::server::{Server, silence};
use crate::{Result, process};

const COUNTS: [u32; 3] = [200, 1_000, 5_000];

/// The number of rounds.
pub(crate) const FULL: usize = 3;
pub(crate) const QUICK: usize = 1;

/// The number of sources that are opened before memory is counted, so that shared memory does not count.
const WARM_UP: u32 = 16;

/// How many connect at a time: fewer than the server's backlog.
const CONNECTING: u32 = 64;

/// The time without an event after which the measurement fails.
const PATIENCE: Duration = Duration::from_secs(10);

/// Measures each contender in a process of its own for each number of sources.
pub(crate) fn compare(contenders: &[&'static Contender], rounds: usize, report: &mut Report) -> Result<()> {
    for round in 0..rounds {
        for count in COUNTS {
            for contender in contenders.iter().filter(|contender| count <= contender.most) {
                eprintln!("round {} of {rounds}: {} × {count}", round + 1, contender.name);
                let bytes = measure(contender, count)
                    .map_err(|error| format!("{} × {count}: {error}", contender.name))?;
                report.add(Figure::Memory, count as usize, "", contender, bytes / 1024.0 / f64::from(count));
            }
        }
    }
    Ok(())
}

/// By how many bytes a process grows with `count` sources.
fn measure(contender: &Contender, count: u32) -> Result<f64> {
    let server = Server::start()?;
    let output = Command::new(std::env::current_exe()?)
        .args(["holder", contender.name, &count.to_string(), &server.port.to_string()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(str::from_utf8(&output.stdout)?.trim().parse()?)
}

/// Runs that process, which prints the bytes.
pub(crate) fn hold(contender: &Contender, count: u32, port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let http = Http::new()?;
        let (heard, mut hearing) = unbounded_channel();
        connect(contender, WARM_UP, &http, port, &heard, &mut hearing).await?;
        let before = process::resident_memory("self")?;
        connect(contender, count, &http, port, &heard, &mut hearing).await?;
        println!("{}", process::resident_memory("self")?.saturating_sub(before));
        Ok(())
    })
}

/// Connects `count` sources, each in a task of its own, and returns when all of them wait for their second event.
async fn connect(
    contender: &Contender,
    count: u32,
    http: &Http,
    port: u16,
    heard: &UnboundedSender<()>,
    hearing: &mut UnboundedReceiver<()>,
) -> Result<()> {
    let mut left = count;
    while left > 0 {
        let some = left.min(CONNECTING);
        for _ in 0..some {
            let source = (contender.hold)(http.clone(), silence(port), heard.clone());
            tokio::spawn(async move {
                match source.await {
                    Ok(()) => eprintln!("a source has ended"),
                    Err(error) => eprintln!("a source has failed: {error}"),
                }
            });
        }
        for _ in 0..some {
            timeout(PATIENCE, hearing.recv()).await.map_err(|_| "not all sources got their event")?;
        }
        left -= some;
    }
    sleep(Duration::from_millis(100)).await;
    Ok(())
}
