//! The measurements with one server and a number of subscribers.

use std::time::{Duration, Instant};

use crate::contenders::Contender;
use crate::report::{Figure, Report, Stopped};
use crate::server::Server;
use crate::subscribers::{Subscribers, Wait};
use crate::{Result, system};

pub(crate) const SUBSCRIBERS: [usize; 3] = [100, 1_000, 10_000];

const PAYLOADS: [usize; 3] = [64, 256, 4096];

/// The payload of the measurements that use only one.
const PAYLOAD: usize = 256;

/// How many events are published at once in bursts.
pub(crate) const BURST: usize = 64;

/// The smallest number of subscribers for bursts and for connecting, which takes too little time with fewer.
const MANY: usize = 1_000;

/// The rate of deliveries per second at which latency is measured. It keeps no server busy.
pub(crate) const RATE: usize = 30_000;

/// The number of subscribers of which one stops reading.
pub(crate) const WITH_STOPPED: usize = 100;

/// The number of events after one has stopped: 8 MB, which is more than a socket (some 4 MB) and a history (1 MB) can
/// hold.
const STOPPED_EVENTS: usize = 2_000;
pub(crate) const STOPPED_PAYLOAD: usize = 4096;
pub(crate) const STOPPED_RATE: usize = 800;

/// The number of events before, when all read.
const READ_EVENTS: usize = 800;

/// The amount of work for a figure.
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    /// The minimum number of deliveries with one event at a time.
    single: usize,
    /// The minimum duration of bursts.
    bursts: Duration,
    /// The seconds at a fixed rate.
    seconds: usize,
}

pub(crate) const FULL: Effort =
    Effort { rounds: 5, single: 50_000, bursts: Duration::from_secs(1), seconds: 2 };
pub(crate) const QUICK: Effort =
    Effort { rounds: 1, single: 10_000, bursts: Duration::from_millis(100), seconds: 1 };

/// Measures all figures of a server with this number of subscribers.
pub(crate) fn take(
    contender: &Contender,
    subscribers: usize,
    effort: &Effort,
    report: &mut Report,
) -> Result<()> {
    let mut bench = Bench::connect(contender, subscribers, report)?;
    for payload in PAYLOADS {
        bench.one_at_a_time(payload, effort, report)?;
    }
    bench.latency(effort, report)?;
    if subscribers >= MANY {
        bench.bursts(effort, report)?;
    }
    if subscribers == WITH_STOPPED {
        bench.one_stopped(report)?;
    }
    Ok(())
}

struct Bench<'c> {
    contender: &'c Contender,
    // Before the server, so that it is dropped first: then the server's port is free at once.
    subscribers: Subscribers,
    server: Server,
}

impl<'c> Bench<'c> {
    fn connect(contender: &'c Contender, count: usize, report: &mut Report) -> Result<Self> {
        let server = Server::start(contender)?;
        let start = Instant::now();
        let subscribers = server.subscribers(count)?;
        let time = start.elapsed();
        let mut bench = Self { contender, subscribers, server };
        if count >= MANY {
            bench.add(report, Figure::Connects, 0, float(count) / time.as_secs_f64());
        }
        bench.warm_up()?;
        Ok(bench)
    }

    /// Warms up the server and the connections. A new connection acknowledges each of its first 16 segments at once, which
    /// costs the server time too.
    fn warm_up(&mut self) -> Result<()> {
        for _ in 0..16 {
            self.publish(1, PAYLOAD)?;
        }
        self.publish(BURST, PAYLOAD)
    }

    /// The server's CPU time for each delivery. The next event is published when all subscribers have got the last one.
    fn one_at_a_time(&mut self, payload: usize, effort: &Effort, report: &mut Report) -> Result<()> {
        let events = effort.single.div_ceil(self.subscribers.len()).max(2);
        let before = self.server.cpu_time()?;
        for _ in 0..events {
            self.publish(1, payload)?;
        }
        let time = self.server.cpu_time()? - before;
        self.subscribers.check()?;
        let deliveries = float(events * self.subscribers.len());
        self.add(report, Figure::Cpu, payload, time.as_secs_f64() * 1e6 / deliveries);
        Ok(())
    }

    /// The times from publish to receipt, at a rate that leaves time between events.
    fn latency(&mut self, effort: &Effort, report: &mut Report) -> Result<()> {
        let rate = RATE / self.subscribers.len();
        if self.at_rate(rate * effort.seconds, rate, PAYLOAD)? == Wait::Stalled {
            return Err(self.subscribers.lost());
        }
        self.subscribers.check()?;
        let latencies = self.subscribers.take_latencies();
        self.add(report, Figure::Median, PAYLOAD, microseconds(&latencies, 50)?);
        self.add(report, Figure::P99, PAYLOAD, microseconds(&latencies, 99)?);
        Ok(())
    }

    /// Deliveries per second. The next burst is published when all subscribers have got the last one.
    fn bursts(&mut self, effort: &Effort, report: &mut Report) -> Result<()> {
        let mut bursts = 0;
        let [server, load] = [self.server.cpu_time()?, system::own_cpu_time()];
        let start = Instant::now();
        while start.elapsed() < effort.bursts {
            self.publish(BURST, PAYLOAD)?;
            bursts += 1;
        }
        let time = start.elapsed().as_secs_f64();
        let server = (self.server.cpu_time()? - server).as_secs_f64();
        let load = (system::own_cpu_time() - load).as_secs_f64();
        self.subscribers.check()?;
        let deliveries = float(bursts * BURST * self.subscribers.len());
        self.add(report, Figure::Bursts, PAYLOAD, deliveries / time / 1e3);
        self.add(report, Figure::BurstCpu, PAYLOAD, server * 1e6 / deliveries);
        report.busy(server / time, load / time);
        Ok(())
    }

    /// The latency of the others while one subscriber does not read, and what that subscriber gets when it reads again.
    fn one_stopped(&mut self, report: &mut Report) -> Result<()> {
        if self.at_rate(READ_EVENTS, STOPPED_RATE, STOPPED_PAYLOAD)? == Wait::Stalled {
            return Err(self.subscribers.lost());
        }
        self.subscribers.check()?;
        let without = microseconds(&self.subscribers.take_latencies(), 99)?;
        self.subscribers.stop_one();
        let wait = self.at_rate(STOPPED_EVENTS, STOPPED_RATE, STOPPED_PAYLOAD)?;
        let stopped = if wait == Wait::Stalled {
            Stopped { without, with: None, fate: "all others get nothing until it reads on".into() }
        } else {
            self.subscribers.check()?;
            let with = Some(microseconds(&self.subscribers.take_latencies(), 99)?);
            let (events, bytes, cut) = self.subscribers.read_on()?;
            Stopped { without, with, fate: fate(events, &bytes, cut) }
        };
        report.stopped(self.contender, stopped);
        Ok(())
    }

    fn publish(&mut self, count: usize, payload: usize) -> Result<()> {
        publish(&mut self.server, &mut self.subscribers, count, payload)
    }

    /// Publishes `count` events at `rate` per second, and waits until all subscribers have got them.
    fn at_rate(&mut self, count: usize, rate: usize, payload: usize) -> Result<Wait> {
        let start = Instant::now();
        for number in 0..count {
            self.subscribers.receive_until(start + Duration::from_secs_f64(float(number) / float(rate)))?;
            self.subscribers.expect(1);
            self.server.publish(1, payload)?;
        }
        self.subscribers.receive()
    }

    fn add(&self, report: &mut Report, figure: Figure, payload: usize, value: f64) {
        report.add(self.contender, figure, self.subscribers.len(), payload, value);
    }
}

/// Publishes `count` events at once, and waits until all subscribers have got them.
pub(crate) fn publish(
    server: &mut Server,
    subscribers: &mut Subscribers,
    count: usize,
    payload: usize,
) -> Result<()> {
    subscribers.expect(count);
    server.publish(count, payload)?;
    if subscribers.receive()? == Wait::Stalled {
        return Err(subscribers.lost());
    }
    subscribers.forget_latencies();
    Ok(())
}

/// What the subscriber got that did not read while `STOPPED_EVENTS` were published.
fn fate(events: usize, bytes: &[u8], cut: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let told = text.contains("event: gap\n") || text.contains("event:gap\n");
    let missed = text.split("\"missed\":").skip(1).filter_map(number_at_start).sum::<usize>();
    match (cut, told) {
        (true, _) => "was cut off".into(),
        (_, true) if events + missed == STOPPED_EVENTS => "was told of its gap".into(),
        (_, true) => format!("was told of a gap of {missed}, and got {events} of {STOPPED_EVENTS} events"),
        _ if events == STOPPED_EVENTS => "got all events late".into(),
        _ => "lost events without a word".into(),
    }
}

fn number_at_start(text: &str) -> Option<usize> {
    let end = text.find(|character: char| !character.is_ascii_digit())?;
    text[..end].parse().ok()
}

/// A percentile of sorted nanoseconds, in microseconds.
fn microseconds(sorted: &[u64], percent: usize) -> Result<f64> {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    let nanoseconds = sorted.get(place).ok_or("no event was timed")?;
    Ok(*nanoseconds as f64 / 1e3)
}

pub(crate) fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("what is done in seconds"))
}
