//! Settings of a log.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::error::ConnectError;
use crate::log::RedisLog;
use crate::server::Server;

/// Settings of a [`RedisLog`].
///
/// ```no_run
/// use std::time::Duration;
/// use sse_redis::RedisLog;
///
/// # async fn example() -> Result<(), sse_redis::ConnectError> {
/// let log = RedisLog::builder("shop")
///     .max_entries(1_000_000)
///     .max_age(Duration::from_secs(24 * 60 * 60))
///     .connect_within(Duration::from_secs(30))
///     .connect("redis://:password@localhost:6379/")
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct RedisLogBuilder {
    pub(crate) namespace: String,
    pub(crate) max_entries: Option<usize>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) timeout: Duration,
    connect_within: Duration,
}

impl RedisLogBuilder {
    pub(crate) fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            max_entries: Some(100_000),
            max_age: None,
            timeout: Duration::from_secs(5),
            connect_within: Duration::ZERO,
        }
    }

    /// How many entries the stream keeps, about, of all topics together; 100,000 by default, `None` for any number.
    /// Redis lets go of whole nodes of the stream (of 100 entries, if it is configured as usual), so it may keep a few
    /// more.
    ///
    /// The stream is cut by those who publish: give all of them the same bounds.
    pub fn max_entries(mut self, entries: impl Into<Option<usize>>) -> Self {
        self.max_entries = entries.into();
        self
    }

    /// For how long the stream keeps entries, about; `None`, the default, for as long as there is room. What is too old
    /// is let go of when something is published.
    pub fn max_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_age = age.into();
        self
    }

    /// How long Redis may take to accept a connection, or to answer; 5 s by default, at least 10 ms.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time.max(Duration::from_millis(10));
        self
    }

    /// How long to try to connect at the start, before it is an error; by default once. Later on, it is tried again for
    /// as long as it takes.
    pub fn connect_within(mut self, time: Duration) -> Self {
        self.connect_within = time;
        self
    }

    /// Connects to a server; see [`RedisLog::connect`].
    ///
    /// # Errors
    ///
    /// [`ConnectError`] if the URL or the namespace can't be used, or the server can't be reached.
    pub async fn connect(self, url: &str) -> Result<RedisLog, ConnectError> {
        self.begin(Server::single(url)).await
    }

    /// Connects to a Redis Cluster, of which at least one node is named. The whole log lies on one of its shards: other
    /// namespaces may lie on others.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    #[cfg(feature = "cluster")]
    pub async fn connect_cluster<U: AsRef<str>>(
        self,
        urls: impl IntoIterator<Item = U>,
    ) -> Result<RedisLog, ConnectError> {
        let urls: Vec<_> = urls.into_iter().map(|url| url.as_ref().to_owned()).collect();
        self.begin(Server::cluster(urls)).await
    }

    /// Connects to a master of which Sentinels know where it is: at the start, and whenever the connection is lost. The
    /// master's URL has its name in place of the host, and its password, if it has one, as in
    /// `redis://:password@mymaster`.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    #[cfg(feature = "sentinel")]
    pub async fn connect_sentinel<U: AsRef<str>>(
        self,
        sentinels: impl IntoIterator<Item = U>,
        master: &str,
    ) -> Result<RedisLog, ConnectError> {
        let sentinels: Vec<_> = sentinels.into_iter().map(|url| url.as_ref().to_owned()).collect();
        self.begin(Server::sentinel(sentinels, master)).await
    }

    async fn begin(self, server: redis::RedisResult<Server>) -> Result<RedisLog, ConnectError> {
        if self.namespace.is_empty() || self.namespace.contains(['{', '}']) {
            return Err(ConnectError::Namespace);
        }
        let server = server.map_err(ConnectError::Address)?;
        let end = Instant::now() + self.connect_within;
        let log = RedisLog::new(server, self);
        loop {
            let Err(error) = log.check().await else { return Ok(log) };
            if Instant::now() >= end {
                return Err(ConnectError::Log(error));
            }
            sleep(Duration::from_millis(fastrand::u64(100..400))).await;
        }
    }
}
