//! Bodies at full speed: the cost of events beside that of the bytes alone.

use std::time::{Duration, Instant};

use crate::contenders::{Contender, Http, Seen};
use crate::report::{Figure, Report};
use crate::server::Server;
use crate::streams::Sample;
use crate::{Result, system};

/// The amount of work for a figure.
pub(crate) struct Effort {
    rounds: usize,
    /// How many blocks of 1 MiB a body has.
    blocks: u64,
}

pub(crate) const FULL: Effort = Effort { rounds: 15, blocks: 256 };
pub(crate) const QUICK: Effort = Effort { rounds: 1, blocks: 16 };

/// Measures all contenders that read, on every stream.
pub(crate) fn compare(
    contenders: &[&'static Contender],
    samples: &[Sample],
    effort: &Effort,
    report: &mut Report,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let server = Server::start()?;
    let http = Http::new()?;
    let readers: Vec<_> = contenders.iter().filter(|contender| contender.read.is_some()).collect();
    for contender in &readers {
        let sample = &samples[0];
        // The first body warms up.
        runtime.block_on(take(contender, &http, server.stream(sample.name, 1), sample, 1))?;
    }
    for round in 0..effort.rounds {
        for sample in samples {
            // Each round begins with another contender, so that no contender is always the first.
            for place in 0..readers.len() {
                let contender = readers[(round + place) % readers.len()];
                eprintln!("round {} of {}: {}, {}", round + 1, effort.rounds, sample.name, contender.name);
                let blocks = effort.blocks.div_ceil(contender.part);
                let url = server.stream(sample.name, blocks);
                let times = runtime
                    .block_on(take(contender, &http, url, sample, blocks))
                    .map_err(|error| format!("{} with {}: {error}", contender.name, sample.name))?;
                add(report, contender, sample, blocks, &times);
            }
        }
    }
    Ok(())
}

struct Times {
    wall: Duration,
    cpu: Duration,
}

/// Reads one body, from the request to the end, and checks that all of it came.
async fn take(
    contender: &Contender,
    http: &Http,
    url: String,
    sample: &Sample,
    blocks: u64,
) -> Result<Times> {
    let Some(read) = contender.read else { return Err("it does not read".into()) };
    let (start, cpu) = (Instant::now(), system::cpu_time());
    let seen = read(http.clone(), url).await?;
    let times = Times { wall: start.elapsed(), cpu: system::cpu_time().saturating_sub(cpu) };
    let expected = match seen {
        Seen::Body(_) => Seen::Body(blocks * sample.block.len() as u64),
        Seen::Events { .. } => Seen::Events { count: blocks * sample.events, data: blocks * sample.data },
    };
    if seen != expected {
        return Err(format!("{seen:?} instead of {expected:?}").into());
    }
    Ok(times)
}

fn add(report: &mut Report, contender: &'static Contender, sample: &Sample, blocks: u64, times: &Times) {
    let events = float(blocks * sample.events);
    let bytes = float(blocks * sample.block.len() as u64);
    let (wall, cpu) = (times.wall.as_secs_f64(), times.cpu.as_secs_f64());
    let figures = [
        (Figure::Speed, bytes / wall / 1e6),
        (Figure::Time, wall * 1e9 / events),
        (Figure::Cpu, cpu * 1e9 / events),
        (Figure::Busy, 100.0 * cpu / wall),
    ];
    for (figure, value) in figures {
        report.add(figure, sample.event, sample.name, contender, value);
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
