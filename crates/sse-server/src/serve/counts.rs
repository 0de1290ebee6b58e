//! Counts connections, for operators.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Counts the connections of a server, or of one of its listeners:
/// [`Connections::count_in`](crate::Connections::count_in). It is a handle, and its clones are the same counts.
///
/// ```
/// use sse_server::{ConnectionCounts, Connections, Route, serve};
/// use tokio::net::TcpListener;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let counts = ConnectionCounts::new();
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let connections = Connections::from(listener).count_in(&counts);
/// tokio::spawn(serve(connections, Route::new()).into_future());
///
/// let stats = counts.stats();
/// println!("{} connections are open of {} that came", stats.open, stats.accepted);
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
pub struct ConnectionCounts(Arc<Counts>);

/// Relaxed atomics, because the numbers need not agree with each other.
#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    accepted: AtomicU64,
    http1: AtomicU64,
    http2: AtomicU64,
    slow: AtomicU64,
    malformed: AtomicU64,
    failures: AtomicU64,
}

/// The counts of connections. [`ConnectionCounts::stats`] returns it.
///
/// All fields except [`open`](Self::open) are counters that only rise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionStats {
    /// How many connections are open now.
    pub open: usize,
    /// Connections that were accepted. A source of [your own](crate::Connections::of) may have made its handshakes
    /// before.
    pub accepted: u64,
    /// Connections that speak HTTP/1. The version is known when the first bytes have come.
    pub http1: u64,
    /// Connections that speak HTTP/2.
    pub http2: u64,
    /// Connections that were closed because the head of a request did not come within 30 s. Connections that wait for
    /// their next request and are closed after that time are not counted.
    pub slow: u64,
    /// Connections over HTTP/1 that were closed because the head of a request was malformed or too large.
    pub malformed: u64,
    /// How often no connection could be accepted, because the system had no file left for it. The listener tries again
    /// ten times a second, and counts each time.
    pub accept_failures: u64,
}

impl ConnectionCounts {
    /// Returns counts that are all zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the counts.
    pub fn stats(&self) -> ConnectionStats {
        let Counts { open, accepted, http1, http2, slow, malformed, failures } = &*self.0;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        ConnectionStats {
            open: open.load(Ordering::Relaxed),
            accepted: of(accepted),
            http1: of(http1),
            http2: of(http2),
            slow: of(slow),
            malformed: of(malformed),
            accept_failures: of(failures),
        }
    }

    pub(crate) fn accepted(&self) {
        one_more(&self.0.accepted);
        self.0.open.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn speaks(&self, is_http2: bool) {
        one_more(if is_http2 { &self.0.http2 } else { &self.0.http1 });
    }

    pub(crate) fn was_slow(&self) {
        one_more(&self.0.slow);
    }

    pub(crate) fn was_malformed(&self) {
        one_more(&self.0.malformed);
    }

    pub(crate) fn failed(&self) {
        one_more(&self.0.failures);
    }
}

fn one_more(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}
