//! Which requests of a connection are not fully answered, and since when there is no such request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Counts the requests of a connection whose responses have not ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct InFlight(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    requests: AtomicUsize,
    changed: Notify,
}

/// A request whose response has not ended. While this value lives, the connection is in use.
#[derive(Debug)]
pub(crate) struct Flight(Arc<Counted>);

impl InFlight {
    /// Counts one more request.
    pub(crate) fn begin(&self) -> Flight {
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.changed.notify_waiters();
        Flight(self.0.clone())
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.requests.load(Ordering::Relaxed) == 0
    }

    /// Completes when there has been no request for this time.
    pub(crate) async fn none_for(&self, time: Duration) {
        loop {
            // Created before the count is read, so that it hears of all later changes.
            let changed = self.0.changed.notified();
            if !self.is_none() {
                changed.await;
            } else if timeout(time, changed).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    /// Checks when a connection has been unused for `TIME`, whose requests begin and end at these seconds.
    async fn check(requests: &[(u64, u64)], seconds: u64) {
        let in_flight = InFlight::default();
        for &(begin, end) in requests {
            let in_flight = in_flight.clone();
            tokio::spawn(async move {
                sleep(Duration::from_secs(begin)).await;
                let flight = in_flight.begin();
                sleep(Duration::from_secs(end - begin)).await;
                drop(flight);
            });
        }
        let begun = Instant::now();
        in_flight.none_for(TIME).await;
        assert_eq!(begun.elapsed().as_secs(), seconds, "{requests:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_begins_anew_with_each_request_and_each_end() {
        check(&[], 30).await;
        check(&[(10, 10)], 40).await;
        check(&[(10, 3600)], 3630).await;
        check(&[(0, 100), (50, 200)], 230).await;
        check(&[(29, 58), (87, 90), (125, 130)], 120).await;
    }
}
