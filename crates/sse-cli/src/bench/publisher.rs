//! Publishes at a steady rate, however long the answers take.
//!
//! Each event is due at a time, and latencies count from that time. If the server or this program is late, subscribers
//! wait for it, and the delay must not be hidden because the next event is sent later, too (coordinated omission).
//! Events that become due during a request go out in the next one, in order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::{sleep, timeout};

use crate::bench::connection::{Poster, Refusal};
use crate::bench::histogram::Times;
use crate::bench::mark::{Mark, Stamp};
use crate::bench::subscribers::no_answer;
use crate::bench::{ANSWER, DRAIN};
use crate::envelope::{Envelope, JSON_LINES};

/// How large a request becomes at most, if it is of more than one event: half of what a hub takes.
const MAX_BATCH: usize = 512 * 1024;

/// How many events a request has at most: as many as a hub that has a log takes together.
const MAX_EVENTS: usize = 4096;

/// How precise the timer of the runtime is at worst.
const COARSE: Duration = Duration::from_millis(2);

/// When each event is due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// Events per second.
    pub(super) rate: f64,
    pub(super) duration: Duration,
}

impl Schedule {
    /// How many events are due in all: at least one.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it saturates, and is not negative"
    )]
    pub(super) fn events(&self) -> u64 {
        ((self.rate * self.duration.as_secs_f64()).round() as u64).max(1)
    }

    /// When the event with this number is due, from the first on.
    #[expect(clippy::cast_precision_loss, reason = "after 2^52 events a nanosecond is no matter")]
    fn due(&self, sequence: u64) -> Duration {
        Duration::try_from_secs_f64(sequence as f64 / self.rate).unwrap_or(Duration::MAX)
    }
}

#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) poster: Poster,
    pub(super) schedule: Schedule,
    pub(super) size: usize,
    pub(super) mark: Mark,
    /// Since when times are counted.
    pub(super) start: Instant,
}

/// What other threads may read and set while it publishes.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) published: AtomicU64,
    /// Whether it is to end before its time.
    pub(super) is_stopped: AtomicBool,
}

/// The outcome.
#[derive(Clone, Debug)]
pub(super) struct Published {
    /// How many events the server has taken.
    pub(super) events: u64,
    pub(super) requests: u64,
    /// How long it took, from when the first was due.
    pub(super) duration: Duration,
    /// How long after an event was due it was sent.
    pub(super) lags: Times,
    /// Why it ended before its time.
    pub(super) refusal: Option<Refusal>,
}

impl Publisher {
    pub(super) async fn run(mut self, live: Arc<Live>) -> Published {
        let mut published =
            Published { events: 0, requests: 0, duration: Duration::ZERO, lags: Times::new(), refusal: None };
        let begin = self.start.elapsed();
        let end = begin + self.schedule.duration + DRAIN;
        let all = self.schedule.events();
        while published.events < all && !live.is_stopped.load(Ordering::Relaxed) && self.start.elapsed() < end
        {
            let first = published.events;
            if !self.wait_until(begin + self.schedule.due(first), &live).await {
                break;
            }
            let now = self.start.elapsed();
            let batch = self.batch(first, begin, now);
            for event in &batch {
                published.lags.record(now.saturating_sub(event.due));
            }
            if let Err(refusal) = self.post(&batch).await {
                published.refusal = Some(refusal);
                break;
            }
            published.requests += 1;
            published.events += batch.len() as u64;
            live.published.store(published.events, Ordering::Relaxed);
        }
        published.duration = self.start.elapsed().saturating_sub(begin);
        published
    }

    /// What is due now, from this event on: at least this event, at most a request full.
    fn batch(&self, first: u64, begin: Duration, now: Duration) -> Vec<Stamp> {
        let most = (MAX_BATCH / (self.size + 64)).clamp(1, MAX_EVENTS);
        let stamp = |sequence| Stamp { sequence, due: begin + self.schedule.due(sequence) };
        let all = self.schedule.events();
        let due = (first + 1..all).map(stamp).take_while(|event| event.due <= now);
        std::iter::once(stamp(first)).chain(due).take(most).collect()
    }

    async fn post(&mut self, batch: &[Stamp]) -> Result<(), Refusal> {
        let data = |stamp: &Stamp| self.mark.data(*stamp, self.size);
        let (content_type, body) = match batch {
            // A single event may go to any server that accepts text.
            [stamp] => ("text/plain; charset=utf-8", data(stamp)),
            _ => (JSON_LINES, batch.iter().map(|stamp| line(data(stamp))).collect()),
        };
        let posted = timeout(ANSWER, self.poster.post(content_type, Bytes::from(body))).await;
        posted.unwrap_or_else(|_| Err(no_answer()))
    }

    /// Waits until this time since the start; returns whether it goes on then.
    async fn wait_until(&self, time: Duration, live: &Live) -> bool {
        /// How long a stop may go unseen.
        const LOOK: Duration = Duration::from_millis(50);

        loop {
            let rest = time.saturating_sub(self.start.elapsed());
            if live.is_stopped.load(Ordering::Relaxed) {
                return false;
            }
            if rest <= COARSE {
                // The thread has nothing else to do, and sleeps to some 60 µs.
                std::thread::sleep(rest);
                return true;
            }
            sleep(rest.saturating_sub(COARSE).min(LOOK)).await;
        }
    }
}

fn line(data: String) -> String {
    let envelope = Envelope { data: data.into(), ..Envelope::default() };
    let json = serde_json::to_string(&envelope).expect("an envelope has only text");
    format!("{json}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_schedule(rate: f64, milliseconds: u64, events: u64, due: &[u64]) {
        let schedule = Schedule { rate, duration: Duration::from_millis(milliseconds) };
        assert_eq!(schedule.events(), events, "{schedule:?}");
        for (sequence, due) in (0..).zip(due) {
            assert_eq!(schedule.due(sequence), Duration::from_micros(*due), "{schedule:?} {sequence}");
        }
    }

    #[test]
    fn events_are_due_at_a_steady_rate() {
        check_schedule(10.0, 10_000, 100, &[0, 100_000, 200_000]);
        check_schedule(0.5, 10_000, 5, &[0, 2_000_000]);
        check_schedule(8000.0, 100, 800, &[0, 125, 250, 375]);
        check_schedule(0.01, 10_000, 1, &[0]);
        check_schedule(10.0, 0, 1, &[0]);
    }

    #[test]
    fn an_event_is_a_line_of_json() {
        assert_eq!(line("a1 0 5 ..".to_owned()), "{\"data\":\"a1 0 5 ..\"}\n");
    }
}
