//! The steps of a run: all subscribers connect, events are published, the last ones arrive, and all are counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use hyper::header::HeaderMap;
use sse_client::reqwest::Url;
use tokio::signal::ctrl_c;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use crate::bench::DRAIN;
use crate::bench::connection::Poster;
use crate::bench::mark::Mark;
use crate::bench::place::Place;
use crate::bench::progress::Progress;
use crate::bench::publisher::{self, Published, Publisher, Schedule};
use crate::bench::report::{Numbers, Publishing};
use crate::bench::tally::Total;
use crate::bench::threads::{Threads, join, spawn};
use crate::failure::{Exit, Failure};
use crate::runtime;
use crate::system::cpu_time;
use crate::transport::Transport;

/// How often to check whether a step is done.
const TICK: Duration = Duration::from_millis(20);

/// What is to be measured.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) url: Url,
    pub(super) transport: Transport,
    pub(super) headers: HeaderMap,
    pub(super) subscribers: usize,
    pub(super) connecting: usize,
    pub(super) duration: Duration,
    pub(super) publishing: Option<PublishPlan>,
}

#[derive(Debug)]
pub(super) struct PublishPlan {
    /// Events per second.
    pub(super) rate: f64,
    /// Of the data of each.
    pub(super) size: usize,
    pub(super) headers: HeaderMap,
}

/// Measures; an interrupt ends the step that it is in, and there is a report all the same.
pub(super) fn run(plan: Plan, progress: Progress) -> Result<Numbers, Failure> {
    runtime::of_one_thread()?.block_on(async {
        let place = Place::find(plan.url.clone(), &plan.transport).await?;
        // From here on there is something to report.
        let interrupt = Arc::new(Notify::new());
        tokio::spawn(tell_interrupts(interrupt.clone()));
        let poster = match &plan.publishing {
            Some(publishing) => Some(Poster::new(place.publishing(publishing.headers.clone())?)),
            None => None,
        };
        let target = place.stream(plan.headers.clone())?;
        let (mark, start, cpu_at_start) = (Mark::random(), Instant::now(), cpu_time());
        let threads = Threads::start(target, plan.subscribers, plan.connecting, mark, start)?;
        let mut run = Run { plan, mark, start, cpu_at_start, threads, interrupt, progress };
        let flow = run.measure(poster).await;
        run.progress.clear();
        run.end(flow?)
    })
}

async fn tell_interrupts(interrupt: Arc<Notify>) {
    while ctrl_c().await.is_ok() {
        interrupt.notify_one();
    }
}

struct Run {
    plan: Plan,
    mark: Mark,
    /// Since when times are counted.
    start: Instant,
    cpu_at_start: Option<Duration>,
    threads: Threads,
    interrupt: Arc<Notify>,
    progress: Progress,
}

/// When events were counted, and what was published.
struct Flow {
    began: Duration,
    ended: Duration,
    published: Option<Published>,
}

/// Whether a step is done, or was interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Done,
    Interrupted,
}

impl Run {
    async fn measure(&mut self, poster: Option<Poster>) -> Result<Flow, Failure> {
        if self.connect().await == Step::Interrupted {
            let now = self.start.elapsed();
            return Ok(Flow { began: now, ended: now, published: None });
        }
        let began = self.start.elapsed();
        // If nobody has connected there is nothing to measure; the end says why.
        if self.threads.sum(|live| &live.connected) == 0 {
            return Ok(Flow { began, ended: began, published: None });
        }
        self.threads.measure(true);
        let flow = match poster {
            Some(poster) => self.publish(poster, began).await,
            None => Ok(self.listen(began).await),
        };
        self.threads.measure(false);
        flow
    }

    /// Waits until all have connected or failed; or until as many have failed as may try at a time, and nobody has
    /// connected.
    async fn connect(&mut self) -> Step {
        let all = self.plan.subscribers as u64;
        let hopeless = (self.plan.connecting as u64).max(16);
        let is_done = |run: &mut Self| {
            let connected = run.threads.sum(|live| &live.connected);
            let failed = run.threads.sum(|live| &live.failed);
            run.progress.connecting(connected, failed, all);
            connected + failed >= all || (connected == 0 && failed >= hopeless)
        };
        self.until(is_done).await
    }

    /// Counts what others publish.
    async fn listen(&mut self, began: Duration) -> Flow {
        let end = began + self.plan.duration;
        let is_done = |run: &mut Self| {
            let now = run.show_measuring(began);
            // When all streams have ended nothing comes any more.
            now >= end || run.threads.sum(|live| &live.ended) == run.threads.sum(|live| &live.connected)
        };
        self.until(is_done).await;
        Flow { began, ended: self.start.elapsed(), published: None }
    }

    /// Publishes, and waits for what is on its way.
    async fn publish(&mut self, poster: Poster, began: Duration) -> Result<Flow, Failure> {
        let Some(plan) = &self.plan.publishing else {
            return Ok(Flow { began, ended: began, published: None });
        };
        let schedule = Schedule { rate: plan.rate, duration: self.plan.duration };
        let (size, mark, start) = (plan.size, self.mark, self.start);
        let publisher = Publisher { poster, schedule, size, mark, start };
        let live = Arc::new(publisher::Live::default());
        let (runtime, of_thread) = (runtime::of_one_thread()?, live.clone());
        // A thread of its own, so that it is not late when many events come in.
        let thread = spawn("publisher", move || runtime.block_on(publisher.run(of_thread)))?;
        let is_done = |run: &mut Self| {
            run.show_measuring(began);
            thread.is_finished()
        };
        if self.until(is_done).await == Step::Interrupted {
            live.is_stopped.store(true, Ordering::Relaxed);
        }
        // It ends within the time that an answer has.
        let outcome = join(thread)?;
        if outcome.events == 0
            && let Some(refusal) = &outcome.refusal
        {
            return Err(Failure::new(refusal.exit(), format!("nothing could be published: {refusal}")));
        }
        self.drain(outcome.events).await;
        let last_received = Duration::from_nanos(self.threads.greatest(|live| &live.last_received));
        Ok(Flow { began, ended: last_received.max(began), published: Some(outcome) })
    }

    /// Waits until all have all events, or nothing has come for a while.
    async fn drain(&mut self, published: u64) {
        let mut last = (0, self.start.elapsed());
        let is_done = |run: &mut Self| {
            let threads = &run.threads;
            let (connected, ended) = (threads.sum(|live| &live.connected), threads.sum(|live| &live.ended));
            let received = threads.sum(|live| &live.received);
            let by_ended = threads.sum(|live| &live.received_by_ended);
            let now = run.start.elapsed();
            if received != last.0 {
                last = (received, now);
            }
            run.progress.waiting(received, published.saturating_mul(connected));
            let expected = published.saturating_mul(connected.saturating_sub(ended));
            received.saturating_sub(by_ended) >= expected || now.saturating_sub(last.1) >= DRAIN
        };
        self.until(is_done).await;
    }

    /// Polls until a step is done.
    async fn until(&mut self, mut is_done: impl FnMut(&mut Self) -> bool) -> Step {
        let interrupt = self.interrupt.clone();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !is_done(self) {
            tokio::select! {
                _ = tick.tick() => {}
                () = interrupt.notified() => return Step::Interrupted,
            }
        }
        Step::Done
    }

    fn show_measuring(&mut self, began: Duration) -> Duration {
        let now = self.start.elapsed();
        let events = self.threads.sum(|live| &live.events);
        self.progress.measuring(now.saturating_sub(began), self.plan.duration, events);
        now
    }

    /// Ends all streams, and puts the numbers together.
    fn end(self, flow: Flow) -> Result<Numbers, Failure> {
        let cpu = cpu_time().zip(self.cpu_at_start).map(|(now, then)| now.saturating_sub(then));
        let Self { plan, threads, .. } = self;
        let (events, bytes) = (threads.sum(|live| &live.events), threads.sum(|live| &live.bytes));
        let (connected, ended) = (threads.sum(|live| &live.connected), threads.sum(|live| &live.ended));
        let connecting = Duration::from_nanos(threads.greatest(|live| &live.last_connected));
        let counts = threads.end()?;
        if connected == 0 {
            let most = counts.refusals.iter().max_by_key(|(_, count)| **count);
            let Some((refusal, count)) = most else {
                return Err(Failure::failed("interrupted before anyone was connected"));
            };
            let text = format!("no subscriber could connect: {refusal} ({count} times)");
            return Err(Failure::new(refusal.exit(), text));
        }
        let published = flow.published.as_ref().map_or(0, |published| published.events);
        let mut total = Total::default();
        for tally in &counts.tallies {
            total.add(tally, published);
        }
        let schedule = |rate| Schedule { rate, duration: plan.duration };
        let due = plan.publishing.as_ref().map_or(0, |publishing| schedule(publishing.rate).events());
        let latencies = counts.latencies;
        Ok(Numbers {
            subscribers: plan.subscribers,
            connected,
            refusals: counts.refusals,
            ended,
            connecting,
            connect_times: counts.connect_times,
            measuring: flow.ended.saturating_sub(flow.began),
            events,
            bytes,
            total,
            publishing: flow.published.map(|published| Publishing { due, published, latencies }),
            cpu,
        })
    }
}

impl Numbers {
    /// Returns why the run has failed, if it has.
    pub(super) fn failure(&self) -> Option<Failure> {
        let publishing = self.publishing.as_ref()?;
        if let Some(refusal) = &publishing.published.refusal {
            let text = format!("the publishing ended early: {refusal}");
            return Some(Failure::new(refusal.exit(), text));
        }
        let Total { lost, doubled, .. } = self.total;
        let is_complete = lost == 0 && doubled == 0;
        let text = || format!("{lost} events were lost, {doubled} were doubled");
        (!is_complete).then(|| Failure::new(Exit::Incomplete, text()))
    }
}
