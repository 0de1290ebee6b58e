//! The task that appends what waits in the queue.
//!
//! When a batch is appended, the log gets the next one first, and the publishers are told of the outcome after that. So
//! the log does not wait while thousands of publishers are woken.

use std::mem;
use std::sync::Arc;

use tokio::time::{Instant, sleep};

use super::queue::{Queue, Ready, Taken, Waiting};
use crate::log::backoff::Backoff;
use crate::log::batch::{Batch, Outcome};
use crate::log::error::{LogError, PublishError};
use crate::log::outage::Outage;
use crate::log::trace;

pub(super) struct Writer {
    queue: Arc<Queue>,
    publisher: u64,
    number: u64,
    outage: Outage,
    /// Whether messages are given up in this outage, and how many.
    giving_up: Outage,
    given_up: u64,
}

/// The outcome of a batch. Its publishers are told of it when this is dropped.
struct Done {
    waiting: Waiting,
    outcome: Result<Vec<Outcome>, Arc<LogError>>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.abandon();
    }
}

impl Writer {
    /// Returns a writer with this number as a publisher.
    pub(super) fn new(queue: Arc<Queue>, publisher: u64) -> Self {
        Self {
            queue,
            publisher,
            number: 0,
            outage: Outage::default(),
            giving_up: Outage::default(),
            given_up: 0,
        }
    }

    /// Appends until no publisher is left.
    pub(super) async fn run(mut self) {
        let mut done: Option<Done> = None;
        loop {
            let Taken { flushed, ready } = self.queue.take();
            let tell = || {
                drop(done.take());
                for flushed in flushed {
                    // A caller that waits no more has dropped its end.
                    let _ = flushed.send(());
                }
            };
            let Some(Ready { groups, waiting, deadline }) = ready else {
                tell();
                if self.queue.is_done() {
                    return;
                }
                self.queue.filled().await;
                continue;
            };
            self.number += 1;
            let batch = Batch::of_groups(self.publisher, self.number, groups);
            // The log is asked first.
            let (outcome, ()) = tokio::join!(self.append(&batch, deadline), async { tell() });
            done = Some(self.finish(waiting, outcome));
        }
    }

    /// Appends a batch, again and again until it is appended or its time is over.
    async fn append(&mut self, batch: &Batch, deadline: Instant) -> Result<Vec<Outcome>, Arc<LogError>> {
        let mut wait = Backoff::default();
        loop {
            let error = match self.queue.log().append(batch).await {
                Ok(outcomes) if outcomes.len() == batch.records().len() => return Ok(outcomes),
                Ok(_) => LogError::refused("it has returned a wrong number of positions"),
                Err(error) => error,
            };
            let (pause, now) = (wait.next(), Instant::now());
            trace::attempt_failed(&error, pause);
            if let Some(lasted) = self.outage.failed(now) {
                trace::appending_fails(&error, lasted);
            }
            if now + pause > deadline {
                return Err(Arc::new(error));
            }
            self.queue.count_retry();
            sleep(pause).await;
        }
    }

    /// Counts the outcome of a batch.
    fn finish(&mut self, waiting: Waiting, outcome: Result<Vec<Outcome>, Arc<LogError>>) -> Done {
        self.queue.finish(&waiting, outcome.as_deref().map_err(|error| &**error));
        match &outcome {
            Ok(_) => self.tell_that_it_works(),
            Err(error) => self.tell_of_given_up(error, waiting.answers.len()),
        }
        Done { waiting, outcome }
    }

    fn tell_of_given_up(&mut self, error: &LogError, messages: usize) {
        self.given_up += messages as u64;
        if self.giving_up.failed(Instant::now()).is_some() {
            trace::gave_up(error, self.given_up);
        }
    }

    fn tell_that_it_works(&mut self) {
        let now = Instant::now();
        if let Some(lasted) = self.outage.succeeded(now) {
            trace::appending_again(lasted, mem::take(&mut self.given_up));
            self.giving_up.succeeded(now);
        }
    }
}

impl Drop for Done {
    /// A publisher that does not wait for the outcome has dropped its end.
    fn drop(&mut self) {
        let answers = mem::take(&mut self.waiting.answers);
        let failures = mem::take(&mut self.waiting.failures);
        match &self.outcome {
            Ok(outcomes) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(Ok(*outcome));
                }
            }
            Err(error) => {
                for on_failure in failures {
                    on_failure();
                }
                for answer in answers {
                    let _ = answer.send(Err(PublishError::Log(error.clone())));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake};
    use std::time::Duration;

    use sse_codec::Message;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::history::{Entry, Position};
    use crate::log::Log;
    use crate::log::erased::SharedLog;
    use crate::log::outbox::{Limits, Outbox};
    use crate::log::published::Published;
    use crate::message::Record;

    /// A log that appends a batch when it is let.
    #[derive(Clone)]
    struct Gate(Arc<(Mutex<Vec<usize>>, Semaphore)>);

    impl Gate {
        fn new() -> Self {
            Self(Arc::new((Mutex::default(), Semaphore::new(0))))
        }

        /// Returns how many messages each batch had.
        fn batches(&self) -> Vec<usize> {
            self.0.0.lock().unwrap().clone()
        }

        fn outbox(&self) -> Outbox {
            let limits = Limits { patience: Duration::ZERO, messages: 100_000, bytes: usize::MAX };
            Outbox::new(limits, SharedLog::new(self.clone()))
        }

        fn open(&self) {
            self.0.1.add_permits(1);
        }
    }

    impl Log for Gate {
        fn batch_messages(&self) -> usize {
            1000
        }

        async fn append(&self, batch: &Batch) -> Result<Vec<Position>, LogError> {
            self.0.0.lock().unwrap().push(batch.records().len());
            self.0.1.acquire().await.unwrap().forget();
            Ok((1..).map(Position::new).take(batch.records().len()).collect())
        }

        async fn before(&self, _: Option<Position>, _: usize) -> Result<Vec<Entry>, LogError> {
            Ok(Vec::new())
        }

        async fn after(&self, _: Position, _: usize) -> Result<Option<Vec<Entry>>, LogError> {
            Ok(None)
        }

        async fn follow(&self, _: Position, _: usize) -> Result<Option<Vec<Entry>>, LogError> {
            Ok(None)
        }
    }

    fn publish(outbox: &Outbox, bytes: usize) -> Published {
        let record = Record::new("a", &Message::new("x".repeat(bytes)));
        outbox.tell(record.unwrap()).unwrap()
    }

    /// Lets the writer do everything that it can do now.
    async fn settle() {
        sleep(Duration::from_millis(1)).await;
    }

    /// Publishes so many messages of this many bytes while a batch is being appended.
    async fn check(messages: usize, bytes: usize, expected: &[usize]) {
        let log = Gate::new();
        let outbox = log.outbox();
        let mut published = vec![publish(&outbox, 1)];
        settle().await;
        published.extend((0..messages).map(|_| publish(&outbox, bytes)));
        for _ in 0..=expected.len() {
            log.open();
        }
        for published in published {
            published.stored().await.unwrap();
        }
        assert_eq!(log.batches(), [&[1], expected].concat());
    }

    #[tokio::test(start_paused = true)]
    async fn messages_that_come_meanwhile_are_the_next_batch() {
        check(1, 1, &[1]).await;
        check(1000, 1, &[1000]).await;
        check(2500, 1, &[1000, 1000, 500]).await;
        check(3, 400 * 1024, &[2, 1]).await;
        check(2, 2 * 1024 * 1024, &[1, 1]).await;
    }

    /// Notes how many batches the log has when it is woken.
    struct Woken(Gate, AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.1.store(self.0.batches().len(), Ordering::Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_log_has_the_next_batch_before_publishers_are_told_of_the_last_one() {
        let log = Gate::new();
        let outbox = log.outbox();
        let mut first = pin!(publish(&outbox, 1).stored());
        let woken = Arc::new(Woken(log.clone(), AtomicUsize::new(0)));
        let waker = woken.clone().into();
        assert!(first.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        settle().await;
        let second = publish(&outbox, 1);
        log.open();
        settle().await;
        assert_eq!((woken.1.load(Ordering::Relaxed), log.batches()), (2, vec![1, 1]));
        assert!(matches!(first.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Ready(Ok(_))));
        // The callers of `flush` wait for what is before them only.
        let mut flushed = pin!(outbox.flush());
        assert!(flushed.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        log.open();
        flushed.await;
        second.stored().await.unwrap();
    }
}
